"""The shapes of a multigrid run, against the numbers of the paper and of its released code."""

from dataclasses import replace

import pytest

from praxiscope.data.multigrid import Grid
from praxiscope.errors import RecipeError
from praxiscope.recipe import Multigrid, Recipe, load_recipe

FULL = (32, 224)
EXAMPLE = "slowfast_r50_multigrid_8x8x1_kinetics400_rgb"


def test_a_long_cycle_has_the_published_shapes_and_batches() -> None:
    multigrid = Multigrid(long_cycles=(2, 10), short_cycle=False)
    shapes = [multigrid.long_grid(epoch, *FULL) for epoch in range(12)]
    cycle = [Grid(8, 158, 8), Grid(16, 158, 4), Grid(16, 224, 2), Grid(32, 224, 1)]
    assert shapes[2:10] == [grid for grid in cycle for _ in range(2)]
    assert shapes[:2] == shapes[10:] == [Grid(32, 224, 1)] * 2


def test_a_short_cycle_has_the_published_shapes_and_batches() -> None:
    multigrid = Multigrid()
    shapes = [multigrid.grid(5, step, *FULL) for step in range(4)]
    cycle = [Grid(32, 112, 4), Grid(32, 158, 2), Grid(32, 224, 1)]
    assert shapes == [*cycle, cycle[0]]


def test_both_cycles_together_pass_the_list_as_often_as_published() -> None:
    # The released code's average batches over a short cycle: 32/3, 16/3, 14/3, 7/3.
    multigrid = Multigrid(long_cycles=(0, 4))
    videos = [sum(multigrid.grid(e, s, *FULL).videos for s in range(3)) for e in range(5)]
    assert videos == [32, 16, 14, 7, 7]


def test_the_example_comes_to_the_published_number_of_passes() -> None:
    recipe = load_recipe(EXAMPLE)
    assert recipe.multigrid is not None
    passes = sum(
        recipe.multigrid.grid(epoch, step, *FULL).videos / 3
        for epoch in range(recipe.schedule.epochs)
        for step in range(3)
    )
    assert passes == pytest.approx(358, rel=0.02)


@pytest.mark.parametrize("wrong", [(5,), (0, 3), (0, 8, 4), (-1, 8)])
def test_cycles_that_cannot_be_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match="Multigrid.long_cycles must be"):
        Multigrid(long_cycles=wrong)


def test_clips_that_cannot_be_shortened_are_refused() -> None:
    recipe = load_recipe(EXAMPLE)

    def with_frames(frames: int) -> Recipe:
        return replace(recipe, clip=replace(recipe.clip, frames=frames))

    assert with_frames(16).clip.frames == 16  # a quarter is what the slow pathway strides over
    with pytest.raises(RecipeError, match="shorten clips of 8 frames to 2; this network takes m"):
        with_frames(8)
    with pytest.raises(RecipeError, match="of 24 frames to 6"):
        with_frames(24)
