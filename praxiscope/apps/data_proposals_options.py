"""Options of ``praxiscope data proposals``. Imports are light."""

import argparse
from pathlib import Path

from praxiscope.apps.options import add_cfg_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the action."""
    add = parser.add_argument
    add("recipe", nargs="?", help="a detection recipe: a file, or the name of a published one")
    add("--split", choices=("train", "val", "test"), help="which of its lists (default: val)")
    add_cfg_options(parser)
    add(
        "--videos",
        type=Path,
        metavar="FOLDER",
        help="instead of a recipe: all videos below a folder, a key frame a second",
    )
    add(
        "--fps",
        type=float,
        metavar="N",
        help="with --videos: their frames a second, as in the recipe to come (default: each "
        "video's own)",
    )
    add(
        "--first-timestamp",
        type=float,
        metavar="SECONDS",
        help="with --videos: the time of the first frame (default: 0)",
    )
    add(
        "--persons",
        required=True,
        metavar="PROVIDER",
        help="what finds the persons: torchvision, hf:ORG/NAME, hf:FOLDER, FILE.onnx, hog, a "
        "proposals file, frame, or auto: the best that is here",
    )
    add("--persons-weights", metavar="FILE", help="of torchvision's detector; 'random' for a trial")
    add(
        "--min-person-score",
        type=float,
        default=0.05,
        metavar="P",
        help="persons below are left out; lists choose among the rest (default: 0.05)",
    )
    add("--device", help="as in torch (default: a GPU if there is one)")
    add("--out", type=Path, required=True, metavar="FILE", help="a .pkl (as published), .npz, .csv")
    add(
        "--compare",
        type=Path,
        metavar="FILE",
        help="with a recipe: a proposals file whose recall is shown beside that of the new one",
    )
    add("--skip-broken", action="store_true", help="write the file without the broken videos")
    add("--overwrite", action="store_true", help="replace a file that is there")
    add("--dry-run", action="store_true", help="say what would be looked at, and write nothing")
