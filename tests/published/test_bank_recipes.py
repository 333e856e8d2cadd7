"""The recipes of feature banks against the facts of the published configs.

``banks.json.gz`` holds the merged values of both. One of them was published with the training list
and the other with the one to validate on; here each fills that of the training list until
``dataset_mode=val`` asks for the other, as the document of the published models says.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.boxes import WHOLE_FRAME
from praxiscope.models.conventions import RGB
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankRecipe, find_recipe, load_recipe
from tests.published.test_detection_recipes import files

CONFIGS: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "banks.json.gz").read_bytes())
)
every_config = pytest.mark.parametrize("name", sorted(CONFIGS))
BASELINE = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"


def loaded(name: str, *options: str) -> tuple[BankRecipe, Any]:
    return load_recipe(name, options, kind=BankRecipe), CONFIGS[name]


@every_config
def test_the_network_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    head, backbone = config["roi_head"]["bbox_head"], config["backbone"]
    assert (backbone["type"], backbone["spatial_strides"]) == ("ResNet3dSlowOnly", [1, 2, 2, 1])
    network = SlowOnly(
        depth=backbone["depth"], num_classes=head["num_classes"], dropout=head["dropout_ratio"]
    )
    assert recipe.model == ActorDetector(network=network) == load_recipe(BASELINE).model
    assert recipe.model.feature_channels == head["in_channels"]
    assert config["normalise"] == {"mean": list(RGB.mean), "std": list(RGB.std)}
    clip = {"clip_len": recipe.clip.frames, "frame_interval": recipe.clip.stride}
    assert (clip, recipe.test_transform) == (config["clip"], WHOLE_FRAME)


@every_config
def test_the_bank_lies_where_the_published_one_did_and_holds_halves(name: str) -> None:
    head = CONFIGS[name]["roi_head"]["shared_head"]
    folder = Path(head["lfb_prefix_path"])
    for mode in ("train", "val"):
        recipe, _ = loaded(name, f"dataset_mode={mode}")
        assert recipe.path == folder / f"lfb_{mode}.safetensors"
        assert (recipe.dtype == "float16") == head["use_half_precision"]
    assert loaded(name)[0].dataset_mode == "train"


@every_config
def test_the_list_of_the_published_mode_is_the_published_one(name: str) -> None:
    mode = CONFIGS[name]["roi_head"]["shared_head"]["dataset_mode"]
    recipe, config = loaded(name, f"dataset_mode={mode}")
    published = config["test_dataloader"]["dataset"]
    assert files(recipe.list) == {
        **{k: v for k, v in published.items() if k.endswith("_file")},
        "img": published["data_prefix"]["img"],
    }
    assert {recipe.train.min_score, recipe.val.min_score} == {published["person_det_score_thr"]}
    assert (recipe.list.kind, recipe.list.convention) == ("frames", "1.x")
    counted = {k: v for k, v in files(recipe.list).items() if k in config["evaluate"]}
    least = config["evaluate"].get("action_thr", 0.002)
    assert counted == {k: v for k, v in config["evaluate"].items() if k.endswith("_file")}
    assert (recipe.protocol, recipe.min_score) == ("reference-1.x", least)


def test_the_other_mode_has_the_other_list_of_the_baseline() -> None:
    baseline = load_recipe(BASELINE)
    for name in CONFIGS:
        recipe, _ = loaded(name)
        assert (recipe.train, recipe.val) == (baseline.train, baseline.val)
        assert recipe.list == baseline.train
        assert loaded(name, "dataset_mode=val")[0].list == baseline.val


@every_config
def test_a_recipe_is_found_by_its_bare_file_name(name: str, workdir: Path) -> None:
    path = CONFIGS[name]["path"]
    for spelt in (name, f"{name}.py", path, f"./{path}"):
        assert find_recipe(spelt).as_posix().endswith(path)
    assert load_recipe(f"{name}.py", ["dataset_mode=val"]).list.annotations.name == (
        "ava_val_v2.1.csv"
    )


@every_config
def test_the_docstring_has_the_commands(name: str) -> None:
    docstring = find_recipe(name).read_text().split('"""')[1]
    path = CONFIGS[name]["path"]
    assert f"Run:       python tools/test.py\n               {path}\n" in docstring
    (twin,) = CONFIGS.keys() - {name}
    for part in ("--eval mAP", "--cfg-options dataset_mode=val", twin, "Published:", "arXiv"):
        assert part in docstring
