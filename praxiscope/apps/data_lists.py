"""``praxiscope data lists``: the lists that recipes read, from official annotation files.

Imports are light: the command line shows the options of every command.
"""

import argparse
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from praxiscope.errors import DataError, PraxiscopeError, unknown_name

if TYPE_CHECKING:
    from rich.console import Console

    from praxiscope.data.official.datasets import Part
    from praxiscope.data.official.lists import Built, Count, Target

CHUNK = 256  # folders whose images a process counts at once
LABEL_MAP = "label_map.txt"
_FORMATS = {"videos": "video", "rawframes": "frames", "flow": "flow"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the action is given."""
    add = parser.add_argument
    add(
        "name",
        metavar="NAME",
        help="kinetics400, kinetics600, kinetics700, gym99, jester, sthv1, hmdb51 or ucf101",
    )
    add(
        "--root",
        type=Path,
        metavar="DIR",
        help="the dataset's folder (default: data/NAME; gym99: data/gym)",
    )
    add(
        "--annotations",
        type=Path,
        metavar="DIR",
        help="the official files' folder (default: ROOT/annotations)",
    )
    add("--split", nargs="+", choices=("train", "val"), help="default: those that have a folder")
    add(
        "--format",
        nargs="+",
        choices=tuple(_FORMATS),
        help="lists of video files, of folders of frame images, of optical flow (default: those "
        "that there are)",
    )
    add("--overwrite", action="store_true", help="replace lists that say something else")
    add("--dry-run", action="store_true", help="write nothing, show what would be written")
    add("--num-processes", type=int, metavar="N", help="that count images (default: one a core)")


def lists(args: argparse.Namespace) -> int:
    """Build the lists; return 1 if something that is there cannot be used, as a broken folder.

    Raises:
        PraxiscopeError: An official file is missing or malformed, nothing is there to be listed, or
            a list is there that says something else. Then nothing is written.
    """
    from rich.console import Console

    from praxiscope.checks import check_whole
    from praxiscope.data.batch import num_cores
    from praxiscope.data.official.datasets import DATASETS, SPLITS
    from praxiscope.data.official.lists import build, missing_text

    if args.name not in DATASETS:
        raise unknown_name("dataset", args.name, DATASETS, "praxiscope data lists")
    processes = num_cores() if args.num_processes is None else args.num_processes
    check_whole(processes, "--num-processes")
    dataset = DATASETS[args.name]
    root = args.root or dataset.root
    count = partial(_count_images, processes=processes, console=Console(stderr=True))
    texts: dict[Path, str] = {}
    reports: dict[Path, str] = {}
    built: list[Built] = []
    for split in SPLITS if args.split is None else tuple(dict.fromkeys(args.split)):
        of_split: list[Built] = []
        for part in dataset.parts(root, split):
            targets = _targets(part, args)
            if targets:
                subset = part.read(args.annotations or root / "annotations")
                of_split += [build(target, subset.videos, count) for target in targets]
                if subset.classes:
                    texts[root / LABEL_MAP] = "".join(f"{name}\n" for name in subset.classes)
        of_split = _not_empty(of_split, args)
        if of_split:
            reports[root / f"missing_{split}.txt"] = missing_text(of_split)
            built += of_split
    if not built:
        raise DataError(
            f"{root} has none of the folders of videos or images that {args.name} has: prepare it "
            "as docs/en/data_preparation.md says, or name it with --root."
        )
    kinds = {kind for one in built for kind in one.target.kinds}
    lacking = [name for name in args.format or () if _FORMATS[name] not in kinds]
    if lacking:
        raise DataError(f"--format {lacking[0]}: {root} has no folder of these.")
    texts |= {one.target.path: one.text for one in built}
    _write(texts, reports, built, args)
    return 1 if any(missing.broken for one in built for missing in one.missing) else 0


def _targets(part: "Part", args: argparse.Namespace) -> "tuple[Target, ...]":
    """Return the lists of a part to build: of the formats, those whose folder exists."""
    from praxiscope.data.official.lists import targets_of

    kinds = {_FORMATS[name] for name in args.format or _FORMATS}
    targets = targets_of(videos for videos in part.lists if videos.kind in kinds)
    if not targets:
        known = {videos.kind for videos in part.lists}
        names = [name for name, kind in _FORMATS.items() if kind in known]
        raise PraxiscopeError(f"--format: {args.name} has lists of {' and '.join(names)} only.")
    there = tuple(target for target in targets if target.root.is_dir())
    if not there and args.split is not None:
        folders = " nor ".join(dict.fromkeys(str(target.root) for target in targets))
        raise DataError(f"There is no {folders}: prepare it, or name the dataset with --root.")
    return there


def _not_empty(built: "list[Built]", args: argparse.Namespace) -> "list[Built]":
    """Return the lists of a split without those of which nothing is there.

    Raises :class:`DataError` if that leaves none, or none of a format that was asked for, or if all
    that is there is broken.
    """
    some = [one for one in built if one.num_listed]
    kinds = {kind for one in some for kind in one.target.kinds}
    for one in built:
        target = one.target
        broken = [missing for missing in one.missing if missing.broken]
        asked = args.format and not kinds & set(target.kinds)
        if not one.num_listed and (broken or asked or not some):
            first = (broken or one.missing)[0]
            raise DataError(
                f"{target.root} has none of the {len(one.missing)} videos of {target.path.name} as "
                f"{'/'.join(target.kinds)}: first {first.name} ({first.reason})."
            )
    return some


def _count_images(
    target: "Target", folders: Sequence[str], *, processes: int, console: "Console"
) -> "list[Count]":
    """Count the images of many folders in several processes, of few in this one."""
    from praxiscope.data.official.lists import count_images

    if len(folders) <= CHUNK:
        return count_images(target, folders)
    from praxiscope.apps.parallel import Crashed, in_processes
    from praxiscope.progress import CountProgress

    starts = range(0, len(folders), CHUNK)
    chunks = [tuple(folders[start : start + CHUNK]) for start in starts]
    counts: dict[tuple[str, ...], list[Count]] = {}
    with (
        CountProgress(target.path.name, len(folders), unit="folders", console=console) as progress,
        closing(in_processes(partial(count_images, target), chunks, processes)) as results,
    ):
        for chunk, result in results:
            if isinstance(result, Crashed):
                result = ["crashed the process that counted its images"] * len(chunk)
            counts[chunk] = result
            progress.advance(len(chunk))
    return [number for chunk in chunks for number in counts[chunk]]


def _write(
    texts: dict[Path, str], reports: dict[Path, str], built: "list[Built]", args: argparse.Namespace
) -> None:
    """Write the files, unless others are there, and print what became of each list."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from praxiscope.apps.printing import print_line
    from praxiscope.data.official.lists import changed, write_text

    changes = {path: changed(path, text) for path, text in texts.items()}
    others = [str(path) for path, other in changes.items() if other]
    if others and not (args.overwrite or args.dry_run):
        raise PraxiscopeError(
            f"{', '.join(others)} would be replaced by other contents: look with --dry-run, and "
            "replace with --overwrite."
        )
    if not args.dry_run:
        for path, text in texts.items():
            if changes[path] is not False:
                write_text(path, text)
        for path, text in reports.items():
            write_text(path, text)
    words = {None: "new", True: "replaced", False: "unchanged"}
    table = Table("list", "listed", "missing", "broken", "")
    for one in built:
        broken = sum(missing.broken for missing in one.missing)
        figures = (one.num_listed, len(one.missing) - broken, broken)
        path = one.target.path
        table.add_row(escape(path.name), *map(str, figures), words[changes[path]])
    console = Console()
    console.print(table)
    others = [f"{path} ({words[changes[path]]})" for path in texts if path.name == LABEL_MAP]
    others += [str(path) for path, text in reports.items() if text]
    verb = "Would write, beside them" if args.dry_run else "Beside them"
    print_line(console, f"{verb}: {', '.join(others) or 'nothing'}")
