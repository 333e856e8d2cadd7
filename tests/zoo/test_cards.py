import math
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.errors import CheckpointError, DataError, RecipeError
from praxiscope.models.complexity import Complexity, complexity
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Recipe, load_recipe
from praxiscope.zoo.cards import (
    card,
    cards,
    class_names,
    fetch_published,
    list_models,
    read_label_map,
    recipes_without_weights,
    view_shape,
)
from praxiscope.zoo.download import expected_digest
from tests.parity.test_detection import figures

DETECTION = set(range(38, 63))
FUSION = 23  # of the scores of two other rows


def test_all_published_rows_have_a_card() -> None:
    assert [one.row for one in cards()] == list(range(1, 63))
    assert len({one.config for one in cards() if one.config_path}) == 55
    for one in cards():
        assert one.accuracies and all(15 < value < 100 for value in one.accuracies.values())
        assert set(one.accuracies) == {"mAP"} if one.row in DETECTION else one.top1 is not None


def test_every_checkpoint_has_the_digest_it_is_checked_with() -> None:
    for one in cards():
        if one.row == FUSION:
            assert one.checkpoint_url is None
        else:
            assert expected_digest(f"{one.name}.pth") is not None


def test_every_row_has_its_recipe() -> None:
    for one in cards():
        if one.recipe:
            assert one.config_path and one.recipe.as_posix().endswith(one.config_path)
    assert {one.row for one in cards() if not one.recipe} == {FUSION}


@lru_cache
def cost(entry: SlowOnly | SlowFast | ActorDetector, shape: tuple[int, ...]) -> Complexity:
    with torch.device("meta"):
        model = entry.build()
    return complexity(model, (1, *shape))


@pytest.mark.parametrize("config", list_models())
def test_cost_and_views_on_a_card_are_those_of_the_recipe(config: str) -> None:
    recipe = load_recipe(config)
    shape = view_shape(recipe)
    found = cost(recipe.model, shape)
    if isinstance(recipe, Recipe):
        views = recipe.test_views
        clips = views.clips * (2 if views.twice else 1)
        in_words = f"{clips}x{views.crops}x{recipe.clip.frames}x{views.size}"
    else:
        in_words = f"{recipe.clip.frames}x256x340"
    for one in cards():
        if one.config == config:
            assert one.parameters == found.parameters
            assert (one.gmacs_per_view, one.views) == (round(found.gmacs, 4), in_words)


