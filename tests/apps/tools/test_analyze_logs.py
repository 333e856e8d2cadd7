import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from praxiscope.cli import tool_main
from tests.apps.tools.scripts import run_script

TIMES = {1: [9.0, 1.0, 1.2], 2: [9.0, 0.8, 0.8], 3: [9.0, 1.0, 1.0]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    entries = [
        {"mode": "train", "epoch": epoch, "iter": 10 * (n + 1), "time": time, "top1_acc": n / epoch}
        for epoch, times in TIMES.items()
        for n, time in enumerate(times)
    ]
    path = tmp_path / "run.log.json"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_the_times_of_a_log_are_printed_as_published(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_main("analyze_logs", ["cal_train_time", str(log), str(log)]) == 0
    expected = [
        f"-----Analyze train time of {log}-----",
        "slowest epoch 1, average time is 1.1000",
        "fastest epoch 2, average time is 0.8000",
        "time std over epochs is 0.1247",  # of 1.1, 0.8, 1.0
        "average iter time: 0.9667 s/iter",
        "",
    ]
    assert capsys.readouterr().out.splitlines() == expected * 2
    assert tool_main("analyze_logs", ["cal_train_time", str(log), "--include-outliers"]) == 0
    assert "average iter time: 3.6444 s/iter" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_curves_are_drawn_into_a_file(tmp_path: Path, log: Path, suffix: str) -> None:
    out = tmp_path / f"plots/curve{suffix}"
    command = ["plot_curve", str(log), "--keys", "top1_acc", "time", "--legend", "first", "second"]
    command += ["--title", "A title", "--style", "whitegrid", "--out", str(out)]
    assert tool_main("analyze_logs", command) == 0
    heads = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert out.read_bytes().startswith(heads[suffix])
    if suffix == ".svg":
        assert ElementTree.parse(out).getroot().tag.endswith("svg")
        # Letters are drawn as shapes; the words themselves stand in comments.
        assert all(f"<!-- {word} -->" in out.read_text() for word in ("A title", "first", "second"))


def test_the_published_command_runs_as_a_script(
    tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.pdf"
    options = ["--keys", "top1_acc", "--out", out]
    assert run_script("analysis/analyze_logs.py", "plot_curve", log, *options) == 0
    assert capsys.readouterr().out == f"plot: {out}\n" and out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--legend", "a", "b", "--out", "x.png"], "--legend has 2 names for 1 curves"),
        (["--keys", "top_acc", "--out", "x.png"], "no key 'top_acc'. Did you mean 'top1_acc'?"),
        (["--style", "drak", "--out", "x.png"], "no style 'drak'. Did you mean 'dark'?"),
        (["--out", "x.gif"], "results are written as .png, .pdf, .svg, not '.gif'"),
        ([], "there is no display here"),
        (["--backend", "none_such"], "--backend none_such cannot be used"),
    ],
)
@pytest.mark.usefixtures("workdir")
def test_what_cannot_be_drawn_is_one_sentence(
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert tool_main("analyze_logs", ["plot_curve", str(log), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error, error


def test_a_log_without_times_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.log.json"
    path.write_text('{"mode": "train", "epoch": 1, "iter": 1, "time": 1.0}\n')
    assert tool_main("analyze_logs", ["cal_train_time", str(path)]) == 2
    assert "--include-outliers counts the first one" in capsys.readouterr().err
