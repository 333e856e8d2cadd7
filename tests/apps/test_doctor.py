"""``praxiscope data doctor`` as a person meets it: the table, the JSON, the exit status."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from praxiscope.cli import main
from praxiscope.data.ava_lists import AvaList
from tests.data.tiny_ava import LINES, write_tiny_ava

RECIPE = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    return write_tiny_ava(tmp_path)


def by_files(ava: AvaList, *more: str) -> list[str]:
    """Return the command for a list of one's own."""
    flags = [
        *("annotations", "root", "excluded", "label_map", "proposals", "num_classes"),
        *("fps", "first_timestamp", "last_timestamp"),
    ]
    given = [(f"--{flag.replace('_', '-')}", str(getattr(ava, flag))) for flag in flags]
    return ["data", "doctor", *(text for pair in given for text in pair), *more]


def by_recipe(ava: AvaList, val: AvaList, *more: str) -> list[str]:
    """Return the command for a published recipe on these lists."""
    flags = ("annotations", "root", "excluded", "label_map", "proposals", "num_classes")
    changes = [
        f"{split}.{flag}={getattr(one, flag)}"
        for split, one in (("train", ava), ("val", val))
        for flag in (*flags, "fps", "first_timestamp", "last_timestamp")
    ]
    return ["data", "doctor", RECIPE, "--cfg-options", *changes, *more]


def test_a_dataset_in_order_exits_with_0(
    ava: AvaList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(by_files(ava, "--json", str(tmp_path / "out.json"))) == 0
    shown = capsys.readouterr().out
    assert "0 errors, 0 warnings. Ready to train." in shown
    assert "labels that are no class" in shown
    assert json.loads((tmp_path / "out.json").read_text())["errors"] == 0


def test_warnings_exit_with_0(ava: AvaList, capsys: pytest.CaptureFixture[str]) -> None:
    with ava.annotations.open("a") as file:
        file.write(LINES.splitlines()[0] + "\n")
    assert main(by_files(ava)) == 0
    assert "0 errors, 1 warning. Ready to train." in capsys.readouterr().out


def test_errors_exit_with_1_and_are_written_as_json(
    ava: AvaList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ava.annotations.open("a") as file:
        file.write("b,0012,20,30,60,80,1,1\nb,0012,[red]x,30,60,80,1,1\n")
    assert main(by_files(ava, "--json", str(tmp_path / "out.json"))) == 1
    assert "2 errors, 0 warnings. Training would stop" in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["errors"] == 2
    errors = [one for one in written["lists"]["list"] if one["severity"] == "error"]
    assert {one["what"]: one["count"] for one in errors} == {
        "malformed lines": 1,
        "boxes in pixels: coordinates below -1 or above 2": 1,
    }
    assert "[red]x" in errors[0]["example"]


def test_the_lists_of_a_recipe_are_examined_each_and_together(
    ava: AvaList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val = write_tiny_ava(tmp_path / "val", LINES.replace("a,", "c,").replace("b,", "d,"), "cd")
    out = tmp_path / "out.json"
    assert main(by_recipe(ava, val, "--json", str(out))) == 0
    assert list(json.loads(out.read_text())["lists"]) == ["train", "val", "together"]
    val = replace(val, annotations=tmp_path / "no.csv")
    assert main(by_recipe(ava, val)) == 1
    assert main(by_recipe(ava, val, "--split", "train")) == 0
    assert "val" not in capsys.readouterr().out.rpartition("train:")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a detection recipe, or at least --annotations and --root"),
        (["--annotations", "x.csv"], "give a detection recipe, or at least"),
        (["--annotations", "x.csv", "--root", ".", "--split", "val"], "none is given"),
        (["--annotations", "x.csv", "--root", ".", "--label-base", "2"], "label_base must be"),
        ([RECIPE, "--first-timestamp", "3"], "--first-timestamp describes a list by its files"),
        ([RECIPE, "--videos", "0"], "--videos must be a whole number"),
        (["slowonly_r50_4x16x1_256e_kinetics400_rgb"], "is a recipe of recognition"),
        (["nothing"], "there is no recipe 'nothing'"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "doctor", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_list_of_any_length_of_video_can_be_given(ava: AvaList) -> None:
    assert main([*by_files(ava), "--last-timestamp", "none", "--single-label"]) == 1
