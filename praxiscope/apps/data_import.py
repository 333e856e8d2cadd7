"""``praxiscope data import``: exports of annotation tools become lists in AVA's format."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from praxiscope.data.ava_lists import AvaList
    from praxiscope.data.imports.classes import Classes
    from praxiscope.data.imports.key_frames import Sampled
    from praxiscope.data.imports.tracks import Found
    from praxiscope.data.imports.videos import Videos

FORMATS = ("cvat", "label-studio", "via", "csv")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the action."""
    add = parser.add_argument
    add(
        "format",
        choices=FORMATS,
        help="what wrote the files: CVAT for video 1.1 (XML), Label "
        "Studio (JSON), VIA 3 (JSON) or VIA 2 (csv), or any csv with a header",
    )
    add("files", nargs="+", type=Path, metavar="FILE", help="one or more exports")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the lists go")
    add(
        "--videos",
        type=Path,
        metavar="ROOT",
        help="the folder of the videos: they are opened for "
        "their frames, rate and size (default: what exports and options say is believed)",
    )
    add("--fps", type=float, metavar="N", help="frames a second (default: of videos or exports)")
    add(
        "--size",
        type=_size,
        metavar="WxH",
        help="of the frames, where nothing else says; for a csv: its boxes are in pixels",
    )
    add("--rate", type=float, default=1.0, help="key frames a second (default: 1)")
    add(
        "--labels-from",
        nargs="+",
        default=[],
        metavar="NAME",
        help="what becomes the classes: "
        "attributes, or 'label', that of tracks (default: an attribute called action, or the "
        "labels)",
    )
    add("--label-map", type=Path, metavar="PBTXT", help="of an earlier import: keep its numbers")
    add(
        "--exclude",
        nargs="*",
        default=["uncertain"],
        metavar="WORD",
        help="exclude moments at "
        "which a label, a value or a true attribute is this; 'outside': at which somebody is out "
        "of view (default: uncertain)",
    )
    add("--person-from", metavar="NAME", help="via: the attribute that tells persons apart")
    add(
        "--max-gap",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="via, csv: interpolate between moments of a person up to so far apart (default: 1)",
    )
    add(
        "--columns",
        nargs="+",
        default=[],
        metavar="FIELD=HEADER",
        help="csv: what columns are called, as video=file x1=left",
    )
    add(
        "--first-timestamp",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="the time of the first frame, in a csv and in the lists (default: 0)",
    )
    add("--overwrite", action="store_true", help="replace lists that are there")
    add("--dry-run", action="store_true", help="read and print, but write nothing")


def data_import(args: argparse.Namespace) -> int:
    """Import the files; return 1 if some videos could not be used, and otherwise 0."""
    from rich.console import Console

    from praxiscope.apps.printing import print_line
    from praxiscope.checks import check_number
    from praxiscope.data.imports.classes import find_classes
    from praxiscope.data.imports.key_frames import sample
    from praxiscope.data.imports.tracks import Left, Segment, Track
    from praxiscope.data.imports.videos import Videos
    from praxiscope.data.imports.write import ListFiles, write_list
    from praxiscope.errors import DataError
    from praxiscope.progress import progress_bar

    check_number(args.rate, "--rate", 1e-3, 1e3)
    check_number(args.max_gap, "--max-gap", 0, 1e6)
    check_number(args.first_timestamp, "--first-timestamp", 0, 1e6)
    if args.fps is not None:
        check_number(args.fps, "--fps", 1e-3, 1e4)
    files = ListFiles(args.out)
    there = [path for path in files.all if path.exists()]
    if there and not (args.overwrite or args.dry_run):
        raise DataError(f"{there[0]} is there already: give --overwrite, or another --out.")
    excluding = frozenset(word.lower() for word in args.exclude)
    found: list[Track | Segment | Left] = []
    with progress_bar(Console(stderr=True)) as bar:
        count = bar.add_task("videos", total=None, figures="")
        videos = Videos(
            args.videos, fps=args.fps, size=args.size, opened=lambda: bar.advance(count)
        )
        read = _reader(args, videos)
        for path in bar.track(args.files, task_id=bar.add_task("files", figures="")):
            found += read(path)
    tracks = [one for one in found if isinstance(one, Track)]
    segments = [one for one in found if isinstance(one, Segment)]
    console = Console(highlight=False)
    for problem in videos.failed.values():
        print_line(console, f"left out: {problem}")
    if not tracks:
        raise DataError(
            f"{args.files[0]}: there are no boxes of persons"
            + (" in videos that can be read." if videos.failed else ".")
        )
    classes = find_classes(
        tracks,
        segments,
        names_from=args.labels_from,
        label_map=args.label_map,
        excluding=excluding,
    )
    sampled = sample(
        tracks,
        segments,
        classes,
        rate=args.rate,
        first_timestamp=args.first_timestamp,
        excluding=excluding,
    )
    for one in found:
        if isinstance(one, Left):
            sampled.left[f"{one.what}, left out"] += 1
    _show(console, sampled, classes, len(videos.failed))
    if not args.dry_run:
        write_list(files, sampled, classes.ids, first_timestamp=args.first_timestamp)
        ava = files.list(args.videos or Path("VIDEOS"), max(classes.ids.values()) + 1)
        _show_list(console, ava)
    return 1 if videos.failed else 0


