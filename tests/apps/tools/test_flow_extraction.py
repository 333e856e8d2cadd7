"""Flow images of videos: their names, their values, and runs that go on where they stopped."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.cli import tool_main
from praxiscope.data.flow import FlowVideo
from praxiscope.data.frames import open_frames
from praxiscope.data.video import open_video
from tests.data.make_videos import write_video

COUNT = 6


def extract(*options: str | Path) -> int:
    return tool_main("flow_extraction", [*map(str, options), "--num-processes", "2"])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def test_a_video_becomes_images_that_are_read_as_its_flow(tmp_path: Path) -> None:
    video, out = write_video(tmp_path / "a.mp4", COUNT), tmp_path / "flow/a"
    assert extract("--input", video, "--dest", out, "--method", "farneback") == 0
    numbers = range(1, COUNT)
    assert names(out) == [f"{part}_{n:05d}.jpg" for part in "xy" for n in numbers]
    stored = open_frames(out, flow=True)
    computed = FlowVideo(open_video(video), video, method="farneback")
    assert stored.num_frames == computed.num_frames == COUNT - 1
    difference = stored.frames_at(range(COUNT - 1)).astype(int) - computed.frames_at(
        range(COUNT - 1)
    )
    assert np.abs(difference).mean() < 2


def test_a_list_of_videos_gives_a_folder_each_with_frames_if_asked_for(tmp_path: Path) -> None:
    for name in ("wave/a.b.mp4", "clap/c.mkv"):
        (tmp_path / name).parent.mkdir()
        write_video(tmp_path / name, COUNT)
    (tmp_path / "list.txt").write_text(
        "wave/a.b.mp4\n\nclap/c.mkv 17 0\n"
    )  # with and without labels
    out = tmp_path / "out"
    templates = ("--flow-tmpl", "flow_{}_{:04d}.png", "--rgb-tmpl", "{:03d}.jpg")
    listed = ("--input", tmp_path / "list.txt", "--prefix", tmp_path, "--dest", out)
    fast = ("--method", "dis", "--start-idx", "0", "--new-short", "16")
    assert extract(*listed, "--save-rgb", *templates, *fast) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.glob("*/*")) == [
        "clap/c",
        "wave/a.b",
    ]
    expected = [f"{n:03d}.jpg" for n in range(COUNT)]
    assert names(out / "clap/c") == expected
    flow = sorted(path.name for path in (out / "clap/c").glob("*.png"))
    assert flow == [f"flow_{part}_{n:04d}.png" for part in "xy" for n in range(COUNT - 1)]
    assert cv2.imread(str(out / "clap/c/000.jpg")).shape == (16, 24, 3)


def test_chunks_of_a_video_join_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mp4", 11)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ("--input", video, "--method", "farneback", "--save-rgb")
    assert extract(*options, "--dest", whole) == 0
    monkeypatch.setattr("praxiscope.data.transcode.flow_images.CHUNK_FRAMES", 4)
    assert extract(*options, "--dest", parts) == 0
    assert names(parts) == names(whole) and len(names(whole)) == 2 * 10 + 11
    for name in names(whole):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_a_second_run_does_what_is_left_and_broken_videos_leave_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    write_video(videos / "a.mp4", COUNT)
    (videos / "broken.mp4").write_bytes(b"no video")
    options = ("--input", videos, "--dest", out, "--method", "dis")
    assert extract(*options) == 2
    said = capsys.readouterr()
    assert "1 videos extracted" in said.out and "1 could not be used" in said.out
    assert f"error: {videos / 'broken.mp4'}" in said.err.replace("\n", "")
    assert [path.name for path in out.iterdir()] == ["a"]
    before = (out / "a/x_00001.jpg").stat().st_mtime_ns
    write_video(videos / "broken.mp4", COUNT)
    assert extract(*options) == 0
    assert "1 videos extracted" in (text := capsys.readouterr().out) and "1 were there" in text
    assert (out / "a/x_00001.jpg").stat().st_mtime_ns == before
    assert sorted(path.name for path in out.iterdir()) == ["a", "broken"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--flow-tmpl", "flow_{:05d}.jpg", "--flow-tmpl 'flow_{:05d}.jpg' names no images"),
        ("--flow-tmpl", "../{}_{:05d}.jpg", "names no images"),
        ("--rgb-tmpl", "img.jpg", "--rgb-tmpl 'img.jpg' names no images"),
        ("--rgb-tmpl", "img_{:05d}.doc", "names no images"),
        ("--bound", "0", "--bound must be a number from"),
        ("--num-processes", "0", "--num-processes must be a whole number"),
        ("--input", "nothing.mp4", "nothing.mp4 stands for no video"),
        ("--input", "nothing.txt", "no list of videos nothing.txt"),
        ("--input", "up.txt", "must be a path below --prefix"),
        ("--input", "same.txt", "would both go to"),
        ("--dest", "full", "full holds other files"),
    ],
)
def test_a_wrong_option_is_one_sentence_before_anything_is_written(
    option: str, value: str, message: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(workdir / "a.mp4", 3)
    (workdir / "up.txt").write_text("../a.mp4")
    (workdir / "same.txt").write_text("a.mp4\na.avi")
    (workdir / "full").mkdir()
    (workdir / "full/notes.md").touch()
    options = {"--input": "a.mp4", "--dest": "out", "--num-processes": "1"} | {option: value}
    assert tool_main("flow_extraction", [part for pair in options.items() for part in pair]) == 2
    assert message in capsys.readouterr().err
    assert not (workdir / "out").exists()
