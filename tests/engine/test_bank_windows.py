"""Detectors that read from feature banks, in training and testing."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.banks.layout import BankType
from praxiscope.banks.windows import WithWindows, find_unseen
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_files import Source
from praxiscope.data.ava_key_frames import KeyFrame, KeyFrames
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.synthetic_ava import AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.detection_data import DetectionData
from praxiscope.engine.testing import run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import CheckpointError, DataError, RecipeError
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankWindows, Cosine, DetectionRecipe
from praxiscope.types import ActorSample, ItemKey
from tests.engine.test_detection import OUTPUTS, QUIET, small
from tests.engine.test_training import assert_equal_weights
from tests.parity import made_up

NETWORK = SlowOnly(depth=14, width=8, num_classes=OUTPUTS)
CHANNELS = 256


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    return write_ava_dataset(tmp_path_factory.mktemp("actors"), train_videos=2, val_videos=2)


def write_bank(
    path: Path,
    ava: AvaList,
    persons: int = 7,
    dtype: BankType = "float16",
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> Bank:
    """Seven features a second, more than are taken, and none in every third second."""
    writer = BankWriter(path, CHANNELS, dtype, metadata)
    rng = np.random.default_rng(0)
    for video in sorted({moment.video for moment in read_key_frames(ava)}):
        seconds = np.repeat([second for second in range(30) if second % 3], persons)
        features = rng.normal(size=(len(seconds), CHANNELS)).astype(np.float16)
        writer.add(video, seconds, features.astype(dtype))
    return writer.finish()


@pytest.fixture(scope="module")
def banks(actors: AvaDatasetFiles, tmp_path_factory: pytest.TempPathFactory) -> BankWindows:
    folder = tmp_path_factory.mktemp("banks")
    train, val = folder / "train.safetensors", folder / "val.safetensors"
    write_bank(train, actors.list("train"))
    write_bank(val, actors.list("val"))
    return BankWindows(train=train, val=val, seconds=8, per_second=2)


def banked(actors: AvaDatasetFiles, banks: BankWindows) -> DetectionRecipe:
    model = ActorDetector(network=NETWORK, bank="nonlocal")
    return small(actors, model=model, bank=banks, schedule=Cosine(epochs=2))


def test_a_sample_has_the_window_around_its_key_frame(
    actors: AvaDatasetFiles, banks: BankWindows
) -> None:
    recipe, bank = banked(actors, banks), Bank(banks.val)
    dataset = AvaDataset(recipe.val, recipe.clip, recipe.test_transform, training=False)
    sample = WithWindows(dataset, bank, seconds=8, per_second=2, random=False)[3]
    assert isinstance(sample, ActorSample)
    assert sample.window is not None
    assert sample.window.shape == (16, CHANNELS)
    where = sample.video, int(sample.timestamp)
    expected = bank.window(*where, seconds=8, per_second=2, as_stored=True)
    assert expected.dtype == torch.float16
    torch.testing.assert_close(sample.window, expected, rtol=0, atol=0)
    drawn = WithWindows(dataset, bank, seconds=8, per_second=2, random=True)
    once, again, later = (drawn[ItemKey(epoch, 3)] for epoch in (0, 0, 1))
    for other in (once, again, later):
        assert isinstance(other, ActorSample)
        assert other.window is not None
    assert torch.equal(once.window, again.window)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(once.window, later.window)  # type: ignore[union-attr, arg-type]


def test_what_the_bank_holds_changes_the_scores_of_a_test(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    recipe = banked(actors, banks)
    model = made_up.fill(recipe.model.build()).eval()
    assert isinstance(model, Detector)
    first, again = run_detection_test(model, recipe), run_detection_test(model, recipe)
    for frame, same in zip(first.frames, again.frames, strict=True):
        np.testing.assert_array_equal(frame.scores, same.scores)
    write_bank(tmp_path / "other.safetensors", actors.list("val"), persons=1)
    other = replace(recipe, bank=replace(banks, val=tmp_path / "other.safetensors"))
    changed = run_detection_test(model, other)
    assert any((a.scores != b.scores).any() for a, b in zip(first.frames, changed.frames))  # noqa: B905


def test_a_run_with_a_bank_is_repeatable_and_goes_on_as_if_it_had_never_stopped(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    recipe = banked(actors, banks)
    whole = run_training(recipe, tmp_path / "whole", TrainOptions())
    halfway = TrainOptions(resume=tmp_path / "whole/epoch_1.pth")
    resumed = run_training(recipe, tmp_path / "resumed", halfway)
    assert_equal_weights(whole.latest, resumed.latest)
    assert resumed.metrics == whole.metrics


def test_a_run_does_not_go_on_with_a_bank_of_other_weights(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    digests = {name: name[0] * 64 for name in ("a.safetensors", "b.safetensors")}
    for name, digest in digests.items():
        write_bank(tmp_path / name, actors.list("train"), metadata={"checkpoint": digest})
    first, other = (
        banked(actors, replace(banks, train=tmp_path / name, val=banks.val)) for name in digests
    )
    begun = run_training(replace(first, schedule=Cosine(epochs=1)), tmp_path / "run", QUIET)
    on = replace(QUIET, resume=begun.latest)
    with pytest.raises(CheckpointError, match="does not fit this run: its run read .*'a{64}'"):
        run_training(other, tmp_path / "run", on)
    run_training(first, tmp_path / "run", on)


def test_windows_of_halves_train_and_score_as_the_same_numbers_in_floats(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    paths = {stage: tmp_path / f"{stage}.safetensors" for stage in ("train", "val")}
    for stage, path in paths.items():
        write_bank(path, actors.list(stage), dtype="float32")
    floats = replace(banks, train=paths["train"], val=paths["val"])
    recipes = [replace(banked(actors, own), schedule=Cosine(epochs=1)) for own in (banks, floats)]
    runs = [
        run_training(recipe, tmp_path / name, TrainOptions(validate=False))
        for recipe, name in zip(recipes, ("halves", "floats"), strict=True)
    ]
    assert_equal_weights(runs[0].latest, runs[1].latest)
    tests = [run_detection_test(runs[0].model, recipe) for recipe in recipes]
    for one, other in zip(tests[0].frames, tests[1].frames, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_bank_of_other_videos_or_another_network_is_refused_before_a_run(
    actors: AvaDatasetFiles,
    banks: BankWindows,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = banked(actors, banks)
    model = recipe.model.build()
    turned = replace(recipe, bank=replace(banks, val=banks.train))
    with pytest.raises(DataError, match="has none of the videos of .*val.csv, such as 'val_00000'"):
        run_detection_test(model, turned)
    wide = ActorDetector(network=replace(NETWORK, width=16), bank="nonlocal")
    with pytest.raises(DataError, match="features of 256 channels, not the 512"):
        run_detection_test(wide.build(), replace(recipe, model=wide))
    gone = replace(recipe, bank=replace(banks, val=tmp_path / "nowhere.safetensors"))
    with pytest.raises(DataError, match="nowhere"):
        run_detection_test(model, gone)
    writer = BankWriter(tmp_path / "half.safetensors", CHANNELS)
    writer.add("val_00000", np.array([5]), np.ones((1, CHANNELS), np.float16))
    writer.finish()
    half = replace(banks, val=tmp_path / "half.safetensors")
    with caplog.at_level(logging.WARNING):
        run_detection_test(model, replace(recipe, bank=half))
    assert "lacks 1 of the 2 videos" in caplog.text
    assert "15 of 16 key frames" in caplog.text


def test_key_frames_whose_own_second_is_not_in_the_bank_are_counted(
    actors: AvaDatasetFiles, banks: BankWindows, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, bank = banked(actors, banks), Bank(banks.val)
    moments = read_key_frames(recipe.val)
    stored = [bank.rows(moment.video).seconds.tolist() for moment in moments]
    seconds = [int(moment.timestamp) for moment in moments]
    unseen = sum(second not in of_video for second, of_video in zip(seconds, stored, strict=True))
    assert 0 < unseen < len(moments)
    with caplog.at_level(logging.WARNING):
        DetectionData(recipe, seed=0).check("val")
    (warning,) = caplog.messages
    assert warning == (
        f"{banks.val}: {unseen} of {len(moments)} key frames of {recipe.val.annotations} are seen "
        "without a feature of their own second."
    )


def test_a_list_of_the_size_of_ava_is_looked_up_in_a_moment(tmp_path: Path) -> None:
    nobody = np.empty((0, 4), np.float32)
    moments = [
        KeyFrame(video, second + 0.5, Source(video, 30, 0), nobody, (), (), None, None)
        for video in (f"{number:03d}" for number in range(90))
        for second in range(902, 1792)
    ]
    key_frames = KeyFrames(moments)
    writer = BankWriter(tmp_path / "bank.safetensors", 1)
    for number in range(1, 90):
        seconds = np.repeat(np.arange(904 + number, 1792), 4)
        writer.add(f"{number:03d}", seconds, np.ones((len(seconds), 1), np.float16))
    bank = writer.finish()
    begin = time.process_time()
    unseen = len(find_unseen(key_frames, bank))
    assert time.process_time() - begin < 0.5
    assert unseen == 890 + sum(range(3, 92))


def test_a_bank_of_another_network_with_as_many_channels_is_refused(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    recipe, path = banked(actors, banks), tmp_path / "val.safetensors"
    own = recipe.model.feature_network
    write_bank(path, actors.list("val"), metadata={"network": own})
    fitting = replace(recipe, bank=replace(banks, val=path))
    DetectionData(fitting, seed=0).check("test")
    other = replace(fitting, model=replace(recipe.model, temporal_pool="max"))
    with pytest.raises(DataError, match="of another network than the model's") as caught:
        DetectionData(other, seed=0).check("test")
    assert repr(own) in str(caught.value)
    assert repr(other.model.feature_network) in str(caught.value)


def test_a_training_is_not_begun_with_banks_of_different_weights(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    paths = {stage: tmp_path / f"{stage}.safetensors" for stage in ("train", "val")}
    for stage, path in paths.items():
        write_bank(path, actors.list(stage), metadata={"checkpoint": f"digest of {stage}"})
    mixed = banked(actors, replace(banks, train=paths["train"], val=paths["val"]))
    with pytest.raises(DataError, match="different weights.*'digest of train' and 'digest of val'"):
        run_training(mixed, tmp_path / "run", TrainOptions(validate=False))
    assert not (tmp_path / "run").exists()
    for own in (
        replace(banks, train=paths["train"]),  # the other does not say
        replace(banks, train=paths["train"], val=tmp_path / "none.safetensors"),
    ):
        DetectionData(banked(actors, own), seed=0).check("train")


def test_the_error_of_a_missing_bank_says_what_makes_it(
    actors: AvaDatasetFiles, banks: BankWindows, tmp_path: Path
) -> None:
    train, val = tmp_path / "lfb_train.safetensors", tmp_path / "lfb_val.safetensors"
    data = DetectionData(banked(actors, replace(banks, train=train, val=val)), seed=0)
    for stage, path, mode in (("train", train, "train"), ("val", val, "val"), ("test", val, "val")):
        with pytest.raises(DataError) as caught:
            data.check(stage)  # type: ignore[arg-type]
        command = f"'praxiscope bank build RECIPE CHECKPOINT --mode {mode} --out {path}' makes it"
        assert str(caught.value).startswith(f"{path} does not exist. {command}")
    published = tmp_path / "lfb_val.pkl"
    published.touch()
    with pytest.raises(DataError, match=f"'praxiscope bank convert {published} {val}' makes it"):
        data.check("test")


def test_a_bank_and_a_model_that_reads_it_belong_together(
    actors: AvaDatasetFiles, banks: BankWindows
) -> None:
    with pytest.raises(RecipeError, match="belong together"):
        small(actors, bank=banks)
    with pytest.raises(RecipeError, match="belong together"):
        small(actors, model=ActorDetector(network=NETWORK, bank="max"))
