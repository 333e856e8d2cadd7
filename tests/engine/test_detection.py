"""Detectors in training and testing: repeatable, resumable, and equal to what the files say."""

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.data.ava import AvaDataset, output_names
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.checkpoints import Checkpoints, StoppedError
from praxiscope.engine.detection import recall_at
from praxiscope.engine.detection_data import DetectionData
from praxiscope.engine.detections import list_detections, write_detections
from praxiscope.engine.testing import ScoreOptions, run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import DataError, PraxiscopeError, RecipeError, VideoError
from praxiscope.metrics.ava import evaluate_files
from praxiscope.models.detector import ActorDetector, Detector, actor_probabilities
from praxiscope.models.losses import ActorLoss
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Loader, PreciseBn, Sgd
from praxiscope.types import ItemKey
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.engine.test_training import assert_equal_weights
from tests.parity import made_up

OUTPUTS = 15
QUIET = TrainOptions(validate=False)


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    """Three videos to train on and two to validate on, eight key frames each."""
    return write_ava_dataset(tmp_path_factory.mktemp("actors"), train_videos=3, val_videos=2)


def small(actors: AvaDatasetFiles, **changes: Any) -> DetectionRecipe:
    recipe = DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=OUTPUTS)),
        clip=Clip(frames=2, stride=2),
        train=actors.list("train"),
        val=actors.list("val"),
        train_transform=BoxTransform(short_side=(36, 40), size=32),
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        optim=Sgd(lr=0.02, batch=4),
        schedule=Cosine(epochs=2),
        loader=Loader(videos_per_device=4, workers=0),
        validate_every=1,
        checkpoint_every=1,
    )
    return replace(recipe, **changes)


@pytest.fixture(scope="module")
def model(actors: AvaDatasetFiles) -> Detector:
    made = made_up.fill(small(actors).model.build())
    assert isinstance(made, Detector)
    return made.eval()


def test_every_key_frame_is_scored_once_in_list_order(
    actors: AvaDatasetFiles, model: Detector
) -> None:
    recipe = small(actors)
    tested = run_detection_test(model, recipe)
    moments = read_key_frames(recipe.val)
    assert [(f.video, f.timestamp) for f in tested.frames] == [
        (m.video, m.timestamp) for m in moments
    ]
    for frame, moment in zip(tested.frames, moments, strict=True):
        assert moment.proposals is not None
        np.testing.assert_array_equal(frame.boxes, moment.proposals)
        assert frame.scores.shape == (len(frame.boxes), OUTPUTS)


def test_a_test_gives_what_the_network_gives_for_each_sample(
    actors: AvaDatasetFiles, model: Detector
) -> None:
    recipe = small(actors)
    tested = run_detection_test(model, recipe)
    dataset = AvaDataset(recipe.val, recipe.clip, recipe.test_transform, training=False)
    sample = dataset.load(ItemKey(epoch=0, index=3))
    with torch.inference_mode():
        logits = model(sample.clip[None], [sample.proposals])
    np.testing.assert_allclose(
        tested.frames[3].scores[:, 1:], logits.sigmoid().numpy()[:, 1:], rtol=0, atol=1e-6
    )


def test_the_map_of_a_test_is_that_of_the_csv_it_writes(
    actors: AvaDatasetFiles, model: Detector, tmp_path: Path
) -> None:
    recipe = small(actors)
    tested = run_detection_test(model, recipe)
    found = list_detections(tested.frames, recipe.val, min_score=recipe.min_score)
    write_detections(tmp_path / "result.csv", found)
    assert recipe.val.label_map is not None
    again = evaluate_files(
        tmp_path / "result.csv", recipe.val.annotations, recipe.val.label_map, recipe.val.excluded
    )
    assert tested.metrics == {"mAP@0.5IOU": again["mAP@0.5IOU"]}
    assert 0 < again["mAP@0.5IOU"] < 1
    assert tested.per_class == pytest.approx(again["AP"], nan_ok=True)


def test_true_boxes_stand_for_proposals_that_a_list_does_not_have(
    actors: AvaDatasetFiles, model: Detector
) -> None:
    recipe = small(actors, test=replace(actors.list("val"), proposals=None))
    for frame in run_detection_test(model, recipe).frames:
        np.testing.assert_array_equal(frame.boxes, frame.truth)


