"""The mAP of a detector with a feature bank, by the draw."""

import json
import re
import runpy
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.banks.windows import WithWindows
from praxiscope.cli import tool_main
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.synthetic_ava import ActorVideos, write_ava_dataset
from praxiscope.engine.testing import ScoreOptions, run_detection_test
from praxiscope.models.detector import Detector
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.recipe.detection import BankDraw
from praxiscope.zoo.create import load_model
from praxiscope.zoo.weights import save_weights

ROOT = Path(__file__).parents[3]
CHANNELS = 256
RECIPE = """
from pathlib import Path
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankWindows, Cosine, DetectionRecipe, Loader, Sgd


def recipe() -> DetectionRecipe:
    actors = AvaDatasetFiles(Path({root!r}), ActorVideos(seconds=4))
    network = SlowOnly(depth=14, width=8, num_classes=actors.list("val").num_classes)
    bank = Path({root!r}) / "bank.safetensors"
    return DetectionRecipe(
        model=ActorDetector(network=network, bank="max"),
        clip=Clip(frames=2, stride=2),
        train=actors.list("train"),
        val=actors.list("val"),
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        bank=BankWindows(train=bank, val=bank, seconds=4, per_second=2),
        optim=Sgd(lr=0.1, batch=4),
        schedule=Cosine(epochs=1),
        loader=Loader(videos_per_device=2, workers=0),
    )
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose bank has five persons in every other second: two have a place."""
    root = tmp_path_factory.mktemp("draws")
    write_ava_dataset(root / "data", train_videos=1, val_videos=2, videos=ActorVideos(seconds=4))
    path = root / "tiny.py"
    path.write_text(RECIPE.format(root=str(root / "data")))
    loaded = load_recipe(path, kind=DetectionRecipe)
    torch.manual_seed(0)
    save_weights(loaded.model.build(), root / "weights.pth")
    assert loaded.bank is not None
    dataset = AvaDataset(loaded.val, loaded.clip, loaded.test_transform, training=False)
    videos = {moment.video for moment in dataset.key_frames}
    write_bank(loaded.bank.val, videos, [n for n in range(20) for _ in range(5 if n % 2 else 1)])
    return path


def write_bank(path: Path, videos: set[str], seconds: list[int]) -> Bank:
    writer, random = BankWriter(path, CHANNELS), np.random.default_rng(0)
    for video in sorted(videos):
        features = 3 * random.normal(size=(len(seconds), CHANNELS)).astype(np.float16)
        writer.add(video, np.array(seconds), features)
    return writer.finish()


def map_of_a_test(path: Path, draw: BankDraw, seed: int) -> float:
    """Return the mAP of a test."""
    loaded = load_recipe(path, kind=DetectionRecipe)
    assert loaded.bank is not None
    model, _ = load_model(loaded.model, path.with_name("weights.pth"), clip=loaded.clip)
    assert isinstance(model, Detector)
    drawn = replace(loaded, bank=replace(loaded.bank, test_draw=draw))
    return run_detection_test(model, drawn, ScoreOptions(seed=seed)).metrics["mAP@0.5IOU"]


def test_every_draw_has_the_map_of_a_test_with_its_seed(
    recipe: Path, workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {seed: map_of_a_test(recipe, "random", seed) for seed in (3, 4, 5)}
    even = map_of_a_test(recipe, "even", 3)
    assert len({even, *expected.values()}) == 4
    capsys.readouterr()
    passes = []
    features = Detector.features
    monkeypatch.setattr(
        Detector, "features", lambda self, clips: passes.append(len(clips)) or features(self, clips)
    )
    command = [str(recipe), str(recipe.with_name("weights.pth")), "--draws", "3", "--seed", "3"]
    assert tool_main("bank_draws", [*command, "--device", "cpu", "--out", "spread.json"]) == 0
    found = json.loads((workdir / "spread.json").read_text())
    assert found["even"] == even
    assert found["draws"] == {str(seed): value for seed, value in expected.items()}
    values = list(expected.values())
    assert found["mean"] == pytest.approx(sum(values) / 3)
    assert found["standard deviation"] == pytest.approx(statistics.stdev(values))
    assert (found["least"], found["greatest"]) == (min(values), max(values))
    assert sum(passes) == found["key_frames"] == found["crowded"] > 0  # once, not four times
    printed = capsys.readouterr().out
    for name, value in (("evenly chosen", even), *((f"seed {s}", v) for s, v in expected.items())):
        assert re.search(rf"{name}\s*│\s*{value:.4f}", printed), printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--draws", "1"], "--draws"),
        (["--seed", "-1"], "--seed"),
        (["--cfg-options", "bank.per_second=5"], "has at most 5 persons a second around the key"),
        (["--cfg-options", "bank=None", "model.bank=None"], "is a recipe without a feature bank"),
        (["--out", "spread.txt"], ".json"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    recipe: Path,
    workdir: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [str(recipe), str(recipe.with_name("weights.pth")), *options]
    assert tool_main("bank_draws", command) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(workdir.iterdir())


def test_broken_videos_are_an_error_or_left_out(
    recipe: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ava = load_recipe(recipe, kind=DetectionRecipe).val
    shutil.copytree(ava.root, workdir / "videos")
    video = read_key_frames(ava).sources[0].path
    (workdir / "videos" / video).write_bytes(b"no video")
    command = [str(recipe), str(recipe.with_name("weights.pth")), "--draws", "2", "--out", "x.json"]
    command += ["--cfg-options", f"val.root={workdir / 'videos'}"]
    assert tool_main("bank_draws", command) == 2
    assert video in capsys.readouterr().err
    assert not (workdir / "x.json").exists()
    assert tool_main("bank_draws", [*command, "--skip-broken"]) == 0
    left = [moment for moment in read_key_frames(ava) if moment.source.path != video]
    assert json.loads((workdir / "x.json").read_text())["key_frames"] == len(left) > 0


def test_key_frames_near_a_full_second_are_counted(recipe: Path, tmp_path: Path) -> None:
    loaded = load_recipe(recipe, kind=DetectionRecipe)
    dataset = AvaDataset(loaded.val, loaded.clip, loaded.test_transform, training=False)
    seconds = [int(moment.timestamp) for moment in dataset.key_frames]
    full = min(seconds) + 1
    videos = {moment.video for moment in dataset.key_frames}
    stored = sorted([*range(min(seconds), max(seconds) + 1), full, full])
    bank = write_bank(tmp_path / "bank.safetensors", videos, stored)
    for length in (1, 2, 3):
        banked = WithWindows(dataset, bank, seconds=length, per_second=2, random=False)
        near = [s for s in seconds if s - length // 2 <= full < s - length // 2 + length]
        assert 0 < banked.count_crowded() == len(near) < len(seconds)
    assert WithWindows(dataset, bank, seconds=3, per_second=3, random=False).count_crowded() == 0


def test_the_script_lists_its_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = str(ROOT / "tools/analysis/bank_draws.py")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.setattr(sys, "path", sys.path[:])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(script, run_name="__main__")
    assert left.value.code == 0
    assert "--draws" in capsys.readouterr().out
