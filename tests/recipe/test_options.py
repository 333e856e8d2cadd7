"""Parts of a recipe that are off until something asks for them."""

from dataclasses import replace

import pytest

from praxiscope.errors import RecipeError
from praxiscope.recipe import Loader, Multigrid, PreciseBn, load_recipe

PLAIN = "slowonly_r50_8x8x1_256e_kinetics400_rgb"


def test_a_field_of_an_option_turns_it_on_with_its_other_defaults() -> None:
    recipe = load_recipe(PLAIN, ["precise_bn.batches=50", "multigrid.long_cycles=(0, 8)"])
    assert recipe.precise_bn == PreciseBn(batches=50)
    assert recipe.multigrid == Multigrid(long_cycles=(0, 8))


def test_an_option_can_be_given_as_a_whole_and_turned_off() -> None:
    recipe = load_recipe(PLAIN, ["precise_bn={'batches': 50, 'every': 2}"])
    assert recipe.precise_bn == PreciseBn(batches=50, every=2)
    example = "slowfast_r50_multigrid_8x8x1_kinetics400_rgb"
    assert load_recipe(example, ["multigrid=None"]).multigrid is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "precise_bn.batchs=50",
            r"Recipe.precise_bn has no field 'batchs'. Did you mean 'batches'",
        ),
        (
            "precise_bn={'batchs': 50}",
            r"Recipe.precise_bn=.*: Unexpected keyword argument 'batchs'",
        ),
        ("test.root=videos", r"Recipe.test is None: it has no field 'root'"),
        ("precise_bn.every=0", r"PreciseBn.every must be a whole number of at least 1"),
        ("loader.class_balance=2", r"Loader.class_balance must be a number from 0 to 1"),
        ("label_smoothing=1", r"Recipe.label_smoothing must be from 0 to below 1"),
        ("frozen_stages=7", r"Recipe.frozen_stages"),
    ],
)
def test_an_option_that_cannot_be_says_why(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(PLAIN, [override])


def test_classes_of_videos_with_several_labels_cannot_be_balanced() -> None:
    recipe = load_recipe(PLAIN)
    recipe = replace(recipe, train=replace(recipe.train, multi_label=True))
    with pytest.raises(RecipeError, match="class_balance needs one label a video"):
        replace(recipe, loader=Loader(class_balance=0.5))
