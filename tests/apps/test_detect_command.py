"""``praxiscope detect`` on the command line."""

import json
import os
import re
import signal
from pathlib import Path

import av
import pytest

from praxiscope.apps import detect_command
from praxiscope.apps.detect_command import clock
from praxiscope.apps.persons import Persons
from praxiscope.cli import main
from praxiscope.types import Frame
from tests.apps.videos import TwoPersons, nobody, write_detector, write_video


@pytest.fixture
def model(workdir: Path) -> list[str]:
    recipe, weights = write_detector(workdir)
    return ["--model", str(recipe), "--checkpoint", str(weights), "--device", "cpu"]


def test_several_videos_share_the_text_files_and_have_an_mp4_each(
    model: list[str], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(workdir / "a.mp4", frames=40)
    write_video(workdir / "b.mp4", frames=20)
    (workdir / "broken.mp4").write_text("nothing")
    options = ["--persons", "frame", "--json", "o.jsonl", "--csv", "o.csv", "--out", "drawn"]
    inputs = ["a.mp4", "broken.mp4", "b.mp4"]
    assert main(["detect", *inputs, *model, *options, "--rate", "2", "--threshold", "0"]) == 2
    lines = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [(line["video"], line["seconds"]) for line in lines] == [
        *(("a.mp4", n / 2) for n in range(3)),
        *(("b.mp4", n / 2) for n in range(2)),
    ]
    assert all(len(line["persons"][0]["actions"]) == 4 for line in lines)
    assert len(Path("o.csv").read_text().splitlines()) == 5 * 4
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["a.mp4", "b.mp4"]
    said = capsys.readouterr()
    assert "a.mp4: 3 key frames, persons in 3, 1 tracks" in said.out
    assert re.search(r"stand +│ 3 +│ 0\.\d{3}", said.out)
    assert "written: drawn/b.mp4" in said.out and "written: o.csv" in said.out
    assert "broken.mp4 cannot be read as a video" in said.err
    assert "1 of 3 videos could not be used." in said.err


def test_persons_come_from_a_proposals_file(
    model: list[str], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(workdir / "a.mp4", frames=70)
    Path("persons.csv").write_text("a,0901,0.1,0.1,0.5,0.9,0.95\na,0901,0.5,0.1,0.9,0.9,0.99\n")
    options = ["--persons", "persons.csv", "--first-timestamp", "900", "--csv", "o.csv"]
    assert main(["detect", "a.mp4", *model, *options]) == 0
    rows = [line.split(",") for line in Path("o.csv").read_text().splitlines()]
    assert {(row[0], row[1]) for row in rows} == {("a", "0901")}
    assert {tuple(row[2:6]) for row in rows} == {
        ("0.1000", "0.1000", "0.5000", "0.9000"),
        ("0.5000", "0.1000", "0.9000", "0.9000"),
    }
    assert "a.mp4: 3 key frames, persons in 1, 2 tracks" in capsys.readouterr().out


def test_a_name_that_is_no_text_does_not_stop_the_run(model: list[str], workdir: Path) -> None:
    strange = write_video(workdir / "a.mp4", frames=4).rename(workdir / os.fsdecode(b"\xff.mp4"))
    options = ["--persons", "frame", "--json", "o.jsonl", "--csv", "o.csv"]
    assert main(["detect", str(strange), *model, *options]) == 0
    assert json.loads(Path("o.jsonl").read_text())["video"] == str(strange)
    assert Path("o.csv").read_text().startswith(r"\udcff,0000,")


def test_nobody_is_said(
    model: list[str],
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_video(workdir / "a.mp4", frames=10)
    monkeypatch.setattr(nobody, "name", "nothing", raising=False)
    monkeypatch.setattr(detect_command, "find_provider", lambda *args, **options: nobody)
    assert main(["detect", "a.mp4", *model, "--json", "o.jsonl"]) == 0
    assert "a.mp4: 1 key frames, nobody was found by nothing" in capsys.readouterr().out
    assert json.loads(Path("o.jsonl").read_text())["persons"] == []


def test_ctrl_c_closes_the_files_where_it_came(
    model: list[str],
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupting(TwoPersons):
        def __call__(self, frame: Frame, seconds: float) -> Persons:
            if seconds == 1:
                signal.raise_signal(signal.SIGINT)
            return super().__call__(frame, seconds)

    write_video(workdir / "a.mp4", frames=90)
    write_video(workdir / "b.mp4", frames=90)
    monkeypatch.setattr(detect_command, "find_provider", lambda *args, **options: Interrupting())
    before = signal.getsignal(signal.SIGINT)
    options = ["--out", "drawn", "--json", "o.jsonl", "--threshold", "0"]
    assert main(["detect", "a.mp4", "b.mp4", *model, *options]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    lines = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert [(line["video"], line["seconds"]) for line in lines] == [("a.mp4", 0), ("a.mp4", 1)]
    with av.open("drawn/a.mp4") as copy:
        assert 30 <= sum(1 for _ in copy.decode(video=0)) <= 33
    assert not Path("drawn/b.mp4").exists()
    assert "the files end where the video was stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--out", "a.mp4"], r"a.mp4 is an input"),
        (["--persons", "p.csv", "--csv", "p.csv"], r"p.csv is an input"),
        (["--labels", "l.csv", "--csv", "l.csv"], r"l.csv is an input"),
        (["--out", "o.avi"], r"o.avi: results are written as .mp4"),
        (["--out", "o.txt"], r"o.txt: annotated copies are written as .mp4, not '.txt'"),
        (["--json", "o.txt"], r"o.txt: results are written as"),
        (["--json", "o.json", "--csv", "o.json"], r"o.json is named for two results"),
        (["--persons", "nothing"], r"nothing called 'nothing' finds persons"),
        (["--rate", "0"], r"rate must be a number"),
        (["--threshold", "2"], r"threshold must be a number from 0 to 1"),
        (["--seconds", "-1"], r"seconds must be a number"),
    ],
)
def test_options_that_cannot_be_followed_are_one_sentence(
    model: list[str],
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    reason: str,
) -> None:
    video = write_video(workdir / "a.mp4", frames=10).read_bytes()
    options = options if "--persons" in options else ["--persons", "frame", *options]
    assert main(["detect", "a.mp4", *model, *options]) == 2
    error = capsys.readouterr().err
    assert re.search(reason, error) and len(error.strip().splitlines()) == 1
    assert (workdir / "a.mp4").read_bytes() == video


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (75.4, "1:15"), (3723, "1:02:03")])
def test_lengths_are_written_as_clocks_show_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
