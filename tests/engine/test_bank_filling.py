"""From a detector and a list to a feature bank."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.data.ava import AvaDataset
from praxiscope.data.synthetic_ava import AvaDatasetFiles, write_ava_dataset
from praxiscope.engine import bank_filling
from praxiscope.engine.bank_filling import (
    Filled,
    FillOptions,
    bank_metadata,
    fill_bank,
)
from praxiscope.engine.bank_scores import score_bank
from praxiscope.engine.testing import run_detection_test
from praxiscope.errors import DataError, PraxiscopeError, RecipeError, VideoError
from praxiscope.models.detector import Detector
from praxiscope.recipe import BankRecipe, BankWindows, Loader, bank_recipe_of
from praxiscope.types import ActorSample
from tests.engine.bank_builds import MADE_BY, REFUSED, VIDEOS, bank_recipe, detector, spoil
from tests.engine.test_detection import small


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    folder = tmp_path_factory.mktemp("builds") / "actors"
    return write_ava_dataset(folder, train_videos=VIDEOS, val_videos=1)


@pytest.fixture(scope="module")
def recipe(actors: AvaDatasetFiles) -> BankRecipe:
    return bank_recipe(actors, actors.root.parent)


@pytest.fixture(scope="module")
def model(recipe: BankRecipe) -> Detector:
    return detector(recipe)


@pytest.fixture(scope="module")
def filled(recipe: BankRecipe, model: Detector) -> Filled:
    return fill_bank(model, recipe, metadata=MADE_BY)


def test_a_bank_holds_the_features_of_every_person_of_a_list(
    recipe: BankRecipe, model: Detector, filled: Filled
) -> None:
    dataset = AvaDataset(recipe.train, recipe.clip, recipe.test_transform, training=False)
    bank = filled.bank
    assert filled.key_frames == len(dataset)
    assert bank.path == recipe.path
    assert bank.num_rows == sum(len(moment.proposals) for moment in dataset.key_frames)  # type: ignore[arg-type, misc]
    assert len(bank.videos()) == VIDEOS
    for video, places in dataset.key_frames.by_video().items():
        rows, first = bank.rows(video), 0
        for place in places.tolist():
            sample = dataset[place]
            assert isinstance(sample, ActorSample)
            with torch.inference_mode():
                expected = model.person_features(sample.clip[None], [sample.proposals]).numpy()
            end = first + len(expected)
            assert set(rows.seconds[first:end].tolist()) <= {int(sample.timestamp)}
            np.testing.assert_allclose(
                rows.features[first:end].astype(np.float32), expected, rtol=1e-3, atol=1e-6
            )
            first = end
        assert first == len(rows.seconds)


def test_a_bank_says_how_it_was_made(recipe: BankRecipe, filled: Filled, tmp_path: Path) -> None:
    assert dict(filled.bank.metadata).keys() == {"checkpoint", "list"}
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    said = bank_metadata(recipe, "mine", weights)
    assert said["checkpoint"] == sha256(b"weights").hexdigest()
    assert said["recipe"] == "mine"
    assert said["clip"] == "2x2"
    assert said["frames"] == "video, 0 late, short side 32"
    assert said["network"] == recipe.model.feature_network
    assert "depth=14" in said["network"]


def test_the_scores_of_a_bank_are_those_of_a_test(
    actors: AvaDatasetFiles, recipe: BankRecipe, model: Detector, tmp_path: Path
) -> None:
    exact = replace(recipe, dtype="float32", folder=tmp_path, dataset_mode="val")
    bank = fill_bank(model, exact, metadata=MADE_BY).bank
    scored = score_bank(model.train(), bank, exact.list)  # dropout would be noticed
    tested = run_detection_test(model, small(actors, model=recipe.model)).frames
    assert len(scored) == len(tested) > 0
    for ours, theirs in zip(scored, tested, strict=True):
        assert (ours.video, ours.timestamp) == (theirs.video, theirs.timestamp)
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=2e-6)


def test_a_bank_of_other_persons_has_no_scores(
    recipe: BankRecipe, model: Detector, filled: Filled
) -> None:
    fewer = replace(recipe.train, min_score=0.97)
    with pytest.raises(DataError, match="has other persons in 'train_0000"):
        score_bank(model, filled.bank, fewer)
    related = replace(recipe.model, context=True).build()
    with pytest.raises(PraxiscopeError, match="follow from more than a bank holds"):
        score_bank(related, filled.bank, recipe.train)


def test_threads_and_loading_processes_do_not_change_a_byte(
    recipe: BankRecipe,
    model: Detector,
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bank_filling, "num_cores", lambda: 3)
    before = torch.get_num_threads()
    shared = replace(recipe, loader=Loader(workers=2))
    other = fill_bank(model, shared, tmp_path / "x", metadata=MADE_BY).bank
    assert other.path.read_bytes() == filled.bank.path.read_bytes()
    assert torch.get_num_threads() == before


def test_builds_that_are_killed_or_shared_give_the_bytes_of_an_undisturbed_one(
    actors: AvaDatasetFiles, filled: Filled
) -> None:
    command = [sys.executable, "-m", "tests.engine.bank_builds", str(actors.root.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    ours = sha256(filled.bank.path.read_bytes()).hexdigest()
    assert set(found["digests"]) == {ours}
    assert len(found["digests"]) >= 3  # undisturbed, in two processes, and every killed build
    assert sum(map(len, found["killed"])) == 10
    for done_then in found["killed"]:
        assert done_then == sorted(done_then)  # what was done once stays
    assert found["left"] == []
    # A broken video of one process is an error in both, and the other's own are kept.
    assert found["refused"] == [REFUSED, REFUSED]
    refused = actors.root.parent / "refused"
    assert [path.name for path in refused.iterdir()] == ["bank.parts"]
    assert len(list(refused.glob("bank.parts/*"))) == 3


def test_a_stopped_build_goes_on_where_it_was(
    recipe: BankRecipe,
    model: Detector,
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "x"
    seen: list[int] = []
    real = Detector.person_features

    def interrupted(self: Detector, clips: Any, boxes: Any) -> Any:
        if len(seen) == 20:
            raise KeyboardInterrupt
        seen.append(len(clips))
        return real(self, clips, boxes)

    monkeypatch.setattr(Detector, "person_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill_bank(model, recipe, path, metadata=MADE_BY)
    assert not path.exists()
    kept = len(list((tmp_path / "x.parts").glob("*.safetensors")))
    assert 0 < kept < VIDEOS
    monkeypatch.setattr(Detector, "person_features", real)
    with caplog.at_level(logging.WARNING):
        again = fill_bank(model, recipe, path, metadata=MADE_BY)
    assert f"{kept} of {VIDEOS} videos are done already." in caplog.text
    assert again.key_frames < filled.key_frames
    assert path.read_bytes() == filled.bank.path.read_bytes()
    finished = replace(recipe, train=replace(recipe.train, root=tmp_path))  # no video is there
    assert fill_bank(model, finished, path, metadata=MADE_BY).key_frames == 0


@pytest.fixture
def spoilt(actors: AvaDatasetFiles, recipe: BankRecipe, tmp_path: Path) -> BankRecipe:
    """A list of which a video is damaged."""
    root = tmp_path / "videos"
    spoil(actors, root)
    return replace(recipe, train=replace(recipe.train, root=root))


def test_a_broken_video_is_named_and_the_others_are_kept(
    spoilt: BankRecipe, model: Detector, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    with pytest.raises(VideoError, match="train_00001 at 5 s: .*train_00001.mp4") as caught:
        fill_bank(model, spoilt, tmp_path / "x", metadata=MADE_BY)
    assert torch.get_num_threads() == before + 1, caught
    torch.set_num_threads(before)
    assert not (tmp_path / "x").exists()
    assert len(list((tmp_path / "x.parts").iterdir())) == 1


def test_broken_key_frames_can_be_left_out_and_are_listed(
    spoilt: BankRecipe,
    model: Detector,
    filled: Filled,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = FillOptions(skip_broken=True, work_dir=tmp_path)
    left = fill_bank(model, spoilt, tmp_path / "x", options, metadata=MADE_BY)
    lines = (tmp_path / "x_broken.txt").read_text().splitlines()
    assert len(lines) == len(left.broken) > 0
    assert lines[0].startswith("train_00001,0005\t")
    assert "train_00001 at 5 s: " in lines[0]
    assert "broken key frames were left out" in caplog.text
    for video in filled.bank.videos():
        ours, whole = left.bank.rows(video), filled.bank.rows(video)
        if video == "train_00001":
            assert len(ours.seconds) < len(whole.seconds)
        else:
            np.testing.assert_array_equal(ours.features, whole.features)
    # A later look at the bank says so again, with the reasons as long as the file has them.
    again = fill_bank(model, spoilt, tmp_path / "x", options, metadata=MADE_BY)
    assert [one.index for one in again.broken] == sorted(one.index for one in left.broken)
    assert (tmp_path / "x_broken.txt").read_text().splitlines() == lines
    (tmp_path / "x_broken.txt").unlink()
    fill_bank(model, spoilt, tmp_path / "x", options, metadata=MADE_BY)
    assert "was begun without it: remove the bank" in (tmp_path / "x_broken.txt").read_text()
    scored = score_bank(model, left.bank, spoilt.list)
    assert len(scored) == filled.key_frames - len(left.broken)


def test_a_finished_bank_is_not_touched(
    recipe: BankRecipe, model: Detector, filled: Filled, actors: AvaDatasetFiles
) -> None:
    before = filled.bank.path.read_bytes()
    with pytest.raises(DataError, match="made with checkpoint 'abc', this run has 'def'"):
        fill_bank(model, recipe, metadata={"checkpoint": "def"})
    with pytest.raises(DataError, match="made with list .SHA-256 of key frames and boxes"):
        fill_bank(
            model,
            replace(recipe, train=replace(recipe.train, min_score=0.97)),
            metadata=MADE_BY,
        )
    other = replace(
        recipe, model=replace(recipe.model, network=replace(recipe.model.network, width=4))
    )
    with pytest.raises(DataError, match="made with channels '256', this run has '128'"):
        fill_bank(detector(other), other, metadata=MADE_BY)
    assert filled.bank.path.read_bytes() == before


def test_a_bank_needs_rgb_and_a_place(recipe: BankRecipe, model: Detector, tmp_path: Path) -> None:
    flow = replace(recipe.model, network=replace(recipe.model.network, channels=2))
    with pytest.raises(RecipeError, match="set model.network.channels=3"):
        fill_bank(model, replace(recipe, model=flow), metadata=MADE_BY)
    (tmp_path / "file").write_text("")
    with pytest.raises(PraxiscopeError, match="x.parts cannot be used as a folder to write to"):
        fill_bank(model, recipe, tmp_path / "file" / "x", metadata=MADE_BY)
    nowhere = replace(recipe.train, root=tmp_path)
    with pytest.raises(DataError, match="5 of 5 videos do not exist"):
        fill_bank(model, replace(recipe, train=nowhere), tmp_path / "x", metadata=MADE_BY)


def test_the_bank_of_a_detector_that_reads_one_is_made_without(
    actors: AvaDatasetFiles, tmp_path: Path
) -> None:
    banked = small(
        actors,
        train=replace(actors.list("train"), min_score=0.8),
        model=replace(small(actors).model, bank="max"),
        bank=BankWindows(train=tmp_path / "train", val=tmp_path / "val"),
    )
    made = bank_recipe_of(banked, folder=tmp_path)
    assert made.model == small(actors).model
    assert made.train.min_score == made.val.min_score == 0.8
    assert made.list == made.train
    assert made.path == tmp_path / "lfb_train.safetensors"
    val = replace(made, dataset_mode="val")
    assert val.path == tmp_path / "lfb_val.safetensors"
    with pytest.raises(RecipeError, match="dataset_mode"):
        replace(made, dataset_mode="test")  # type: ignore[arg-type]
    for drawn in ({"flip": 0.5}, {"short_side": (32, 36)}, {"size": 32}):
        with pytest.raises(RecipeError, match="test_transform must not draw"):
            replace(made, test_transform=replace(made.test_transform, **drawn))
