"""Features of videos, against what the classifier multiplies, and runs that go on."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.apps.predict import load_predictor
from praxiscope.cli import tool_main
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.video import open_video
from praxiscope.models.features import PooledFeatures
from praxiscope.models.recognizer import Recognizer
from praxiscope.models.slowfast import SlowFast
from praxiscope.recipe import load_recipe
from praxiscope.zoo.weights import load_checkpoint, save_weights
from tests.apps.tools.recipe_file import write_motion_recipe

CHANNELS = 8 * 32  # of an R50 of width 8
VIDEOS = ("left/left_00000.mp4", "right/right_00000.mp4")


@pytest.fixture
def recipe(workdir: Path, motions: MotionDataset) -> Path:
    path = write_motion_recipe(workdir / "recipe.py", motions)
    torch.manual_seed(0)
    save_weights(load_recipe(path).model.build(), workdir / "w.pth")
    (workdir / "list.txt").write_text("\n".join(VIDEOS))
    return path


def extract(recipe: Path, *options: str) -> int:
    given = [str(recipe), "w.pth", *options, "--device", "cpu"]
    return tool_main("clip_feature_extraction", given)


def read(path: str | Path) -> Any:
    return pickle.loads(Path(path).read_bytes())  # what the test itself has had written


def network(recipe: Path) -> Recognizer:
    model = load_recipe(recipe).model.build()
    load_checkpoint(model, "w.pth")
    return model.eval()


def test_features_of_a_list_are_what_the_classifier_multiplies(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(recipe, "--video-list", "list.txt", "--out", "features.pkl") == 0
    features = read("features.pkl")
    assert [(one.shape, one.dtype) for one in features] == [((CHANNELS,), np.float32)] * 2
    model = network(recipe)
    root = load_recipe(recipe).val.root
    for video, feature in zip(VIDEOS, features, strict=True):
        found = load_predictor(recipe, "w.pth", device="cpu")(root / video)  # one view
        with torch.inference_mode():
            scores = model.cls_head.fc_cls(torch.tensor(feature)).softmax(-1)  # type: ignore[operator, union-attr]
        assert scores.tolist() == pytest.approx(list(found.scores.values()), abs=1e-6)
    assert not Path("features.pkl.parts").exists()
    assert "2 videos done" in capsys.readouterr().out


@pytest.mark.parametrize("long", [False, True])
def test_of_an_untrimmed_video_every_part_has_features(
    recipe: Path, workdir: Path, long: bool
) -> None:
    root = load_recipe(recipe).val.root
    (workdir / "raw").mkdir()
    for part, video in enumerate(VIDEOS):
        (workdir / f"raw/part_{part}.mp4").symlink_to(root / video)
    Path("list.txt").write_text("raw 0 2 0 1\n")
    options = ["--long-video-mode", "--clip-interval", "8"] if long else []
    raw = ["val.kind=parts", f"val.root={workdir}", "test=None"]
    assert (
        extract(recipe, "parts", "--video-list", "list.txt", *options, "--cfg-options", *raw) == 0
    )
    Path("list.txt").write_text("\n".join(VIDEOS))
    assert extract(recipe, "videos", "--video-list", "list.txt", *options) == 0
    for part, video in enumerate(VIDEOS):
        ours, theirs = read(f"parts/raw/part_{part}.mp4.pkl"), read(f"videos/{video}.pkl")
        assert ours.shape[-1] == CHANNELS and np.array_equal(ours, theirs)


def test_features_go_to_a_file_a_video_and_a_second_run_does_what_is_left(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(load_recipe(recipe).val.root)
    listed = ("--video-list", "list.txt", "--video-root", root)
    Path("list.txt").write_text(f"{VIDEOS[0]} 3\n{VIDEOS[1]} 4\nnowhere.mp4 0\n")  # with labels
    assert extract(recipe, "out", *listed) == 2
    said = capsys.readouterr()
    assert "2 videos done, 0 were there already, 1 could not be used" in said.out
    assert "nowhere.mp4" in said.err
    first = Path("out") / f"{VIDEOS[0]}.pkl"
    assert read(first).shape == (CHANNELS,)
    first.unlink()
    Path("list.txt").write_text("\n".join(VIDEOS))
    assert extract(recipe, "out", *listed) == 0
    assert "1 videos done, 1 were there already" in capsys.readouterr().out
    assert extract(recipe, "out", *listed, "--spatial-type", "max") == 2
    assert "out holds features of another run (spatial_type differ)" in capsys.readouterr().err


def test_views_and_scores_and_the_clips_of_a_long_video(recipe: Path) -> None:
    views = ("--cfg-options", "test_views.clips=2", "test_views.crops=3")
    listed = ("--video-list", "list.txt")
    assert extract(recipe, "every", *listed, "--multi-view", *views) == 0
    assert extract(recipe, "--out", "mean.json", *listed, *views) == 0
    every, mean = read(f"every/{VIDEOS[0]}.pkl"), json.loads(Path("mean.json").read_text())[0]
    assert every.shape == (6, CHANNELS)
    assert every.mean(0) == pytest.approx(np.array(mean), abs=1e-5)

    assert extract(recipe, "scores", *listed, "--dump-score") == 0
    scores = read(f"scores/{VIDEOS[1]}.pkl")
    assert scores.shape == (8,) and scores.sum() == pytest.approx(1, abs=1e-5)

    along = ("--long-video-mode", "--clip-interval", "4", "--frame-interval", "2")
    assert extract(recipe, "long", *listed, *along, *views) == 0
    rows = read(f"long/{VIDEOS[0]}.pkl")
    video = load_recipe(recipe).val.root / VIDEOS[0]
    with open_video(video) as source:
        frames = source.num_frames
        assert rows.shape == (len(range(2, frames, 4)), CHANNELS)


def test_pooling_keeps_or_reduces_each_dimension() -> None:
    torch.manual_seed(0)
    model = SlowFast(num_classes=3, width=8).build().eval()
    clips = torch.randint(256, (2, 3, 32, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        maps = model.features(clips)
        assert isinstance(maps, tuple)
        average = PooledFeatures(model)(clips)
        logits = model.cls_head.fc_cls(average)  # type: ignore[operator, union-attr]
        assert torch.allclose(logits, model(clips), atol=1e-6)
        largest = PooledFeatures(model, spatial="max", temporal="max")(clips)
        assert torch.equal(largest, torch.cat([one.amax((2, 3, 4)) for one in maps], 1))
        kept = PooledFeatures(model, spatial="keep")(clips)
        assert torch.allclose(kept.mean((2, 3)), average, atol=1e-5)
        with pytest.raises(Exception, match="pool over time"):
            PooledFeatures(model, temporal="keep")(clips)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name either a folder for one file a video, or one file with --out"),
        (("out", "--out", "a.pkl"), "name either a folder"),
        (("--out", "a.yaml"), "results are written as .pkl, .json, not '.yaml'"),
        (("out", "--long-video-mode"), "--long-video-mode needs --clip-interval"),
        (("out", "--clip-interval", "3"), "are for --long-video-mode"),
        (("out", "--video-list", "gone.txt"), "no list of videos gone.txt"),
        (("out", "--video-list", "empty.txt"), "empty.txt names no video"),
        (("out", "--video-list", "up.txt"), "must be a path below --video-root"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    recipe: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").touch()
    Path("up.txt").write_text("../a.mp4\n")
    assert extract(recipe, *options) == 2
    assert message in capsys.readouterr().err
