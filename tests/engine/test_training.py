"""Training: repeatable, resumable, and clear about what is wrong."""

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine import checkpoints
from praxiscope.engine.checkpoints import AtomicCheckpointIO, Checkpoints, StoppedError
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import CheckpointError, DataError, PraxiscopeError, VideoError
from praxiscope.recipe import Cosine, Loader, Recipe, Sgd
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe, with_broken_video

QUIET = TrainOptions(validate=False)


def weights(checkpoint: Path) -> dict[str, Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


def assert_equal_weights(a: Path, b: Path) -> None:
    ours, theirs = weights(a), weights(b)
    assert ours.keys() == theirs.keys()
    differing = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not differing


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, schedule=Cosine(epochs=1))
    options = TrainOptions(validate=False, deterministic=True, seed=3)
    runs = [
        run_training(recipe, tmp_path / name, chosen).latest
        for name, chosen in (("a", options), ("b", options), ("c", replace(options, seed=4)))
    ]
    assert_equal_weights(runs[0], runs[1])
    with pytest.raises(AssertionError):
        assert_equal_weights(runs[0], runs[2])


def test_the_number_of_workers_does_not_change_the_weights(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, schedule=Cosine(epochs=1))
    alone = run_training(recipe, tmp_path / "alone", QUIET)
    loader = Loader(videos_per_device=4, workers=2)
    helped = run_training(replace(recipe, loader=loader), tmp_path / "helped", QUIET)
    assert_equal_weights(alone.latest, helped.latest)


