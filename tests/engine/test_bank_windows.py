"""Detectors that read from feature banks, in training and testing."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.banks.windows import WithWindows
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.synthetic_ava import AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.testing import run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import DataError, RecipeError
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankWindows, Cosine, DetectionRecipe
from praxiscope.types import ActorSample, ItemKey
from tests.engine.test_detection import OUTPUTS, small
from tests.engine.test_training import assert_equal_weights
from tests.parity import made_up

NETWORK = SlowOnly(depth=14, width=8, num_classes=OUTPUTS)
CHANNELS = 256


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    return write_ava_dataset(tmp_path_factory.mktemp("actors"), train_videos=2, val_videos=2)


def write_bank(path: Path, ava: AvaList, persons: int = 7) -> Bank:
    """Seven features a second, more than are taken, and none in every third second."""
    writer = BankWriter(path, CHANNELS)
    rng = np.random.default_rng(0)
    for video in sorted({moment.video for moment in read_key_frames(ava)}):
        seconds = np.repeat([second for second in range(30) if second % 3], persons)
        writer.add(video, seconds, rng.normal(size=(len(seconds), CHANNELS)).astype(np.float16))
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
    expected = bank.window(sample.video, int(sample.timestamp), seconds=8, per_second=2)
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


def test_a_bank_and_a_model_that_reads_it_belong_together(
    actors: AvaDatasetFiles, banks: BankWindows
) -> None:
    with pytest.raises(RecipeError, match="belong together"):
        small(actors, bank=banks)
    with pytest.raises(RecipeError, match="belong together"):
        small(actors, model=ActorDetector(network=NETWORK, bank="max"))
