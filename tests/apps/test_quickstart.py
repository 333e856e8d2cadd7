import csv
import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from praxiscope.apps.predict import load_predictor
from praxiscope.apps.quickstart import RECIPE, Quickstart, QuickstartSize, quickstart
from praxiscope.data.lists import read_list
from praxiscope.data.synthetic import MotionDataset, MotionVideos
from praxiscope.data.synthetic_scene import FLIP_PAIRS, MOTIONS
from praxiscope.engine.checkpoints import StoppedError
from praxiscope.errors import PraxiscopeError
from praxiscope.recipe import load_recipe
from tests.tiny import video_list

TINY = QuickstartSize(
    train_per_class=1,
    test_per_class=1,
    videos=MotionVideos(frames=20, height=48, width=64),
    overrides=(
        "model.width=8",
        "clip.frames=8",
        "train_transform.size=32",
        "train_transform.short_side=36",
        "test_views.size=32",
        "test_views.short_side=36",
        "loader.videos_per_device=4",
        "loader.workers=0",
        "optim.batch=4",
        "schedule.epochs=1",
        "schedule.warmup_epochs=0",
    ),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Quickstart, Path, str]:
    out = tmp_path_factory.mktemp("quickstart") / "new" / "folder"
    said = io.StringIO()
    result = quickstart(out, size=TINY, console=Console(file=said))
    return result, out, said.getvalue()


def test_the_figures_are_those_of_the_files(tiny: tuple[Quickstart, Path, str]) -> None:
    result, out, _ = tiny
    figures = json.loads((out / "quickstart.json").read_text())
    assert figures == {
        "top1": result.top1,
        "one_frame_top1": result.one_frame_top1,
        "test_videos": 8,
        "seconds": result.seconds,
        "checkpoint": str(out / "checkpoint.pth"),
        "report": str(out / "report.html"),
    }
    scores = torch.tensor(json.loads((out / "predictions.json").read_text()))
    assert scores.shape == (8, 8)
    torch.testing.assert_close(scores.sum(1), torch.ones(8))
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = read_list(video_list(MotionDataset(out / "data"), "test"))
    assert [row["video"] for row in rows] == [record.path for record in records]
    assert [row["label"] for row in rows] == [MOTIONS[record.labels[0]] for record in records]
    assert [row["prediction"] for row in rows] == [MOTIONS[i] for i in scores.argmax(1)]
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert right / 8 == result.top1


def test_the_report_is_one_file_with_curves_of_both_runs_and_clips(
    tiny: tuple[Quickstart, Path, str],
) -> None:
    result, _, _ = tiny
    page = result.report.read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<video") == 8
    assert page.count('src="data:video/mp4;base64,') == 8
    for told in ("8 frames: train loss", "one frame: train accuracy", "SlowFast(", "confusion"):
        assert told in page
    assert f"{100 * result.one_frame_top1:.1f}%" in page


def test_the_checkpoint_predicts_what_the_test_found(tiny: tuple[Quickstart, Path, str]) -> None:
    result, out, _ = tiny
    predictor = load_predictor(RECIPE, result.checkpoint, overrides=TINY.overrides, device="cpu")
    video = read_list(video_list(MotionDataset(out / "data"), "test"))[3].path
    prediction = predictor(out / "data" / "videos_test" / video)
    assert tuple(prediction.scores) == MOTIONS
    expected = json.loads((out / "predictions.json").read_text())[3]
    assert list(prediction.scores.values()) == pytest.approx(expected, abs=1e-6)


def test_the_summary_says_where_things_are_and_what_is_next(
    tiny: tuple[Quickstart, Path, str],
) -> None:
    result, _, said = tiny
    assert str(result.report) in said
    assert f"--model {RECIPE} --checkpoint {result.checkpoint}" in said
    assert f"top-1 on 8 unseen videos: {result.top1:.3f}" in said


def test_a_second_run_keeps_the_videos_and_gives_the_same_figures(
    tiny: tuple[Quickstart, Path, str],
) -> None:
    first, out, _ = tiny
    videos = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    (out / "report.html").write_text("old")
    second = quickstart(out, size=TINY)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == videos
    assert (second.top1, second.one_frame_top1) == (first.top1, first.one_frame_top1)
    assert second.report.read_text().startswith("<!doctype html>")


def test_flips_exchange_the_classes_that_a_mirror_exchanges() -> None:
    pairs = tuple(tuple(MOTIONS.index(motion) for motion in pair) for pair in FLIP_PAIRS)
    assert load_recipe(RECIPE).train.flip_pairs == pairs


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(PraxiscopeError, match=r"cannot be written to .*out"):
        quickstart(out, size=TINY)
    assert out.read_text() == "mine"


def test_videos_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    video = tmp_path / "data" / "videos_train" / "left" / "left_00000.mp4"
    video.parent.mkdir(parents=True)
    video.write_text("mine")
    with pytest.raises(PraxiscopeError, match="Choose another folder"):
        quickstart(tmp_path, size=TINY)
    assert video.read_text() == "mine"


def test_a_stopped_run_leaves_no_figures_and_says_how_to_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quickstart.json").write_text("{}")

    def stop(*_: object, **__: object) -> None:
        raise StoppedError("stopped in epoch 1, after batch 1.")

    monkeypatch.setattr("praxiscope.apps.quickstart.run_training", stop)
    with pytest.raises(StoppedError, match="begins again and keeps the videos"):
        quickstart(tmp_path, size=TINY)
    assert not (tmp_path / "quickstart.json").exists()


@pytest.mark.slow
def test_motion_is_learned_and_one_frame_tells_nothing(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    result = quickstart(tmp_path / "out")
    assert result.test_videos >= 200
    assert result.top1 >= 0.90
    assert result.one_frame_top1 <= 0.40
