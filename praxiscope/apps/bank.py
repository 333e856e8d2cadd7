"""``praxiscope bank``: filling feature banks, what is in them, whether they are sound, conversion.

Imports are light: the command line shows the options of every command.
"""

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich_argparse import RawDescriptionRichHelpFormatter

from praxiscope.apps.bank_build import add_build_options, build
from praxiscope.errors import DataError, PraxiscopeError

if TYPE_CHECKING:
    from praxiscope.banks.bank import Bank

UNSOUND = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        (
            "build",
            "Fill a feature bank: a detector looks at every person of a list. Run again after a "
            "stop, it goes on.",
        ),
        ("info", "Say what a feature bank holds."),
        (
            "check",
            "Read all of a feature bank and say what is wrong. Exit status: 1 if anything is.",
        ),
        ("convert", "Write a published feature bank (lfb_val.pkl) as one of ours, or the reverse."),
    ):
        action = actions.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=RawDescriptionRichHelpFormatter,
            allow_abbrev=False,
        )
        if name == "build":
            add_build_options(action)
        elif name == "convert":
            action.add_argument("source", type=Path, metavar="IN", help="a file of either kind")
            action.add_argument("target", type=Path, metavar="OUT", help="a file that is not there")
        else:
            action.add_argument("path", type=Path, metavar="PATH", help="a bank")


def run(args: argparse.Namespace) -> int:
    """Do the action; return the exit status."""
    if args.action == "build":
        return build(args)
    if args.action == "convert":
        return _convert(args.source, args.target)
    from praxiscope.banks.bank import Bank

    bank = Bank(args.path)
    return _info(bank) if args.action == "info" else _check(bank)


def _info(bank: "Bank") -> int:
    from praxiscope.banks.check import count_seconds

    counts = count_seconds(bank)
    status = bank.path.stat()
    facts = {
        "videos": f"{bank.num_videos:,}",
        "seconds": f"{counts.stored:,}",
        "rows": f"{bank.num_rows:,}",
        "channels": f"{bank.channels:,}",
        "dtype": bank.dtype,
        "size": f"{status.st_size / 1e6:,.1f} MB",
        "written": f"{datetime.fromtimestamp(status.st_mtime).astimezone():%Y-%m-%d %H:%M %Z}",
    }
    said = {name: value for name, value in bank.metadata.items() if name not in facts}
    for name, value in (facts | said).items():
        print(_in_one_line(f"{name}: {value}"))
    return 0


def _check(bank: "Bank") -> int:
    from rich.console import Console

    from praxiscope.banks.check import count_seconds, find_faults

    with Console(stderr=True).status(f"reading {bank.num_rows:,} features"):
        faults = list(find_faults(bank))
    for fault in faults:
        print(f"{bank.path}: {_in_one_line(fault)}")
    if not faults:
        counts = count_seconds(bank)
        print(
            f"{bank.path} is sound: {bank.num_rows:,} features of {counts.stored:,} seconds of "
            f"{bank.num_videos:,} videos."
        )
        print(
            f"Without a feature: {counts.missing:,} seconds between the first and the last of "
            f"their videos, {counts.empty_videos:,} whole videos. They are zeros in a window."
        )
    return UNSOUND if faults else 0


def _convert(source: Path, target: Path) -> int:
    from rich.console import Console

    from praxiscope.banks.published import export_published, import_published
    from praxiscope.pickles.torch_files import HEAD_BYTES, torch_format

    if target.exists():
        raise PraxiscopeError(f"{target} is there already. Remove it, or choose another name.")
    head = b""
    if source.is_file():
        with source.open("rb") as file:
            head = file.read(HEAD_BYTES)
    with Console(stderr=True).status(f"converting {source}"):
        if torch_format(head) is None:
            bank = _ours(source)
            _check_suffix(target, ".pkl")
            export_published(bank, target)
        else:
            _check_suffix(target, ".safetensors")
            bank = import_published(source, target, {"source": source.name})
    print(f"{bank.num_rows:,} features of {bank.num_videos:,} videos written to {target}")
    return 0


def _ours(source: Path) -> "Bank":
    from praxiscope.banks.bank import Bank

    try:
        return Bank(source)
    except DataError as error:
        if not source.is_file():
            raise
        raise DataError(
            f"{source} is no feature bank, or a damaged one: expected one of ours, or a published "
            "one such as lfb_val.pkl."
        ) from error


def _check_suffix(target: Path, suffix: str) -> None:
    if target.suffix != suffix:
        raise PraxiscopeError(f"{target}: what is written is a {suffix} file; name one.")


def _in_one_line(text: str) -> str:
    """Return a file's text without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
