"""Tools of recognition, given a recipe of detection."""

import pytest

from praxiscope.cli import tool_main

DETECTOR = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("benchmark", []),
        ("bench_processing", []),
        ("check_videos", []),
        ("confusion_matrix", ["result.json"]),
        ("clip_feature_extraction", ["weights.pth", "features"]),
    ],
)
def test_it_is_refused_in_one_sentence(
    tool: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_main(tool, [DETECTOR, *arguments]) == 2
    error = capsys.readouterr().err
    assert f"{DETECTOR}.py is a recipe of detection; a recipe of recognition is expected" in error
    assert error.count("\n") == 1