@pytest.mark.parametrize("row", sorted(DETECTION))
def test_parameters_of_detectors_are_those_of_the_reference(row: int) -> None:
    one = cards()[row - 1]
    weights = {
        name: shape
        for name, shape in figures(one.config)["state_dict"].items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    assert one.parameters == sum(math.prod(shape) for shape in weights.values())


def test_published_figures_are_numbers() -> None:
    one = card("slowfast_r50_8x8x1_256e_kinetics400_rgb")
    assert (one.top1, one.top5, one.gpu_mem_mib) == (76.94, 92.8, 9062)
    assert one.videos_per_second == "1.3 ((32+8)x10x3 frames)"
    assert one.name == "slowfast_r50_8x8x1_256e_kinetics400_rgb_20200716-73547d2b"
    assert one.resolution == "short-side 320"
    assert one.pretrain is None
    assert card("slowonly_r50_4x16x1_256e_kinetics400_flow").pretrain == "ImageNet"


def test_a_recipe_stands_for_its_best_row_and_a_checkpoint_for_its_own() -> None:
    name = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
    assert (card(name).top1, card(name).row) == (73.02, 4)
    assert card(f"configs/recognition/slowonly/{name}.py") == card(name)
    assert card(Path("configs") / f"{name}.py") == card(name)
    assert card("slowonly_r50_256p_4x16x1_256e_kinetics400_rgb_20200820-bea7701f").row == 1
    assert card(card(name).checkpoint_url) == card(name)


def test_a_recipe_of_detection_stands_for_its_best_row() -> None:
    one = card("slowonly_k700-pre-r50_8xb8-8x8x1-10e_ava-kinetics-rgb")
    assert (one.row, one.accuracies) == (56, {"mAP": 27.82})
    assert one.name.endswith("_20221205-16a01c37")
    name = "slowfast_r50-k400-pre-temporal-max-focal-alpha3-gamma1_8xb6-8x8x1-cosine-10e_ava22-rgb"
    assert card(f"configs/detection/slowfast/{name}.py").row == 47


def test_the_fusion_has_figures_but_no_weights(tmp_path: Path) -> None:
    fusion = card("1: 1 Fusion")
    assert fusion.accuracies == {"top-1": 83.7, "mean class": 74.8}
    with pytest.raises(CheckpointError, match="joins the scores of other rows"):
        fetch_published(fusion, tmp_path)


def test_the_flow_row_is_found_under_both_of_its_names() -> None:
    assert card("slowonly_r50_8x8x1_196e_kinetics400_flow").row == 11
    assert card("slowonly_r50_8x8x1_256e_kinetics400_flow").row == 11


def test_a_misspelt_name_guesses_the_right_one() -> None:
    with pytest.raises(RecipeError, match=r"no 'slowfast_r50_8x8x1_256_kinetics400_rgb'. Did you"):
        card("slowfast_r50_8x8x1_256_kinetics400_rgb")


def test_recipes_without_weights_are_those_that_no_row_names() -> None:
    names = [path.stem for path in recipes_without_weights("*lfb*")]
    assert names == [
        "slowonly-lfb-avg_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb",
        "slowonly-lfb-infer_r50_ava21-rgb",
        "slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb",
    ]
    for name in (names[0], f"configs/detection/lfb/{names[1]}.py"):
        with pytest.raises(RecipeError, match="has no weights of 'slowonly-lfb-.*': give a check"):
            card(name)


def test_models_are_listed_by_pattern() -> None:
    names = list_models("slowfast*")
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 14
    assert set(list_models()) == {one.config for one in cards() if one.recipe}
    assert list_models("x3d*") == []
    assert {one.config for one in cards("*flow")} == set(list_models("*flow"))


NAMES = ("dancing 2", "massaging person's head", "playing squash or racquetball", "rope (2)", "7")


@pytest.mark.parametrize(
    "line", ["{name} {i}", "{i} {name}", "{i}\t{name}", "{name},{i}", "'{name}' {i}"]
)
@pytest.mark.parametrize("first", [0, 1])
def test_a_label_map_reads_in_both_orders(tmp_path: Path, line: str, first: int) -> None:
    path = tmp_path / "labels.txt"
    lines = [line.format(name=name, i=i) for i, name in enumerate(NAMES, first)]
    path.write_text("\n".join(reversed(lines)) + "\n\n")
    assert read_label_map(path) == NAMES


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9()']{0,5}( [a-z0-9()]{1,4}){0,3}[a-z)]", fullmatch=True))
)
def test_any_names_survive_a_label_map(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    if names:
        path.write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
        assert read_label_map(path) == tuple(names)


@pytest.mark.parametrize(
    "text", ["", "a 0\nb 2\n", "a 0\nb 0\n", "a\nb\n", "<html>\n", "0\n1\n", "a 5\nb 6\n"]
)
def test_a_damaged_label_map_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"labels.txt is no label map"):
        read_label_map(path)


def test_a_label_map_of_bytes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text file"):
        read_label_map(tmp_path / "labels.txt")


def test_class_names_come_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "kinetics_class2ind.txt").write_text("abseiling 0\nair drumming 1\n")
    one = card("slowonly_r50_4x16x1_256e_kinetics400_rgb")
    assert class_names(one, tmp_path) == ("abseiling", "air drumming")
    assert class_names(card("slowonly_r50_video_8x8x1_256e_kinetics600_rgb"), tmp_path) is None


def test_the_actions_of_ava_have_their_published_names(tmp_path: Path) -> None:
    text = 'label { name: "bend/bow" label_id: 1 label_type: PERSON_MOVEMENT }\n'
    text += 'label { name: "sit" label_id: 2 label_type: PERSON_MOVEMENT }\n'
    (tmp_path / "ava_action_list_v2.2.pbtxt").write_text(text)
    one = card("slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb")
    assert class_names(one, tmp_path) == ("bend/bow", "sit")
