"""What the readers of official annotation files share: lines with their place, checked names."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.errors import DataError, did_you_mean

MAX_LINE = 2**16  # bytes; the longest official line has some hundred
MAX_NAME = 255  # bytes, as file systems have it
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")  # not the tab


class Listed(NamedTuple):
    """One video that an official file names."""

    where: str  # the file and its line, for messages
    name: str  # below the root, without a suffix: "air_drumming/AbC-dEf_012_000010_000020"
    label: int
    elsewhere: tuple[str, ...] = ()  # other names that it may have on disk
    note: str = ""  # why it may be missing there


class Subset(NamedTuple):
    """One split of a dataset: its videos in the order of the file, and the classes by label."""

    videos: tuple[Listed, ...]
    classes: tuple[str, ...]  # () where no file names them


def find_file(folder: Path, names: Sequence[str], what: str) -> Path:
    """Return the first of these files that exists.

    Raises :class:`DataError` naming all of them, and what lies there instead, if none does.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    siblings = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    raise DataError(
        f"There is no {what} {folder / names[0]}{others}.{did_you_mean(names[0], siblings)} "
        "Download it, or name its folder with --annotations."
    )


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text that are not empty, without white space around, with their place.

    Raises :class:`DataError` if the file cannot be read, or a line is too long or no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE + 1):
                number += 1
                where = f"{path}:{number}"
                if len(line) > MAX_LINE:
                    raise DataError(f"{where}: longer than {MAX_LINE} bytes: this is another file.")
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    raise DataError(f"{where}: is no UTF-8 text ({error.reason}).") from error
                if _CONTROL.search(text):
                    raise DataError(f"{where}: has control characters: this is another file.")
                if text:
                    yield where, text
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def read_csv(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a csv file, fields in quotes or not, one row a line, with their place."""
    for where, line in read_lines(path):
        try:
            yield where, [field.strip() for field in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise DataError(f"{where}: is no row of comma-separated fields: {error}.") from error


def check_name(name: str, where: str) -> str:
    """Return a name if it can be that of a file or folder, no path, on every system and in a list.

    Raises :class:`DataError` for ``../x``, control characters, names that are too long, and so on.
    """
    wrong = (
        not name
        or name.startswith(".")
        or name != name.strip()
        or "/" in name
        or "\\" in name
        or not name.isprintable()
        or len(name.encode()) > MAX_NAME
    )
    if wrong:
        raise DataError(f"{where}: {name[:80]!r} cannot be the name of a video or class.")
    return name


def without_suffix(name: str) -> str:
    """Return the name of a video file without the suffix: videos may be stored in other formats."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in VIDEO_SUFFIXES else name


def unique(videos: Iterator[Listed], path: Path) -> tuple[Listed, ...]:
    """Return the videos of one split; :class:`DataError` if there are none, or one is repeated."""
    known: dict[str, Listed] = {}
    for video in videos:
        first = known.setdefault(video.name, video)
        if first is not video:
            raise DataError(
                f"{video.where}: '{video.name}' is named a second time, first in {first.where}: "
                "remove one of the lines."
            )
    if not known:
        raise DataError(f"{path} names no videos.")
    return tuple(known.values())


def check_classes(classes: Collection[str], count: int, path: Path) -> None:
    """Raise :class:`DataError` unless there are as many classes as the dataset has.

    Labels count the classes: of a shortened file they would be wrong.
    """
    if len(classes) != count:
        raise DataError(
            f"{path} names {len(classes)} classes, not {count}: labels would be wrong. "
            "Take the complete file of this dataset."
        )
