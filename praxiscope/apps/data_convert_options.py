"""Options of ``praxiscope data resize``, ``frames`` and ``flow``. Imports are light."""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

ACTIONS = {
    "resize": "Write smaller h264 copies of videos; without sound, every frame at its time.",
    "frames": "Write the frames of videos as numbered images, a folder each.",
    "flow": "Write the optical flow of videos as pairs of grey images, a folder each.",
}


def add_actions(actions: Any, formatter: type[argparse.HelpFormatter]) -> None:
    """Add the three actions to those of ``praxiscope data``."""
    for name, text in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=text,
            description=f"{text} Run again, it does what is missing. Exit status: 0 all there; "
            "1 some videos failed, which are listed; 2 wrong options, or the disk is full.",
            formatter_class=formatter,
            allow_abbrev=False,
        )
        add = action.add_argument
        add("source", metavar="SRC", help="a video, a folder of videos, or a .txt list of them")
        add("target", metavar="DST", type=Path, help="the folder that they go to, in their folders")
        add("--prefix", type=Path, default=Path(), help="the folder a list's paths are below (.)")
        add("--workers", type=int, metavar="N", help="processes (default: one a core)")
        add("--overwrite", action="store_true", help="write anew what is there")
        add("--dry-run", action="store_true", help="say what would be written, and write nothing")
        _ADD_OPTIONS[name](action)


def _add_size(action: argparse.ArgumentParser, *, required: bool) -> None:
    size = action.add_mutually_exclusive_group(required=required)
    size.add_argument("--short-side", type=int, metavar="PIXELS", help="aspect is kept")
    size.add_argument("--size", type=_size, metavar="WxH", help="as 340x256; aspect is not kept")


def _resize_options(action: argparse.ArgumentParser) -> None:
    _add_size(action, required=True)
    add = action.add_argument
    add("--crf", type=int, default=18, help="x264's quality, 0 lossless to 51 (default: 18)")
    add("--preset", default="fast", choices=PRESETS, metavar="NAME", help="x264's (default: fast)")
    add("--gop", type=int, metavar="N", help="frames from key frame to key frame (default: 250)")


def _frames_options(action: argparse.ArgumentParser) -> None:
    _add_size(action, required=False)
    add = action.add_argument
    add("--template", default="img_{:05d}.jpg", help="names of the images (default: %(default)s)")
    add("--quality", type=int, default=95, help="of JPEG, 0 to 100 (default: 95)")
    add("--fps", type=_rate, metavar="N", help="images a second, as 30 or 30000/1001 (all frames)")


def _flow_options(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    methods = ("tvl1", "farneback", "dis")
    add("--method", default="tvl1", choices=methods, help="default: tvl1, as published; slow")
    add("--bound", type=float, default=20.0, help="pixels that become 0 or 255 (default: 20)")
    add(
        "--layout",
        default="flow_x",
        choices=("flow_x", "x"),
        help="flow_x_00001.jpg, flow_y_00001.jpg (default), or x_00001.jpg, y_00001.jpg",
    )
    add(
        "--short-side",
        type=int,
        default=256,
        metavar="PIXELS",
        help="resize frames whose short side is longer (default: 256; 0: leave them as they are)",
    )


_ADD_OPTIONS = {"resize": _resize_options, "frames": _frames_options, "flow": _flow_options}

PRESETS = (  # of x264
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow"),
)


def _size(text: str) -> tuple[int, int]:
    """Return (height, width) of a text as 340x256, width first."""
    width, _, height = text.partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: expected one as 340x256") from None


def _rate(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"'{text}' is no frame rate") from None