def _reader(args: argparse.Namespace, videos: "Videos") -> Callable[[Path], Iterator["Found"]]:
    """Return what reads a file of the format that was asked for."""
    from praxiscope.data.imports.cvat import read_cvat
    from praxiscope.data.imports.label_studio import read_label_studio
    from praxiscope.data.imports.table import read_table
    from praxiscope.data.imports.via import read_via
    from praxiscope.errors import RecipeError

    columns = {}
    for item in args.columns:
        field, equals, header = item.partition("=")
        if not equals or args.format != "csv":
            raise RecipeError(f"--columns {item}: expected FIELD=HEADER, for a csv.")
        columns[field] = header
    return {
        "cvat": lambda path: read_cvat(path, videos),
        "label-studio": lambda path: read_label_studio(path, videos),
        "via": lambda path: read_via(
            path, videos, person_from=args.person_from, max_gap=args.max_gap
        ),
        "csv": lambda path: read_table(
            path,
            videos,
            columns=columns,
            max_gap=args.max_gap,
            first_timestamp=args.first_timestamp,
        ),
    }[args.format]


def _show(console: "Console", sampled: "Sampled", classes: "Classes", failed: int) -> None:
    """Print the classes, and what became of everything."""
    from collections import Counter

    from rich.table import Table
    from rich.text import Text

    seen = Counter(line.label for line in sampled.lines)
    table = Table("id", "class", "persons at key frames", title_justify="left")
    table.title = Text(f"classes, from {', '.join(classes.names_from)}")
    for name, number in sorted(classes.ids.items(), key=lambda item: item[1]):
        table.add_row(str(number), Text(name), f"{seen[number]:,}")
    console.print(table)
    counts = Table("how many", "what", title=Text("imported"), title_justify="left")
    counts.columns[0].justify = "right"
    for count, what in (
        (len(sampled.clips), "videos"),
        (sum(sampled.tracks.values()), "persons"),
        (sampled.key_frames, "key frames"),
        (sampled.persons, "persons at key frames"),
        (seen[None], "of them without a class"),
        (len(sampled.excluded), "key frames excluded"),
        (failed, "videos that could not be used, left out"),
        *((count, what) for what, count in sorted(sampled.left.items())),
    ):
        if count or what in ("videos", "key frames"):
            counts.add_row(f"{count:,}", Text(what))
    console.print(counts)


def _show_list(console: "Console", ava: "AvaList") -> None:
    """Print how a recipe and the doctor take what was written."""
    from praxiscope.apps.printing import print_line

    print_line(console, "In a recipe, and for 'praxiscope data doctor':")
    print_line(
        console,
        f"AvaList(root=Path({str(ava.root)!r}), annotations=Path({str(ava.annotations)!r}), "
        f"excluded=Path({str(ava.excluded)!r}), label_map=Path({str(ava.label_map)!r}), "
        f"sources=Path({str(ava.sources)!r}), num_classes={ava.num_classes}, kind='video')",
    )
    flags = ("root", "annotations", "excluded", "label-map", "sources", "num-classes", "kind")
    values = [(flag, getattr(ava, flag.replace("-", "_"))) for flag in flags]
    words = [word for flag, value in values for word in (f"--{flag}", str(value))]
    print_line(console, shlex.join(["praxiscope", "data", "doctor", *words]))


def _size(given: str) -> tuple[float, float]:
    size = re.fullmatch(r"([1-9][0-9]{0,5})[xX]([1-9][0-9]{0,5})", given)
    if size is None:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, as 1920x1080, not {given!r}")
    return float(size[1]), float(size[2])