@pytest.fixture(scope="module")
def uninterrupted(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return run_training(three_epochs(motions), folder, TrainOptions()).latest


def three_epochs(motions: MotionDataset) -> Recipe:
    return tiny_recipe(motions, schedule=Cosine(epochs=3))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_resumed_after_an_epoch_ends_as_if_it_had_never_stopped(
    motions: MotionDataset, tmp_path: Path, uninterrupted: Path, workers: int
) -> None:
    recipe = three_epochs(motions)
    recipe = replace(recipe, loader=replace(recipe.loader, workers=workers))
    options = TrainOptions(resume=uninterrupted.with_name("epoch_1.pth"))
    resumed = run_training(recipe, tmp_path, options)
    assert_equal_weights(resumed.latest, uninterrupted)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_stopped_by_a_signal_within_an_epoch_resumes_exactly(
    motions: MotionDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: Path,
    accumulate: int,
) -> None:
    recipe, whole = three_epochs(motions), uninterrupted
    if accumulate > recipe.optim.accumulate:
        recipe = replace(recipe, optim=replace(recipe.optim, accumulate=accumulate))
        whole = run_training(recipe, tmp_path / "whole", TrainOptions()).latest

    def send_a_signal(self: Any, trainer: Any, *args: Any) -> None:
        if trainer.current_epoch == 1 and args[-1] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        saved(self, trainer, *args)

    saved = Checkpoints.on_train_batch_end
    monkeypatch.setattr(Checkpoints, "on_train_batch_end", send_a_signal)
    folder = tmp_path / "stopped"
    with pytest.raises(StoppedError, match="in epoch 2, after batch 2. Continue with --resume"):
        run_training(recipe, folder, TrainOptions())
    monkeypatch.undo()
    resumed = run_training(recipe, folder, TrainOptions(resume=folder / "latest.pth"))
    assert_equal_weights(resumed.latest, whole)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_checkpoints_are_kept_by_their_published_names(
    motions: MotionDataset, uninterrupted: Path
) -> None:
    names = {path.name for path in uninterrupted.parent.glob("*.pth")}
    best = {name for name in names if name.startswith("best_top1_acc_epoch_")}
    assert names - best == {"epoch_1.pth", "epoch_2.pth", "epoch_3.pth", "latest.pth"}
    assert len(best) == 1
    assert {name.split(".")[0] for name in weights(uninterrupted)} == {"backbone", "cls_head"}


def test_the_curves_of_a_run_are_written_as_csv_and_for_tensorboard(uninterrupted: Path) -> None:
    (logs,) = (uninterrupted.parent / "logs").iterdir()
    rows = list(csv.DictReader((logs / "metrics.csv").read_text().splitlines()))
    losses = [float(row["train/loss_epoch"]) for row in rows if row["train/loss_epoch"]]
    accuracies = [float(row["val/top1_acc"]) for row in rows if row["val/top1_acc"]]
    assert len(losses) == len(accuracies) == 3
    assert list(logs.glob("events.out.tfevents.*"))


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latest.pth"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"x": torch.ones(2)}}, path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(PraxiscopeError, match="latest.pth could not be written: No space left"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    assert torch.equal(weights(path)["x"], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["latest.pth"]


def test_auto_scale_lr_scales_by_the_batch_and_says_so(
    motions: MotionDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe(motions, schedule=Cosine(epochs=1), optim=Sgd(lr=0.16, batch=64))
    run_training(recipe, tmp_path, TrainOptions(validate=False, auto_scale_lr=True))
    assert "learning rate scaled from 0.16 to 0.01: 4 videos a step instead of 64" in caplog.text
    state = read_checkpoint_file(tmp_path / "latest.pth")
    assert state["lr_schedulers"][0]["base_lrs"] == [0.01]  # type: ignore[index]


def test_mixed_precision_trains(motions: MotionDataset, tmp_path: Path) -> None:
    recipe = tiny_recipe(motions, schedule=Cosine(epochs=1))
    trained = run_training(recipe, tmp_path, TrainOptions(validate=False, amp=True))
    assert all(t.isfinite().all() for t in weights(trained.latest).values())


def test_a_broken_video_is_an_error_that_names_it(motions: MotionDataset, tmp_path: Path) -> None:
    recipe = tiny_recipe(motions, train=with_broken_video(motions, "train", tmp_path))
    with pytest.raises(VideoError, match=r"train.txt, item 1: .*broken.mp4"):
        run_training(recipe, tmp_path / "run", QUIET)


def test_skipped_videos_are_listed_and_the_run_goes_on(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, train=with_broken_video(motions, "train", tmp_path))
    options = TrainOptions(validate=False, skip_broken=True)
    trained = run_training(recipe, tmp_path / "run", options)
    assert [broken.index for broken in trained.broken] == [1]
    (line,) = (tmp_path / "run/broken.txt").read_text().splitlines()
    assert line.startswith(f"{tmp_path}/broken.mp4\t")


def test_a_batch_of_broken_videos_alone_changes_nothing(
    motions: MotionDataset, tmp_path: Path
) -> None:
    broken = with_broken_video(motions, "train", tmp_path)
    assert broken.annotations is not None
    only = broken.annotations.read_text().splitlines()[1]
    broken.annotations.write_text(only)
    recipe = tiny_recipe(motions, train=broken, schedule=Cosine(epochs=1))
    trained = run_training(recipe, tmp_path / "run", TrainOptions(validate=False, skip_broken=True))
    assert all(t.isfinite().all() for t in weights(trained.latest).values())


def test_missing_videos_are_found_before_training(motions: MotionDataset, tmp_path: Path) -> None:
    recipe = tiny_recipe(motions)
    recipe = replace(recipe, val=replace(recipe.val, root=tmp_path))
    with pytest.raises(DataError, match="8 of 8 videos do not exist"):
        run_training(recipe, tmp_path / "run", TrainOptions())
    assert not (tmp_path / "run").exists()


def test_a_model_with_other_classes_than_its_list_is_refused(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions)
    recipe = replace(recipe, model=replace(recipe.model, num_classes=7))
    with pytest.raises(DataError, match="has 8 classes and the model 7"):
        run_training(recipe, tmp_path, QUIET)


def test_resuming_from_nothing_says_so(motions: MotionDataset, tmp_path: Path) -> None:
    options = TrainOptions(resume=tmp_path / "epoch_9.pth")
    with pytest.raises(CheckpointError, match="epoch_9.pth does not exist"):
        run_training(tiny_recipe(motions), tmp_path, options)


def test_resuming_from_a_file_that_holds_weights_alone_says_so(
    motions: MotionDataset, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": tiny_recipe(motions).model.build().state_dict()}, path)
    with pytest.raises(CheckpointError, match="holds no state of a run"):
        run_training(tiny_recipe(motions), tmp_path, TrainOptions(resume=path))


def test_a_long_epoch_is_saved_on_the_way(
    motions: MotionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MINUTES_BETWEEN_CHECKPOINTS", 0)
    steps = []
    monkeypatch.setattr(
        AtomicCheckpointIO,
        "save_checkpoint",
        lambda self, content, path, storage_options=None: steps.append(content["global_step"]),
    )
    monkeypatch.setattr(checkpoints, "copy_atomically", lambda source, target: None)
    run_training(tiny_recipe(motions, schedule=Cosine(epochs=1)), tmp_path, QUIET)
    assert steps == [1, 2, 3, 4]


def test_a_run_can_start_from_the_weights_of_another(
    motions: MotionDataset, tmp_path: Path, uninterrupted: Path
) -> None:
    other = replace(tiny_recipe(motions).model, num_classes=5).build()
    torch.save({"state_dict": other.state_dict()}, tmp_path / "other.pth")
    recipe = tiny_recipe(motions, start=str(tmp_path / "other.pth"), optim=Sgd(lr=1e-30, batch=4))
    trained = run_training(recipe, tmp_path / "run", QUIET)
    name = "backbone.layer1.0.conv1.conv.weight"
    assert torch.equal(weights(trained.latest)[name], other.state_dict()[name])
    assert weights(trained.latest)["cls_head.fc_cls.weight"].shape == (8, 256)


def test_videos_with_several_labels_train_and_are_validated(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, metrics=("mean_average_precision",))
    lists = {}
    for split, videos in (("train", recipe.train), ("val", recipe.val)):
        assert videos.annotations is not None
        lines = videos.annotations.read_text().splitlines()
        path = tmp_path / f"{split}.txt"
        path.write_text("\n".join(f"{line} {(int(line[-1]) + 1) % 8}" for line in lines))
        lists[split] = replace(videos, annotations=path, multi_label=True)
    trained = run_training(replace(recipe, **lists), tmp_path / "run")
    assert trained.metrics.keys() == {"mean_average_precision"}
    assert trained.best is not None and "mean_average_precision" in trained.best.name


def test_a_checkpoint_cannot_name_a_file_to_delete(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("keep me")
    mine = tmp_path / "run/best_top1_acc_epoch_2.pth"
    mine.parent.mkdir()
    mine.write_text("")
    callback = Checkpoints(mine.parent, every=1, monitor="val/top1_acc")
    for path, kept in ((precious, ""), ("../precious.txt", ""), (f"/elsewhere/{mine.name}", mine)):
        callback.load_state_dict({"best_score": -1.0, "best_path": str(path)})
        assert callback.best_path == str(kept)
