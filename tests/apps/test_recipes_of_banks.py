"""What trains, predicts or examines, given a recipe that fills feature banks."""

import json
from pathlib import Path

import pytest

from praxiscope.cli import main, tool_main

FILLING = "slowonly-lfb-infer_r50_ava21-rgb.py"
OTHER = f"{FILLING} is a recipe of a feature bank; a recipe of "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", FILLING], f"{FILLING} fills a feature bank and trains nothing: run it with"),
        (["predict", "a.mp4", "--model", FILLING], f"{FILLING} fills a feature bank: 'praxiscope"),
        (["detect", "a.mp4", "--model", FILLING, "--json", "x.jsonl"], f"{OTHER}detection is"),
        (["data", "doctor", FILLING], f"{OTHER}detection is"),
        (["zoo", "download", FILLING], "the model zoo has no weights of 'slowonly-lfb-infer_r50"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_a_command_refuses_it_in_one_sentence(
    arguments: list[str],
    message: str,
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (workdir / "a.mp4").write_bytes(b"no video")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert [path.name for path in workdir.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("benchmark", [FILLING], f"{OTHER}recognition is expected"),
        ("bench_processing", [FILLING], f"{OTHER}recognition is expected"),
        ("check_videos", [FILLING], f"{OTHER}recognition is expected"),
        ("confusion_matrix", [FILLING, "result.json"], f"{OTHER}recognition is expected"),
        ("clip_feature_extraction", [FILLING, "x.pth", "features"], f"{OTHER}recognition is"),
        ("eval_metric", [FILLING, "result.csv"], "fills a feature bank: give the recipe of the"),
        ("report_map", ["result.json", "--config", FILLING], f"{OTHER}detection is expected"),
    ],
)
def test_a_tool_refuses_it_in_one_sentence(
    tool: str,
    arguments: list[str],
    message: str,
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (workdir / "result.json").write_text(json.dumps([]))
    assert tool_main(tool, arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
