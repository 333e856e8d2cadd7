"""Joint training with web images, trimmed and untrimmed web videos."""

import csv
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from praxiscope.data.lists import VideoList
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.video import open_video
from praxiscope.engine.checkpoints import Checkpoints, StoppedError
from praxiscope.engine.recognition import RecognitionModule
from praxiscope.engine.training import TrainOptions, run_training, scaled_lr
from praxiscope.errors import DataError, RecipeError
from praxiscope.recipe import AuxiliarySource, Cosine, Loader, Recipe, override_fields
from praxiscope.types import Batch
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe, video_list

QUIET = TrainOptions(validate=False)


@pytest.fixture(scope="module")
def web(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images (11), and untrimmed videos (5) in parts, made from the training videos."""
    root = tmp_path_factory.mktemp("web")
    lines = motions.list_file("train").read_text().splitlines()
    images, raw = [], []
    for number, line in enumerate(lines[:11]):
        path, _, label = line.rpartition(" ")
        with open_video(motions.videos("train") / path) as video:
            frame = video.frames_at([3])[0]
        cv2.imwrite(str(root / f"{number}.png"), frame[..., ::-1])
        images.append(f"{number}.png {label}")
    for number, line in enumerate(lines[:5]):
        path, _, label = line.rpartition(" ")
        (root / f"raw/{number}").mkdir(parents=True)
        for part in range(3):
            source = lines[3 * number + part].rpartition(" ")[0]
            shutil.copy(motions.videos("train") / source, root / f"raw/{number}/part_{part}.mp4")
        raw.append(f"raw/{number} {label} 3 0 2")
    (root / "images.txt").write_text("\n".join(images))
    (root / "raw.txt").write_text("\n".join(raw))
    return root


def images(web: Path, **changes: Any) -> VideoList:
    fields = {"root": web, "annotations": web / "images.txt", "num_classes": 8, "kind": "image"}
    return VideoList(**{**fields, **changes})


def raw(web: Path) -> VideoList:
    return VideoList(root=web, annotations=web / "raw.txt", num_classes=8, kind="parts")


def joint_recipe(motions: MotionDataset, web: Path, **changes: Any) -> Recipe:
    """Steps of 4 videos, 3 images, a web video and 2 parts."""
    sources = (
        AuxiliarySource(videos=images(web), videos_per_device=3),
        AuxiliarySource(videos=video_list(motions, "test"), videos_per_device=1, class_balance=0.5),
        AuxiliarySource(videos=raw(web), videos_per_device=2),
    )
    recipe = tiny_recipe(motions, auxiliary=sources, schedule=Cosine(epochs=1))
    return replace(recipe, **changes)


def rows(curves: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(curves.read_text().splitlines()))


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


def test_every_step_has_its_share_of_every_list_and_all_its_clips_count_the_same(
    motions: MotionDataset, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[Batch, float, dict[str, float]]] = []
    step = RecognitionModule.training_step

    def remember(self: RecognitionModule, batch: Batch, batch_idx: int) -> torch.Tensor:
        before = dict(self.means.sums)
        loss = step(self, batch, batch_idx)
        sums = {name: float(s) - float(before.get(name, 0)) for name, s in self.means.sums.items()}
        steps.append((batch, float(loss.detach()), sums))
        return loss

    monkeypatch.setattr(RecognitionModule, "training_step", remember)
    trained = run_training(joint_recipe(motions, web), tmp_path, QUIET)
    assert [batch.sources for batch, *_ in steps] == [(0,) * 4 + (1,) * 3 + (2, 3, 3)] * 4
    assert all(batch.clips.shape == (10, 1, 3, 4, 32, 32) for batch, *_ in steps)
    for batch, loss, sums in steps:
        still = batch.clips[4:7]
        assert still.equal(still[:, :, :, :1].expand_as(still))
        assert not batch.clips[7:].equal(batch.clips[7:, :, :, :1].expand_as(batch.clips[7:]))
        assert all(name.endswith(("part_0.mp4", "part_2.mp4")) for name in batch.videos[8:])
        parts = [sums[f"train/{name}loss"] for name in ("", "aux0_", "aux1_", "aux2_")]
        assert loss == pytest.approx(sum(parts) / 10, rel=1e-5)
    main = [video for batch, *_ in steps for video in batch.videos[:4]]
    assert len(set(main)) == 16
    pictures = [video for batch, *_ in steps for video in batch.videos[4:7]]
    assert len(set(pictures[:11])) == 11  # a whole pass, then the first of another one
    means = [row for row in rows(trained.curves) if row["train/loss_epoch"]]
    for name in ("", "aux0_", "aux1_", "aux2_"):
        losses = [sums[f"train/{name}loss"] for *_, sums in steps]
        videos = {"": 4, "aux0_": 3, "aux1_": 1, "aux2_": 2}[name] * 4
        assert float(means[0][f"train/{name}loss_epoch"]) == pytest.approx(
            sum(losses) / videos, rel=1e-4
        )
        assert 0 <= float(means[0][f"train/{name}top1_acc_epoch"]) <= 1


def test_a_joint_run_stopped_within_an_epoch_resumes_exactly(
    motions: MotionDataset, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = joint_recipe(motions, web, schedule=Cosine(epochs=2))
    whole = run_training(recipe, tmp_path / "whole", QUIET)

    def send_a_signal(self: Any, trainer: Any, *args: Any) -> None:
        if trainer.current_epoch == 1 and args[-1] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        saved(self, trainer, *args)

    saved = Checkpoints.on_train_batch_end
    monkeypatch.setattr(Checkpoints, "on_train_batch_end", send_a_signal)
    with pytest.raises(StoppedError, match="in epoch 2, after batch 2"):
        run_training(recipe, tmp_path / "stopped", QUIET)
    monkeypatch.undo()
    options = replace(QUIET, resume=tmp_path / "stopped/latest.pth")
    resumed = run_training(recipe, tmp_path / "stopped", options)
    ours, theirs = weights(resumed.latest), weights(whole.latest)
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


def test_workers_do_not_change_a_joint_run_but_web_data_do(
    motions: MotionDataset, web: Path, tmp_path: Path
) -> None:
    recipe = joint_recipe(motions, web)
    two = replace(recipe, loader=Loader(videos_per_device=4, workers=2))
    plain = replace(recipe, auxiliary=())
    a, b, c = (
        weights(run_training(one, tmp_path / str(number), QUIET).latest)
        for number, one in enumerate((recipe, two, plain))
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["backbone.conv1.conv.weight"], c["backbone.conv1.conv.weight"])


def test_the_learning_rate_counts_the_videos_of_all_lists(
    motions: MotionDataset, web: Path
) -> None:
    recipe = joint_recipe(motions, web)
    assert recipe.videos_per_device == 10
    lr = scaled_lr(recipe, 2, TrainOptions(auto_scale_lr=True))
    assert lr == pytest.approx(recipe.optim.lr * 20 / 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.png 3\n1.png 8\n", r"web\.txt:2: label 8 is outside 0 \.\. 7"),
        ("", r"web\.txt is empty"),
        ("0.png\n", r"web\.txt:1: expected 'path label', not '0\.png'"),
        ("0.png 1\nnone.png 2\n", r"web\.txt: 1 of 2 videos do not exist: first .*none\.png"),
    ],
)
def test_a_wrong_auxiliary_list_is_found_before_training(
    motions: MotionDataset, web: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "web.txt").write_text(text)
    source = AuxiliarySource(
        videos=images(web, annotations=tmp_path / "web.txt"), videos_per_device=1
    )
    recipe = joint_recipe(motions, web, auxiliary=(source,))
    with pytest.raises(DataError, match=message):
        run_training(recipe, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_an_auxiliary_list_of_other_classes_than_the_model_is_refused(
    motions: MotionDataset, web: Path, tmp_path: Path
) -> None:
    source = AuxiliarySource(videos=images(web, num_classes=9), videos_per_device=1)
    with pytest.raises(DataError, match=r"images\.txt has 9 classes and the model 8"):
        run_training(joint_recipe(motions, web, auxiliary=(source,)), tmp_path / "run", QUIET)


def test_broken_images_are_an_error_or_left_out_and_listed(
    motions: MotionDataset, web: Path, tmp_path: Path
) -> None:
    (tmp_path / "torn.png").write_bytes((web / "0.png").read_bytes()[:60])
    (tmp_path / "web.txt").write_text(f"torn.png 0\n{web}/1.png 1\nnone.png 2\n")
    source = AuxiliarySource(
        videos=images(tmp_path, annotations=tmp_path / "web.txt"), videos_per_device=3
    )
    recipe = joint_recipe(motions, web, auxiliary=(source,))
    with pytest.raises(DataError, match=r"1 of 3 videos do not exist"):
        run_training(recipe, tmp_path / "run", QUIET)
    options = replace(QUIET, skip_broken=True)
    trained = run_training(recipe, tmp_path / "run", options)
    lines = (tmp_path / "run/broken.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        f"{tmp_path}/none.png",
        f"{tmp_path}/torn.png",
    ]
    assert len(trained.broken) == 2
    assert all(t.isfinite().all() for t in weights(trained.latest).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": "frames"}, r"Recipe\.auxiliary\[0\] has 8 frames of 32 pixels, but .* 4 of 32"),
        ({"transform": "size"}, r"Recipe\.auxiliary\[0\] has 4 frames of 40 pixels"),
        ({"videos": "labels"}, r"Recipe\.auxiliary\[0\]\.videos\.multi_label must be that of"),
    ],
)
def test_clips_that_cannot_share_a_batch_are_refused(
    motions: MotionDataset, web: Path, change: dict[str, str], message: str
) -> None:
    recipe = joint_recipe(motions, web)
    changes: dict[str, Any] = {
        "clip": replace(recipe.clip, frames=8),
        "transform": replace(recipe.train_transform, size=40),
        "videos": images(web, multi_label=True),
    }
    source = replace(recipe.auxiliary[0], **{name: changes[name] for name in change})
    with pytest.raises(RecipeError, match=message):
        replace(recipe, auxiliary=(source,))


def test_options_change_one_source_or_leave_all_out(motions: MotionDataset, web: Path) -> None:
    recipe = joint_recipe(motions, web)
    changed = override_fields(recipe, ["auxiliary.1.videos_per_device=5"])
    assert [source.videos_per_device for source in changed.auxiliary] == [3, 5, 2]
    assert changed.auxiliary[0] == recipe.auxiliary[0]
    assert override_fields(recipe, ["auxiliary=()"]).auxiliary == ()
    with pytest.raises(RecipeError, match=r"Recipe\.auxiliary has no item '3'. It has 0 to 2"):
        override_fields(recipe, ["auxiliary.3.videos_per_device=5"])
    with pytest.raises(RecipeError, match=r"videos_per_device must be a whole number"):
        override_fields(recipe, ["auxiliary.0.videos_per_device=0"])