def test_a_run_is_repeatable_and_goes_on_as_if_it_had_never_stopped(
    actors: AvaDatasetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(actors, precise_bn=PreciseBn(batches=2))
    whole = run_training(recipe, tmp_path / "whole", TrainOptions())
    halfway = tmp_path / "whole/epoch_1.pth"
    helped = replace(recipe, loader=replace(recipe.loader, workers=2))
    resumed = run_training(helped, tmp_path / "resumed", TrainOptions(resume=halfway))
    assert_equal_weights(whole.latest, resumed.latest)
    assert whole.best is not None
    assert "mAP@0.5IOU" in whole.best.name
    assert resumed.metrics == whole.metrics

    def send_a_signal(self: Any, trainer: Any, *args: Any) -> None:
        if trainer.current_epoch == 1 and args[-1] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        saved(self, trainer, *args)

    saved = Checkpoints.on_train_batch_end
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", send_a_signal)
        with pytest.raises(StoppedError, match="in epoch 2, after batch 2"):
            run_training(recipe, tmp_path / "stopped", TrainOptions())
    latest = tmp_path / "stopped/latest.pth"
    assert_equal_weights(
        run_training(recipe, tmp_path / "stopped", TrainOptions(resume=latest)).latest, whole.latest
    )
    other = run_training(recipe, tmp_path / "other", replace(QUIET, seed=1))
    with pytest.raises(AssertionError):
        assert_equal_weights(whole.latest, other.latest)


def test_a_checkpoint_has_the_published_names_and_those_of_the_classes(
    actors: AvaDatasetFiles, tmp_path: Path
) -> None:
    trained = run_training(small(actors, schedule=Cosine(epochs=1)), tmp_path, QUIET)
    content = read_checkpoint_file(trained.latest)
    state, meta = content["state_dict"], content["meta"]
    assert isinstance(state, dict)
    assert isinstance(meta, dict)
    assert {"backbone.conv1.conv.weight", "roi_head.bbox_head.fc_cls.weight"} <= state.keys()
    names = output_names(actors.list("train"))
    assert names is not None
    assert tuple(meta["classes"]) == names
    assert names[:2] == ("background", "left")
    assert len(names) == OUTPUTS


def test_training_can_stand_still_in_parts_and_begin_from_a_recogniser(
    actors: AvaDatasetFiles, tmp_path: Path
) -> None:
    from praxiscope.zoo.weights import save_weights

    recogniser = SlowOnly(depth=14, width=8, num_classes=400).build()
    save_weights(recogniser, tmp_path / "start.pth")
    recipe = small(
        actors, start=str(tmp_path / "start.pth"), frozen_stages=1, schedule=Cosine(epochs=1)
    )
    trained = run_training(recipe, tmp_path / "run", QUIET)
    ours, theirs = trained.model.state_dict(), recogniser.state_dict()
    frozen, learns = "backbone.layer1.0.conv1.conv.weight", "backbone.layer2.0.conv1.conv.weight"
    torch.testing.assert_close(ours[frozen], theirs[frozen], rtol=0, atol=0)
    assert not torch.equal(ours[learns], theirs[learns])


def test_actors_that_do_one_thing_at_a_time_have_probabilities_that_sum_to_one(
    tmp_path: Path,
) -> None:
    logits = torch.tensor([[9.0, 1, 2, 3], [0, 0, 0, 0]])
    scores = actor_probabilities(logits, multi_label=False)
    torch.testing.assert_close(scores[:, 1:].sum(1), torch.ones(2))
    assert (scores[:, 0] == 0).all()
    targets = torch.tensor([[0.0, 0, 0, 1], [0, 0, 0, 0]])
    loss = ActorLoss()(logits, targets, multi_label=False)
    torch.testing.assert_close(loss, -scores[0, 3].log())  # the second box is nobody's
    focal = ActorLoss(alpha=3, gamma=2)(logits, targets, multi_label=False)
    torch.testing.assert_close(focal, 3 * (1 - scores[0, 3]) ** 2 * -scores[0, 3].log())


def test_actors_with_one_label_each_train_and_have_one_detection_a_box(
    actors: AvaDatasetFiles, tmp_path: Path
) -> None:
    def single(split: str) -> AvaList:
        ava = actors.list(split)
        lines = ava.annotations.read_text().splitlines()
        of_boxes = {tuple(line.split(",")[:6]): line for line in lines}
        path = tmp_path / f"{split}.csv"
        path.write_text("\n".join(of_boxes.values()) + "\n")
        return replace(ava, annotations=path, multi_label=False)

    recipe = small(
        actors,
        train=single("train"),
        val=single("val"),
        schedule=Cosine(epochs=1),
        min_score=-1.0,
    )
    trained = run_training(recipe, tmp_path / "run", TrainOptions())
    tested = run_detection_test(trained.model, recipe)
    assert tested.metrics == trained.metrics
    for frame in tested.frames:
        np.testing.assert_allclose(frame.scores[:, 1:].sum(1), 1, atol=1e-5)
    found = list_detections(tested.frames, recipe.val, min_score=recipe.min_score)
    assert len(found) == sum(len(frame.boxes) for frame in tested.frames)


def test_recall_counts_what_persons_do_among_their_best_classes() -> None:
    logits = torch.tensor([[9.0, 5, 4, 3, 0], [9, 0, 1, 2, 3], [9, 0, 0, 0, 0]])
    targets = torch.tensor([[0.0, 1, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    assert recall_at(logits, targets, 2).item() == 0.75  # (1/2 + 2/2) / 2


def test_lists_and_models_of_different_classes_are_refused(
    actors: AvaDatasetFiles, model: Detector, tmp_path: Path
) -> None:
    entry = ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=81))
    with pytest.raises(DataError, match="15 outputs, the background among them, and the model 81"):
        run_training(small(actors, model=entry), tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="mAP alone, not top_k_accuracy"):
        run_detection_test(model, small(actors), ScoreOptions(metrics=("top_k_accuracy",)))
    with pytest.raises(PraxiscopeError, match="a key frame is one clip"):
        run_detection_test(model, small(actors), ScoreOptions(average="prob"))


def test_what_would_spoil_the_map_is_said_before_anything_is_scored(
    actors: AvaDatasetFiles, model: Detector, tmp_path: Path
) -> None:
    val = actors.list("val")
    swapped = (2, 1, *range(3, OUTPUTS))
    with pytest.raises(DataError, match=r"val\.csv: its AvaList\.classes are not those of the"):
        run_detection_test(model, small(actors, val=replace(val, classes=swapped)))
    with pytest.raises(RecipeError, match="train and test must have the same multi_label"):
        small(actors, test=replace(val, multi_label=False))
    (tmp_path / "map.pbtxt").write_text('item { name: "a" id: 1 } item { name: "a" id: 2 }')
    twice = replace(val, label_map=tmp_path / "map.pbtxt")
    with pytest.raises(DataError, match=r"map\.pbtxt:1: 'a' stands there a second time"):
        run_training(small(actors, val=twice), tmp_path / "run", TrainOptions())
    assert not (tmp_path / "run").exists()
    (tmp_path / "map.pbtxt").write_text('item { name: "nobody" id: 2 }')
    (tmp_path / "val.csv").write_text("val_00000,5,0.1,0.1,0.5,0.5,1,1\n")
    others = replace(twice, annotations=tmp_path / "val.csv")
    with pytest.raises(DataError, match="holds no box of a class in the label map"):
        run_detection_test(model, small(actors, test=others))


def test_missing_videos_are_named_before_a_run_and_broken_ones_can_be_left_out(
    actors: AvaDatasetFiles, model: Detector, tmp_path: Path
) -> None:
    moved = replace(actors.list("val"), root=tmp_path)
    with pytest.raises(DataError, match=r"2 of 2 videos do not exist: first .*val_00000"):
        run_detection_test(model, small(actors, test=moved))
    for number in (0, 1):
        source = actors.list("val").root / f"val_{number:05d}.mp4"
        content = source.read_bytes()
        (tmp_path / source.name).write_bytes(content[:200] if number else content)
    with pytest.raises(VideoError, match=r"val\.csv, val_00001 at 5 s: .*val_00001\.mp4"):
        run_detection_test(model, small(actors, test=moved))
    options = ScoreOptions(skip_broken=True, work_dir=tmp_path)
    tested = run_detection_test(model, small(actors, test=moved), options)
    assert {frame.video for frame in tested.frames} == {"val_00000"}
    assert [broken.video for broken in tested.broken] == ["val_00001"]
    assert "val_00001\t" in (tmp_path / "broken.txt").read_text()


def test_a_list_of_which_nothing_is_left_is_no_result(
    actors: AvaDatasetFiles, model: Detector, tmp_path: Path
) -> None:
    gone = replace(actors.list("val"), root=tmp_path)
    options = ScoreOptions(skip_broken=True, work_dir=tmp_path)
    with pytest.raises(DataError, match="videos are broken, so there is nothing to report"):
        run_detection_test(model, small(actors, test=gone), options)


def test_weights_that_are_no_numbers_are_no_result(actors: AvaDatasetFiles) -> None:
    broken = small(actors).model.build()
    torch.nn.init.constant_(broken.roi_head.bbox_head.fc_cls.weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(PraxiscopeError, match="no numbers"):
        run_detection_test(broken, small(actors))


def test_another_batch_scales_the_learning_rate_when_asked(
    actors: AvaDatasetFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = small(actors, optim=Sgd(lr=0.02, batch=64), schedule=Cosine(epochs=1))
    with caplog.at_level(logging.WARNING):
        run_training(recipe, tmp_path, replace(QUIET, auto_scale_lr=True))
    assert "learning rate scaled from 0.02 to 0.00125" in caplog.text


def test_a_validation_list_shorter_than_the_processes_is_refused_before_training(
    actors: AvaDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DetectionData(small(actors), seed=0)
    many = SimpleNamespace(world_size=len(data.val_set) + 1, global_rank=0, limit_val_batches=1.0)
    monkeypatch.setattr(data, "trainer", many)
    with pytest.raises(DataError, match=r"val\.csv has fewer items .* use fewer processes"):
        data.setup("fit")
    many.limit_val_batches = 0  # --no-validate
    data.setup("fit")
