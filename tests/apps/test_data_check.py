"""``praxiscope data check`` over files, folders and lists."""

import csv
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from praxiscope.apps import data_check
from praxiscope.apps.parallel import Crashed
from praxiscope.cli import main
from tests.data.make_videos import write_sound, write_video

BROKEN = ["videos/a/cut.mp4", "videos/a/empty.mp4", "videos/b/sound.mp4", "videos/b/text.avi"]


def run(*options: str | Path) -> int:
    return main(["data", "check", "--workers", "1", *map(str, options)])


def crash(path: Path) -> tuple[()]:
    if path.name == "sound.mp4":
        os.kill(os.getpid(), signal.SIGKILL)
    return ()


@pytest.fixture
def videos(workdir: Path) -> Path:
    """Four broken files, a sound one, and two to remark on."""
    root = workdir / "videos"
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    write_video(root / "a/sound.mp4", 4)
    data = write_video(root / "a/cut.mp4", 12).read_bytes()
    (root / "a/cut.mp4").write_bytes(data[: len(data) // 2])
    (root / "a/empty.mp4").write_bytes(b"")
    write_sound(root / "b/sound.mp4", "aac")
    (root / "b/text.avi").write_text("<html>404</html>")
    write_video(root / "b/mkv.mp4", 4, container="matroska")
    write_video(root / "b/uneven.mp4", 4, times=(0, 1, 2, 6), b_frames=0)
    (root / "b/notes.txt").write_text("not a video")
    return root


def test_a_folder_gives_a_table_a_report_and_a_list(
    videos: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("videos", "--out", "out/r.csv", "--broken", "out/broken.txt") == 1
    said = capsys.readouterr()
    lines = [
        tuple(cell.strip() for cell in line.split("│")[1:4])
        for line in said.out.splitlines()
        if line.startswith(("│ unusable", "│ remark"))
    ]
    assert lines == [
        ("unusable", "1", "empty file"),
        ("unusable", "1", "unreadable"),
        ("unusable", "1", "no video stream"),
        ("unusable", "1", "truncated"),
        ("remark", "1", "variable frame rate"),
        ("remark", "1", "wrong extension"),
    ]
    assert "7 videos: 4 cannot be used, 2 have remarks.\n" in said.out
    assert all(path in said.err for path in BROKEN) and "mkv.mp4" not in said.err
    assert Path("out/broken.txt").read_text().splitlines() == BROKEN
    with Path("out/r.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == sorted([*BROKEN, "videos/b/mkv.mp4", "videos/b/uneven.mp4"])
    assert [row["path"] for row in rows.values() if row["unusable"] == "True"] == BROKEN
    assert rows["videos/a/empty.mp4"]["kind"] == "empty file"
    assert rows["videos/a/empty.mp4"]["text"] == (
        "videos/a/empty.mp4 is empty (0 bytes): get the file again."
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["broken.txt", "r.csv"]
    assert len(list(videos.rglob("*.*"))) == 8  # nothing is deleted


def test_remarks_alone_are_no_failure_and_a_report_can_be_json(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("videos/a/sound.mp4", "videos/b/mkv.mp4", "videos/a/sound.mp4")
    assert run(*files, "--out", "r.json", "--every-frame") == 0
    assert "2 videos: 0 cannot be used, 1 have remarks." in capsys.readouterr().out
    report = json.loads(Path("r.json").read_text())
    assert report["videos"] == 2
    (finding,) = report["findings"]
    assert (finding["path"], finding["kind"], finding["unusable"]) == (
        "videos/b/mkv.mp4",
        "wrong extension",
        False,
    )
    assert run("videos/a/sound.mp4") == 0
    assert Path("video_check.csv").read_text() == "path,kind,unusable,text\n"


def test_lists_name_videos_below_a_prefix_with_or_without_labels(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.txt").write_text("a/sound.mp4 3\nnowhere.mp4 1\n")
    assert run("list.txt", "--prefix", "videos", "--broken", "b.txt") == 1
    assert Path("b.txt").read_text() == "videos/nowhere.mp4\n"
    assert "missing: videos/nowhere.mp4 does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nowhere",), "nowhere stands for no video: expected a video file or a folder of them."),
        (("nowhere.txt",), "nowhere.txt"),
        (("videos", "--out", "r.xlsx"), "r.xlsx"),
        (("videos", "--broken", "b.csv"), "b.csv"),
        (("videos", "--workers", "0"), "--workers must be a whole number"),
    ],
)
def test_wrong_options_are_named(
    videos: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    assert message in capsys.readouterr().err
    assert not Path("video_check.csv").exists()


def test_only_broken_files_whose_bytes_can_be_read_are_removed(
    videos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = data_check.is_readable
    monkeypatch.setattr(
        data_check, "is_readable", lambda path: path.name != "text.avi" and real(path)
    )
    Path("list.txt").write_text("nowhere.mp4\n")
    assert run("videos", "list.txt", "--remove") == 1
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("deleted ")] == [
        f"deleted {path}" for path in BROKEN[:3]
    ]
    assert "kept videos/b/text.avi: it is no file whose bytes can be read." in said
    assert "kept nowhere.mp4" in said and "Deleted 3 files." in said
    left = sorted(path.name for path in videos.rglob("*.*"))
    assert left == ["mkv.mp4", "notes.txt", "sound.mp4", "text.avi", "uneven.mp4"]


def test_a_file_that_crashes_the_decoder_takes_no_other_with_it(
    videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = data_check.in_processes
    monkeypatch.setattr(
        data_check, "in_processes", lambda work, items, count: real(crash, items, count)
    )
    for name in ("empty.mp4", "cut.mp4"):
        (videos / "a" / name).unlink()
    (videos / "a/sound.mp4").rename(videos / "a/whole.mp4")
    assert run("videos", "--broken", "b.txt") == 1
    said = capsys.readouterr()
    assert "5 videos: 1 cannot be used." in said.out
    assert "unreadable: videos/b/sound.mp4 crashed the process that read it" in said.err
    assert Path("b.txt").read_text() == "videos/b/sound.mp4\n"


def test_a_stopped_run_goes_on_with_what_is_left_or_has_changed(
    videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, looked_at = data_check.in_processes, list[str]()
    stopped: list[Path] = []

    def stopping(work: Any, items: Iterable[Path], processes: int) -> Any:
        for item, result in real(work, items, processes):
            assert not isinstance(result, Crashed)
            looked_at.append(item.name)
            if len(looked_at) == 5 and not stopped:
                stopped.append(item)
                raise KeyboardInterrupt
            yield item, result

    monkeypatch.setattr(data_check, "in_processes", stopping)
    assert run("videos") == 130
    assert not Path("video_check.csv").exists()
    assert looked_at == ["cut.mp4", "empty.mp4", "sound.mp4", "mkv.mp4", "sound.mp4"]
    write_video(videos / "a/sound.mp4", 5)
    looked_at.clear()
    assert run("videos") == 1
    said = capsys.readouterr().out
    assert "1 videos were checked before; video_check.csv.checked lists them." in said
    # those that were broken are looked at again, as is the one that was written anew
    names = ["cut.mp4", "empty.mp4", "sound.mp4", "sound.mp4", "text.avi", "uneven.mp4"]
    assert looked_at == names
    report = Path("video_check.csv").read_text()
    assert "videos/b/mkv.mp4,wrong extension,False," in report  # from the first run
    assert "7 videos: 4 cannot be used, 2 have remarks." in said
    assert not Path("video_check.csv.checked").exists()
    looked_at.clear()
    assert run("videos") == 1  # a finished run leaves nothing to go on from
    assert len(looked_at) == 7


def test_names_that_are_no_utf8_are_reported_as_they_are(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"videos/\xff.mp4")
    Path("videos").mkdir()
    Path(name).write_bytes(b"")
    write_video(Path("a.mp4"), 4).rename(os.fsdecode(b"videos/\xfe.mp4"))
    assert run("videos", "--broken", "b.txt", "--remove") == 1
    assert Path("b.txt").read_bytes() == b"videos/\xff.mp4\n"
    assert b"videos/\xff.mp4,empty file,True," in Path("video_check.csv").read_bytes()
    assert [os.fsencode(path.name) for path in Path("videos").iterdir()] == [b"\xfe.mp4"]
    assert "2 videos: 1 cannot be used." in capsys.readouterr().out
