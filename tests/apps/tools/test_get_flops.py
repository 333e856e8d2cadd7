"""The figures are the reference implementation's."""

import pytest

from praxiscope.cli import tool_main
from praxiscope.zoo.cards import card
from tests.apps.tools.scripts import run_script

SLOWONLY = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
DETECTOR = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"
WITH_BANK = "slowonly-lfb-nl_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb"
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


@pytest.mark.parametrize(
    ("options", "clips", "boxes"),
    [
        (["--shape", "256"], 1, 1),
        (["--shape", "256", "--boxes", "0"], 1, 0),
        (["--shape", "2", "3", "4", "256", "256", "--boxes", "3"], 2, 3),
    ],
)
def test_a_detector_costs_more_in_its_last_stage_and_with_every_person(
    capsys: pytest.CaptureFixture[str], options: list[str], clips: int, boxes: int
) -> None:
    assert tool_main("get_flops", [DETECTOR, *options]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"Input shape: ({clips}, 3, 4, 256, 256)" in printed
    assert f"Boxes in each clip: {boxes}" in printed
    assert "Params: 31.8005 M" in printed
    conv1, conv2, conv3, shortcut = 3 * 2048 * 512, 9 * 512 * 512, 512 * 2048, 1024 * 2048
    strided = 4 * 8 * 8 * (2 * conv1 + 3 * conv2 + 3 * conv3 + shortcut)  # four times as many now
    person = 8 * 8 * 16 * 16 * 2048 + 2048 * 81  # RoIAlign as one product, the classifier
    recogniser = 27.2596e9 - 2048 * 400
    expected = clips * (recogniser + 3 * strided + boxes * person) / 1e9
    gmacs = float(next(line for line in printed if line.startswith("Flops: ")).split()[1])
    assert gmacs == pytest.approx(expected, abs=1.5e-4)


def test_a_detector_sees_whole_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_main("get_flops", [DETECTOR]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "Input shape: (1, 3, 4, 256, 340)" in printed
    assert f"Flops: {card(DETECTOR).gmacs_per_view} GMac" in printed


@pytest.mark.parametrize(
    ("options", "slots", "persons"),
    [([], 300, 1), (["--boxes", "3", "--cfg-options", "bank.seconds=8"], 40, 3)],
)
def test_a_feature_bank_is_read_around_each_clip(
    capsys: pytest.CaptureFixture[str], options: list[str], slots: int, persons: int
) -> None:
    assert tool_main("get_flops", [WITH_BANK, *options]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"Features of the bank around each clip: {slots}" in printed
    assert "Params: 36.0434 M" in printed
    window = slots * (2048 * 512 + 2 * 2 * 512 * 512)  # narrowed; keys and values of two layers
    person = 2048 * 512 + 2 * (2 * 512 * 512 + 2 * slots * 512) + (2560 - 2048) * 81
    plain = card(DETECTOR).gmacs_per_view
    assert plain is not None
    pooled = 8 * 8 * 16 * 22 * 2048 + 2048 * 81  # what more persons cost any detector
    expected = plain + (window + persons * person + (persons - 1) * pooled) / 1e9
    gmacs = float(next(line for line in printed if line.startswith("Flops: ")).split()[1])
    assert gmacs == pytest.approx(expected, abs=1.5e-4)


def test_a_recipe_of_feature_banks_costs_what_its_detector_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tool_main("get_flops", ["slowonly-lfb-infer_r50_ava21-rgb.py"]) == 0
    filling = capsys.readouterr().out
    assert tool_main("get_flops", [DETECTOR]) == 0
    assert filling == capsys.readouterr().out


def test_height_and_width_may_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_main("get_flops", [SLOWONLY, "--shape", "340", "256"]) == 0
    assert "Input shape: (1, 3, 4, 340, 256)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([SLOWONLY, "--shape", "1", "3", "224", "224"], "no shape of four numbers"),
        ([SLOWONLY, "--shape", "0"], "each above 0"),
        ([DETECTOR, "--boxes", "-1"], "--boxes must be a whole number from 0 to 10000, not -1"),
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


def test_the_published_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("analysis/get_flops.py", SLOWONLY) == 0
    assert "Flops: 27.2596 GMac" in capsys.readouterr().out
