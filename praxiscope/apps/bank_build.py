"""Filling feature banks from the command line: ``praxiscope bank build``, and ``test``.

Imports are light: the command line shows the options of every command.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.printing import print_line
from praxiscope.errors import PraxiscopeError, RecipeError

if TYPE_CHECKING:
    from praxiscope.banks.bank import Bank
    from praxiscope.models.detector import Detector
    from praxiscope.recipe import BankRecipe


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``praxiscope bank build``."""
    add = parser.add_argument
    add("recipe", help="a recipe of a bank or of detection: a file, or a published name")
    add("checkpoint", help="weights of its detector: a file, or a published checkpoint's name")
    add(
        "--mode",
        choices=("train", "val"),
        help="whose bank: of the training or the validation list (default: the recipe's, or train)",
    )
    add("--out", type=Path, metavar="BANK", help="the bank's file (default: the recipe's)")
    add(
        "--dtype",
        choices=("float16", "float32"),
        help="what is stored (default: the recipe's, or float16)",
    )
    add("--skip-broken", action="store_true", help="leave out what cannot be decoded, and list it")
    add("--gpus", type=int, help="devices of this machine (default: all GPUs)")
    add("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    add("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    add_cfg_options(parser)


def build(args: argparse.Namespace) -> int:
    """Fill the bank, or go on with it."""
    from praxiscope.recipe import BankRecipe, Recipe, bank_recipe_of, load_recipe

    recipe = load_recipe(args.recipe, args.cfg_options)
    if isinstance(recipe, Recipe):
        raise RecipeError(
            f"{args.recipe} is a recipe of recognition: a bank is of persons, so give one of "
            "detection."
        )
    out: Path | None = args.out
    if out is not None and out.suffix != ".safetensors":
        raise PraxiscopeError(f"--out {out}: a bank is a .safetensors file; name one.")
    if not isinstance(recipe, BankRecipe):
        if out is None and recipe.bank is None:
            raise PraxiscopeError(f"{args.recipe} does not say where its bank goes: give --out.")
        if out is None and recipe.bank is not None:
            out = recipe.bank.val if args.mode == "val" else recipe.bank.train
        recipe = bank_recipe_of(recipe)
    recipe = replace(
        recipe,
        dataset_mode=args.mode or recipe.dataset_mode,
        dtype=args.dtype or recipe.dtype,
    )
    path = out or recipe.path
    outputs = recipe.model.num_classes  # of a classifier that is not used: any number will do
    _fill(args, args.recipe, recipe, path, work_dir=path.parent, num_classes=outputs)
    return 0


def test_bank(args: argparse.Namespace, recipe: "BankRecipe") -> int:
    """Fill a recipe's bank and print the mAP of what is in it, as the published command does."""
    from praxiscope.apps.test_outputs import check_outputs, show_detections
    from praxiscope.engine.bank_scores import score_bank
    from praxiscope.engine.detection_data import check_classes_counted, check_num_classes

    for option, given in (
        ("--average-clips", args.average_clips is not None),
        ("--fuse-conv-bn", args.fuse_conv_bn),
        (f"--eval {' '.join(args.eval or ())}", set(args.eval or ()) - {"mAP"}),
    ):
        if given:
            raise PraxiscopeError(f"{option} has no meaning where a feature bank is filled.")
    check_outputs(args.out, args.dump)
    check_num_classes(recipe.list, recipe.model)
    check_classes_counted(recipe.list)
    filled = _fill(args, args.config, recipe, recipe.path, work_dir=args.work_dir)
    if filled is None:
        return 0
    model, bank = filled
    show_detections(
        Console(),
        score_bank(model, bank, recipe.list),
        recipe.list,
        min_score=recipe.min_score,
        protocol=recipe.protocol,
        out=args.out,
        dump=args.dump,
    )
    return 0


def _fill(
    args: argparse.Namespace,
    name: str,
    recipe: "BankRecipe",
    path: Path,
    *,
    work_dir: Path,
    num_classes: int | None = None,
) -> "tuple[Detector, Bank] | None":
    """Fill a bank and say how that went; None in processes that are not the main one.

    ``num_classes``: see :func:`praxiscope.zoo.create.load_model`.
    """
    from praxiscope.engine.bank_filling import FillOptions, bank_metadata, fill_bank
    from praxiscope.engine.trainer import Devices
    from praxiscope.recipe import find_recipe
    from praxiscope.zoo.create import find_checkpoint, load_model

    file = find_checkpoint(args.checkpoint, name)
    if path.resolve() == file.resolve():
        raise PraxiscopeError(f"{path} is the checkpoint itself: name another place for the bank.")
    model, report = load_model(recipe.model, file, num_classes=num_classes, clip=recipe.clip)
    options = FillOptions(
        skip_broken=args.skip_broken,
        work_dir=work_dir,
        devices=Devices(count=args.gpus, launcher=args.launcher),
    )
    metadata = bank_metadata(recipe, find_recipe(name).stem, file)
    filled = fill_bank(model, recipe, path, options, metadata=metadata)
    if not filled.is_main_process:
        return None
    console, bank = Console(), filled.bank
    print_line(console, str(report))
    print_line(
        console,
        f"{path}: {bank.num_rows:,} features of {bank.num_videos:,} videos, of {bank.channels:,} "
        f"channels, {bank.dtype}",
    )
    rate = filled.key_frames / max(filled.seconds, 1e-9)
    print_line(
        console,
        f"{filled.key_frames:,} key frames in {filled.seconds:,.1f} s, {rate:,.1f} a second; the "
        f"network worked for {filled.model_share:.0%} of the time"
        if filled.key_frames
        else "it was finished before: nothing was left to do",
    )
    return model, bank
