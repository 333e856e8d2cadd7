import json
import subprocess
import sys
from pathlib import Path

import pytest

import praxiscope.recipe
from praxiscope.apps.tools.print_config import as_python
from praxiscope.cli import tool_main
from praxiscope.data import ava_lists, boxes, catalog, lists, sampling, transforms
from praxiscope.models import detector, losses, nonlocal3d, slowfast, slowonly
from praxiscope.recipe import DetectionRecipe, configs_folder, load_recipe

ROOT = Path(__file__).parents[3]
NAME = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
SLOWFAST = "slowfast_r50_4x16x1_256e_kinetics400_rgb"


@pytest.mark.parametrize("name", [NAME, SLOWFAST])
def test_what_is_printed_is_the_recipe_in_python(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = ["--cfg-options", "schedule.epochs=3", "train.root=a \"b' c"]
    assert tool_main("print_config", [name, *options]) == 0
    head, _, text = capsys.readouterr().out.partition("\n")
    assert head.startswith("# ") and Path(head[2:]).samefile(
        next(configs_folder().rglob(f"{name}.py"))
    )
    names = {"Path": Path}
    for module in (praxiscope.recipe, catalog, lists, sampling, transforms, slowfast, slowonly):
        names |= vars(module)
    assert eval(text, names) == load_recipe(name, options[1:])
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "name", [path.stem for path in sorted((configs_folder() / "detection").rglob("slow*.py"))[::5]]
)
def test_a_recipe_of_detection_is_printed_too(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = ["--cfg-options", "val.fps=15", "model.network.dropout=0.25"]
    assert tool_main("print_config", [name, *options]) == 0
    text = capsys.readouterr().out.partition("\n")[2]
    names = {"Path": Path, "DetectionRecipe": DetectionRecipe}
    for module in (praxiscope.recipe, ava_lists, boxes, sampling, slowfast, slowonly):
        names |= vars(module)
    names |= vars(detector) | vars(losses) | vars(nonlocal3d)
    assert eval(text, names) == load_recipe(name, options[1:])
    assert tool_main("print_config", [name, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["class"], content["train"]["class"]) == ("DetectionRecipe", "AvaList")


def test_a_recipe_of_feature_banks_is_printed_too(capsys: pytest.CaptureFixture[str]) -> None:
    name, options = "slowonly-lfb-infer_r50_ava21-rgb.py", ["dataset_mode=val", "folder=banks"]
    assert tool_main("print_config", [name, "--options", *options]) == 0
    text = capsys.readouterr().out.partition("\n")[2]
    names = {"Path": Path, **vars(praxiscope.recipe), **vars(ava_lists), **vars(boxes)}
    found = eval(text, names | vars(sampling) | vars(slowonly) | vars(detector))
    assert found == load_recipe(name, options)
    assert found.path == Path("banks/lfb_val.safetensors")
    assert tool_main("print_config", [name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class"] == "BankRecipe"


def test_json_names_the_class_of_each_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_main("print_config", [NAME, "--options", "schedule.epochs=3", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["class"] == "Recipe" and content["model"]["class"] == "SlowOnly"
    assert content["schedule"]["epochs"] == 3
    assert content["train"]["root"] == "data/kinetics400/rawframes_train"


def test_the_published_command_runs_as_a_script() -> None:
    # In a process of its own, as the other tools' tests do not: they stand on the same few lines.
    script = [sys.executable, "tools/analysis/print_config.py", NAME]
    options = ["--options", "test_views.clips=2"]
    done = subprocess.run([*script, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "test_views=Views(clips=2, crops=3, size=256" in done.stdout


def test_an_unknown_field_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool_main("print_config", [NAME, "--cfg-options", "schedule.epoch=1"]) == 2
    error = capsys.readouterr().err
    assert "no field 'epoch'. Did you mean 'epochs'?" in error and error.count("\n") == 1


def test_containers_of_one_and_of_none_stay_what_they_are() -> None:
    for value in ((1,), (), [], {}, {"a": (None, True)}, ((1, 2.5), ("x",)), "a\n'b'"):
        assert eval(as_python(value)) == value
