from pathlib import Path

import pytest

from praxiscope.errors import RecipeError
from praxiscope.recipe import BankRecipe, configs_folder, find_recipe, load_recipe
from praxiscope.zoo.cards import cards, recipes_without_weights

SLOWONLY = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
PATH = f"configs/recognition/slowonly/{SLOWONLY}.py"
FOLDERS = ("recognition", "detection")
RECIPES = sorted(path for name in FOLDERS for path in (configs_folder() / name).rglob("*.py"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_published_recipe_fits_together(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.model.num_classes == recipe.train.num_classes == recipe.val.num_classes
    if not isinstance(recipe, BankRecipe):
        assert recipe.optim.batch == 8 * recipe.videos_per_device
    assert recipe.model.channels == (2 if recipe.train.kind == "flow" else 3)
    assert path.stem in (recipe_docstring := path.read_text().split('"""')[1])
    assert "Published:" in recipe_docstring and "arXiv" in recipe_docstring


def test_every_published_recipe_has_a_card() -> None:
    with_mini_kinetics = {path for path in RECIPES if path.parent.name == "omnisource"}
    without = {path for path in recipes_without_weights() if path.parent.name == "lfb"}
    assert len(without) == 3  # the mean of a bank, and the two that fill banks
    assert set(RECIPES) - with_mini_kinetics - without <= {card.recipe for card in cards()}


@pytest.mark.parametrize("name", [SLOWONLY, f"{SLOWONLY}.py", PATH, configs_folder().parent / PATH])
def test_a_recipe_is_found_by_name_and_by_path_from_any_folder(
    name: str | Path, workdir: Path
) -> None:
    assert find_recipe(name).name == f"{SLOWONLY}.py"


def test_a_detection_recipe_is_found_where_a_document_links_it(workdir: Path) -> None:
    name = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"
    lies = configs_folder() / f"detection/slowonly/{name}.py"
    assert find_recipe(f"configs/detection/ava/{name}.py") == lies
    assert find_recipe(f"configs/detection/slowonly/{name}.py") == lies == find_recipe(name)
    slowfast = "slowfast_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"
    with pytest.raises(RecipeError, match="no recipe"):
        find_recipe(f"configs/detection/ava/{slowfast}.py")


def test_a_file_name_with_hyphens_loads(tmp_path: Path) -> None:
    path = tmp_path / "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb.py"
    path.write_text(find_recipe(SLOWONLY).read_text())
    assert load_recipe(path) == load_recipe(SLOWONLY)


def test_overrides_replace_nested_fields_and_keep_the_rest() -> None:
    recipe = load_recipe(
        SLOWONLY,
        [
            "optim.lr=0.05",
            "optim.clip_norm=None",
            "train.root=/videos",
            "metrics=['top_k_accuracy']",
        ],
    )
    assert (recipe.optim.lr, recipe.optim.clip_norm, recipe.optim.batch) == (0.05, None, 64)
    assert recipe.train.root == Path("/videos")
    assert recipe.metrics == ("top_k_accuracy",)


def test_the_order_of_overrides_does_not_matter() -> None:
    changes = ["test_views.size=320", "test_views.short_side=340"]
    assert load_recipe(SLOWONLY, changes) == load_recipe(SLOWONLY, changes[::-1])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=0.05", r"Recipe.optim has no field 'lrr'. Did you mean 'lr'\?"),
        ("schedul.epochs=1", r"Recipe has no field 'schedul'. Did you mean 'schedule'\?"),
        ("optim.lr=fast", r"Recipe.optim.lr=fast: .*valid number"),
        ("optim.lr.x=1", r"Recipe.optim.lr is 0.1: it has no field 'x'"),
        ("optim", r"expected field=value"),
        ("model.depth=50.5", r"Recipe.model.depth=50.5: .*integer"),
        ("test_views.crops=2", r"Views.crops"),
        ("schedule.epochs=-1", r"Cosine.epochs"),
        ("optim.lr=0", r"Sgd.lr must be above 0"),
        ("loader.videos_per_device=0", r"Loader.videos_per_device"),
        ("average=mean", r"Recipe.average=mean: .*'prob'"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(SLOWONLY, [override])


@pytest.mark.parametrize("wrong", [f"{SLOWONLY}x", PATH.replace("4x16x1", "4x16"), "slowonlyr50"])
def test_a_misspelt_recipe_is_an_error(wrong: str) -> None:
    with pytest.raises(RecipeError, match=f"no recipe '{wrong}'"):
        load_recipe(wrong)


def test_a_misspelt_recipe_names_the_nearest_one() -> None:
    with pytest.raises(RecipeError, match=f"Did you mean '{SLOWONLY}'"):
        load_recipe(f"configs/recognition/slowonly/{SLOWONLY[:-4]}_rg.py")


@pytest.mark.parametrize(
    ("older", "nearest"),
    [
        ("lfb_nl_kinetics_pretrained_slowonly_r50_4x16x1_20e_ava_rgb", "slowonly-lfb-nl_kinetics"),
        ("lfb_max_kinetics_pretrained_slowonly_r50_4x16x1_20e_ava_rgb", "slowonly-lfb-max_kinet"),
        ("lfb_avg_kinetics_pretrained_slowonly_r50_4x16x1_20e_ava_rgb", "slowonly-lfb-avg_kinet"),
        ("lfb_slowonly_r50_ava_infer.py", "slowonly-lfb-infer_r50_ava21-rgb"),
        ("slowonly-lfb-avg", "slowonly-lfb-avg_kinetics400-pretrained-r50"),
    ],
)
def test_an_older_name_or_its_beginning_leads_to_the_recipe(older: str, nearest: str) -> None:
    with pytest.raises(RecipeError, match=rf"no recipe '{older}'. Did you mean '{nearest}"):
        find_recipe(older)


def test_a_published_name_below_another_folder_is_not_found() -> None:
    with pytest.raises(RecipeError, match="no recipe 'configs/detection/"):
        find_recipe(f"configs/detection/{SLOWONLY}.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no function recipe"),
        ("def recipe(): return 3", r"returns int, not a Recipe"),
        ("import nowhere_to_be_found", "cannot be run: ModuleNotFoundError"),
        ("def recipe(:", "cannot be run: SyntaxError"),
        ("def recipe():\n    return int(base=3.5)", r"TypeError: .* \(line 2\)"),
    ],
)
def test_a_file_that_is_no_recipe_says_so(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)
