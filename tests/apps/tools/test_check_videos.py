"""The damaged and missing videos of a list: found, listed, and removed only when asked to."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.apps.tools import check_videos
from praxiscope.cli import tool_main
from praxiscope.data.integrity import find_damage
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.synthetic import MotionDataset
from tests.apps.tools.recipe_file import write_motion_recipe
from tests.data.make_videos import copy_stream, write_video

COUNT = 40


@pytest.fixture
def videos(tmp_path: Path) -> VideoList:
    """Sound videos a and b, c cut off, d damaged within, e missing."""
    root = tmp_path / "videos"
    root.mkdir()
    for name in "abcd":
        write_video(root / f"{name}.mp4", COUNT, gop=4, b_frames=0)
    data = (root / "c.mp4").read_bytes()
    (root / "c.mp4").write_bytes(data[: len(data) // 2])
    (tmp_path / "list.txt").write_text("".join(f"{name}.mp4 0\n" for name in "eabcda"))
    return VideoList(root=root, annotations=tmp_path / "list.txt", num_classes=8)


def check(recipe: Path, videos: VideoList, *options: str) -> int:
    fields = [f"train.{name}={getattr(videos, name)}" for name in ("root", "annotations")]
    return tool_main(
        "check_videos",
        [str(recipe), "--num-processes", "1", *options, "--cfg-options", *fields],
    )


@pytest.fixture
def recipe(workdir: Path, motions: MotionDataset) -> Path:
    return write_motion_recipe(workdir / "recipe.py", motions)


def test_broken_videos_are_listed_in_the_order_of_the_list(
    recipe: Path, videos: VideoList, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(recipe, videos) == 0
    broken = [str(videos.root / name) for name in ("e.mp4", "c.mp4")]
    assert (workdir / "invalid-video.txt").read_text().splitlines() == broken
    said = capsys.readouterr()
    assert "Checked 5 videos: 2 are damaged or missing." in said.out  # a is there twice
    assert all(path in said.err.replace("\n", "") for path in broken)
    assert not (workdir / "invalid-video.txt.sound").exists()
    assert (videos.root / "c.mp4").exists()


def test_damaged_files_are_removed_when_asked_to(
    recipe: Path, videos: VideoList, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(recipe, videos, "--remove-corrupted-videos", "--output-file", "out/b.txt") == 0
    assert "Deleted 1 damaged videos." in capsys.readouterr().out
    assert sorted(path.name for path in videos.root.iterdir()) == ["a.mp4", "b.mp4", "d.mp4"]
    assert len((workdir / "out/b.txt").read_text().splitlines()) == 2


def test_of_untrimmed_videos_every_part_and_of_images_every_image_is_checked(
    recipe: Path, videos: VideoList, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, name in enumerate("abc"):
        (videos.root / f"{name}.mp4").rename(videos.root / f"part_{part}.mp4")
    raw = VideoList(root=videos.root.parent, annotations=workdir / "raw.txt", num_classes=8)
    (workdir / "raw.txt").write_text("videos 0 4 0 2 3\n")
    assert check(recipe, raw, "--cfg-options", "train.kind=parts") == 0
    broken = [str(videos.root / f"part_{part}.mp4") for part in (2, 3)]  # cut off, missing
    assert (workdir / "invalid-video.txt").read_text().splitlines() == broken
    assert "Checked 3 videos: 2 are" in capsys.readouterr().out
    cv2.imwrite(str(videos.root / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (videos.root / "b.png").write_bytes((videos.root / "a.png").read_bytes()[:30])
    (workdir / "raw.txt").write_text("videos/a.png 0\nvideos/b.png 0\n")
    assert check(recipe, raw, "--cfg-options", "train.kind=image") == 0
    broken = [str(videos.root / "b.png")]
    assert (workdir / "invalid-video.txt").read_text().splitlines() == broken


def test_what_the_system_cannot_read_is_not_taken_for_damaged(
    recipe: Path,
    videos: VideoList,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not check_videos.is_readable(videos.root)  # a folder
    assert not check_videos.is_readable(videos.root / "nowhere.mp4")
    assert check_videos.is_readable(videos.root / "c.mp4")
    monkeypatch.setattr(check_videos, "is_readable", lambda path: False)
    assert check(recipe, videos, "--remove-corrupted-videos") == 0
    assert "Deleted 0 damaged videos." in capsys.readouterr().out
    assert (videos.root / "c.mp4").exists()


def test_a_stopped_run_goes_on_with_the_videos_that_are_left(
    recipe: Path,
    videos: VideoList,
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = check_videos.in_processes
    looked_at: list[str] = []

    def stopping(work, items, processes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        for item, result in real(work, items, processes):
            if item.path == "d.mp4" and "d.mp4" not in looked_at:
                looked_at.append(item.path)
                raise KeyboardInterrupt
            looked_at.append(item.path)
            yield item, result

    monkeypatch.setattr(check_videos, "in_processes", stopping)
    assert check(recipe, videos) == 130
    assert not (workdir / "invalid-video.txt").exists()
    assert looked_at == ["e.mp4", "a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert check(recipe, videos) == 0
    assert looked_at[5:] == ["e.mp4", "c.mp4", "d.mp4"]
    assert "2 videos were found sound before" in capsys.readouterr().out
    assert len((workdir / "invalid-video.txt").read_text().splitlines()) == 2
    assert check(recipe, videos) == 0  # a finished run leaves nothing to go on from
    assert len(looked_at) == 8 + 5


def harm(data: bytes, really: bool) -> bytes:
    return data[:5] + b"\xff" * (len(data) - 5) if really else data


def test_every_frame_finds_damage_between_the_frames_looked_at(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", COUNT, gop=4, b_frames=0)
    path = copy_stream(whole, tmp_path / "a.mp4", change=lambda n, data: harm(data, n == 5))
    videos, record = VideoList(root=tmp_path, num_classes=1), Record("a.mp4", (0,))
    assert find_damage(videos, record) is None
    problem = find_damage(videos, record, every_frame=True)
    assert problem is not None and problem.startswith(f"{path}: frame ")


def test_folders_of_images_must_be_as_full_as_the_list_says(
    tmp_path: Path, recipe: Path, videos: VideoList, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f"x_{number:05d}.jpg"), np.zeros((8, 8), np.uint8))
        cv2.imwrite(str(tmp_path / f"y_{number:05d}.jpg"), np.zeros((8, 8), np.uint8))
    flow = VideoList(root=tmp_path.parent, num_classes=1, kind="flow")
    name = tmp_path.name
    assert find_damage(flow, Record(name, (0,), 0, 3)) is None
    assert find_damage(flow, Record(name, (0,), 1, 2)) is None
    problem = find_damage(flow, Record(name, (0,), 1, 3))
    assert problem == f"{tmp_path} holds 2 frames, but the list says 3."
    (tmp_path / "y_00002.jpg").unlink()
    assert "lacks y_00002.jpg" in str(find_damage(flow, Record(name, (0,), 0, 3)))
    options = ("--remove-corrupted-videos", "--cfg-options", "train.kind=flow")
    assert check(recipe, videos, *options) == 2
    assert "remove these by hand" in capsys.readouterr().err
