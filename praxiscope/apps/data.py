"""``praxiscope data``: what is done with datasets, apart from training on them.

Imports are light: the command line shows the options of every command.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich_argparse import RawDescriptionRichHelpFormatter

from praxiscope.apps import (
    data_convert_options,
    data_download,
    data_import,
    data_lists,
    data_proposals_options,
)
from praxiscope.apps.options import add_cfg_options


class Action(NamedTuple):
    """One action: what it does, in a line and in more, and its options."""

    text: str
    more: str
    add_options: Callable[[argparse.ArgumentParser], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (text, more, add) in _ACTIONS.items():
        action = actions.add_parser(
            name,
            help=text,
            description=f"{text} {more}",
            formatter_class=RawDescriptionRichHelpFormatter,
            allow_abbrev=False,
        )
        add(action)
    data_convert_options.add_actions(actions, RawDescriptionRichHelpFormatter)


def run(args: argparse.Namespace) -> int:
    """Do the action; return the exit status."""
    if args.action == "lists":
        return data_lists.lists(args)
    if args.action == "download":
        return data_download.download(args)
    if args.action == "import":
        return data_import.data_import(args)
    if args.action == "proposals":
        from praxiscope.apps.data_proposals import proposals

        return proposals(args)
    if args.action in data_convert_options.ACTIONS:
        from praxiscope.apps.data_convert import convert

        return convert(args)
    if args.action == "check":
        from praxiscope.apps.data_check import data_check

        return data_check(args)
    from praxiscope.apps.doctor import doctor

    assert args.action == "doctor"
    return doctor(args)


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("recipe", nargs="?", help="a detection recipe: a file, or the name of a published one")
    add("--split", choices=("train", "val", "test"), help="one of its lists (default: all)")
    add_cfg_options(parser)
    add("--videos", type=int, metavar="N", help="open N videos at most (default: all)")
    add("--json", type=Path, metavar="FILE", help="write the findings as JSON too")
    files = parser.add_argument_group(
        "without a recipe",
        "a list by its files, as AvaList names them in recipes; what is not given is as in AVA",
    )
    add_file = files.add_argument
    for name, text in (
        ("annotations", "csv: video,timestamp,x1,y1,x2,y2,label,person_id"),
        ("root", "the folder of the videos or of the folders of images"),
        ("excluded", "csv: video,timestamp"),
        ("label-map", "pbtxt"),
        ("proposals", "pkl, npz or csv"),
        ("sources", "csv: video,path,fps,first_timestamp"),
    ):
        add_file(f"--{name}", type=Path, default=argparse.SUPPRESS, help=text)
    for name, kind, text in (
        ("num-classes", int, "with the background, which is 0 (81)"),
        ("label-base", int, "the first label in the files, 0 or 1 (1)"),
        ("fps", float, "frames a second (30)"),
        ("first-timestamp", float, "seconds of the first frame (900)"),
        ("last-timestamp", _seconds_or_none, "the end in seconds, or none: each video's (1800)"),
        ("min-score", float, "of the proposals that are taken (0.9)"),
        ("kind", str, "frames or video (frames)"),
        ("template", str, "names of the images (img_{:05d}.jpg)"),
        ("first-frame", int, "the number of the first image (1)"),
    ):
        add_file(f"--{name}", type=kind, default=argparse.SUPPRESS, help=text)
    add_file(
        "--single-label",
        dest="multi_label",
        action="store_false",
        default=argparse.SUPPRESS,
        help="a person does one thing at a time (several)",
    )


def _check_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="SRC",
        help="a video, a folder of videos at any depth, or a .txt list of them",
    )
    add("--prefix", type=Path, default=Path(), help="the folder a list's paths are below (.)")
    add(
        "--out",
        type=Path,
        default=Path("video_check.csv"),
        metavar="FILE",
        help="the report, .csv or .json (default: %(default)s)",
    )
    add("--broken", type=Path, metavar="FILE", help="a .txt list of the videos that are unusable")
    add("--every-frame", action="store_true", help="decode all frames, not five of each video")
    add("--workers", type=int, metavar="N", help="processes (default: one a core)")
    add("--remove", action="store_true", help="DELETE the unusable files once all are checked")


def _seconds_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


_ACTIONS = {
    "doctor": Action(
        "Find what is wrong with data in AVA's format before training on it.",
        "Exit status: 0 in order, perhaps with warnings; 1 training would stop or mAP be 0; 2 "
        "wrong options.",
        _doctor_options,
    ),
    "lists": Action(
        "Build the lists that recipes read from a dataset's official annotation files.",
        "What is not on disk is left out, and named in missing_SPLIT.txt. Exit status: 0 lists "
        "written; 1 written, but something that is there cannot be used; 2 nothing written.",
        data_lists.add_options,
    ),
    "download": Action(
        "Download the files of a list of addresses: tried again, resumed, checked.",
        "Run again, it does what is missing. Exit status: 0 all there; 1 some failed, which "
        "failed.txt lists; 2 wrong options or list, or the disk is full.",
        data_download.add_options,
    ),
    "import": Action(
        "Turn exports of annotation tools into lists in AVA's format.",
        "Exit status: 0 imported; 1 imported, but for videos that cannot be used; 2 nothing "
        "written.",
        data_import.add_options,
    ),
    "proposals": Action(
        "Find the persons at key frames, as the proposals that detection recipes read.",
        "Run again, it goes on where it stopped: finished videos are kept in OUT.parts. Exit "
        "status: 0 all done; 1 some videos are broken, which are listed; 2 wrong options.",
        data_proposals_options.add_options,
    ),
    "check": Action(
        "Read and decode videos, and report those that are broken or odd.",
        "Stopped and run again, it goes on. Exit status: 0 all can be used, perhaps with remarks; "
        "1 some cannot; 2 wrong options.",
        _check_options,
    ),
}
