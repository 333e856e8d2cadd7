"""Multiply-adds and parameters of a recipe's network."""

import argparse

import torch

from praxiscope.apps.options import add_cfg_options
from praxiscope.checks import check_whole
from praxiscope.errors import PraxiscopeError
from praxiscope.models.complexity import complexity
from praxiscope.recipe import AnyRecipe, DetectionRecipe, Recipe, load_recipe
from praxiscope.zoo.cards import view_shape

Shape = tuple[int, ...]
MOST_BOXES = 10_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags."""
    add = parser.add_argument
    add("config", help="the recipe")
    add(
        "--shape",
        type=int,
        nargs="+",
        metavar="N",
        help="of the input: SIZE, or HEIGHT WIDTH, with the recipe's channels and frames; or all "
        "of BATCH CHANNELS FRAMES HEIGHT WIDTH (default: one view of the recipe's test; of "
        "detection frames of 256 x 340)",
    )
    add("--boxes", type=int, default=1, help="persons in each clip, of detection (default: 1)")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the shape, the multiply-adds and the parameters."""
    check_whole(args.boxes, "--boxes", least=0, most=MOST_BOXES)
    recipe = load_recipe(args.config, args.cfg_options)
    shape = input_shape(recipe, args.shape)
    with torch.device("meta"):
        model = recipe.model.build()
    bank = recipe.bank if isinstance(recipe, DetectionRecipe) else None
    slots = 0 if bank is None else bank.slots
    try:
        found = complexity(model, shape, boxes=args.boxes, slots=slots)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise PraxiscopeError(
            f"the network of {args.config} cannot take an input of {_text(shape)} (batch, channels,"
            f" frames, height, width): {reason}. Give another --shape."
        ) from error
    line = "=" * 30
    print(f"{line}\nInput shape: {shape}")
    if not isinstance(recipe, Recipe):
        print(f"Boxes in each clip: {args.boxes}")
    if bank is not None:
        print(f"Features of the bank around each clip: {slots}")
    print(f"Flops: {found.gmacs:.4f} GMac\nParams: {found.parameters / 1e6:.4f} M\n{line}")
    print("Multiply-adds of convolutions and matrix products; nothing else is counted.")
    return 0


def input_shape(recipe: AnyRecipe, given: list[int] | None) -> Shape:
    """Return (batch, channels, frames, height, width) of one, two, five or no numbers.

    Raises:
        PraxiscopeError: There are others, or one is not above 0.
    """
    channels, frames, *size = view_shape(recipe)
    numbers = given or size
    if len(numbers) not in (1, 2, 5) or min(numbers) < 1:
        raise PraxiscopeError(
            f"--shape {_text(numbers, ' ')}: expected SIZE, HEIGHT WIDTH, or all of BATCH CHANNELS "
            "FRAMES HEIGHT WIDTH, each above 0. Networks of clips have no shape of four numbers."
        )
    if len(numbers) == 5:
        return tuple(numbers)
    return 1, channels, frames, numbers[0], numbers[-1]


def _text(numbers: list[int] | Shape, sign: str = "x") -> str:
    return sign.join(map(str, numbers))
