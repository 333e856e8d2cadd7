"""The figures are the reference implementation's."""

import runpy
import sys
from pathlib import Path

import pytest

from praxiscope.cli import tool_main

SLOWONLY = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
FLOW = "slowonly_r50_4x16x1_256e_kinetics400_flow"


@pytest.mark.parametrize(
    ("arguments", "shape", "gmacs"),
    [
        ([SLOWONLY], "(1, 3, 4, 256, 256)", 27.2596),  # the test view
        ([SLOWONLY, "--shape", "224"], "(1, 3, 4, 224, 224)", 20.8708),
        ([SLOWONLY, "--shape", "224", "224"], "(1, 3, 4, 224, 224)", 20.8708),
        ([FLOW, "--shape", "1", "2", "4", "224", "224"], "(1, 2, 4, 224, 224)", 20.7135),
        ([SLOWONLY, "--cfg-options", "clip.frames=8"], "(1, 3, 8, 256, 256)", 54.5184),
    ],
)
def test_the_cost_of_an_input_is_printed(
    capsys: pytest.CaptureFixture[str], arguments: list[str], shape: str, gmacs: float
) -> None:
    assert tool_main("get_flops", arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"Input shape: {shape}" in printed
    assert f"Flops: {gmacs} GMac" in printed
    assert "Params: 32.4541 M" in printed or arguments[0] == FLOW


def test_height_and_width_may_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_main("get_flops", [SLOWONLY, "--shape", "340", "256"]) == 0
    assert "Input shape: (1, 3, 4, 340, 256)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([SLOWONLY, "--shape", "1", "3", "224", "224"], "no shape of four numbers"),
        ([SLOWONLY, "--shape", "0"], "each above 0"),
        ([SLOWONLY, "--shape", "1", "2", "4", "64", "64"], "cannot take an input of 1x2x4x64x64"),
        (["slowonly_r50_4x16x1"], "there is no recipe 'slowonly_r50_4x16x1'"),
    ],
)
def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert tool_main("get_flops", arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_published_script_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(__file__).parents[3] / "tools/analysis/get_flops.py"
    monkeypatch.setattr(sys, "argv", [str(script), SLOWONLY])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as exit_status:
        runpy.run_path(str(script), run_name="__main__")
    assert exit_status.value.code == 0
    assert "Flops: 27.2596 GMac" in capsys.readouterr().out
