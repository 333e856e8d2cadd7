"""Kinetics-400, 600 and 700: ``label,youtube_id,time_start,time_end,split[,is_cc]``, with a head.

A video is named after its source and the seconds that are cut out of it, ``ID_000012_000022``, in a
folder of its class.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from praxiscope.data.official.reading import (
    Listed,
    Subset,
    check_classes,
    check_name,
    find_file,
    read_csv,
    unique,
)
from praxiscope.errors import DataError

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_SPELLINGS = {"train": ("train",), "val": ("val", "validate", "validation")}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Clip(NamedTuple):
    """One row: seconds ``start`` to ``end`` of a video on YouTube show the class."""

    where: str
    class_name: str
    youtube_id: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """The published name of the clip."""
        return f"{self.youtube_id}_{self.start:06d}_{self.end:06d}"


def csv_names(split: Literal["train", "val"], num_classes: int) -> tuple[str, ...]:
    """Return what the file of a split is called: in the release, or in other collections."""
    spellings = _SPELLINGS[split]
    number = f"{num_classes}_"
    starts = ("", "kinetics_", f"kinetics{number}", f"kinetics-{number}", f"kinetics_{number}")
    return tuple(f"{start}{end}.csv" for start in starts for end in spellings)


def read_clips(path: Path, split: Literal["train", "val"]) -> Iterator[Clip]:
    """Yield the rows of a csv file of one split.

    Raises :class:`DataError` naming the line that is not of this form.
    """
    rows = read_csv(path)
    _, head = next(rows, ("", []))
    if tuple(head) not in (COLUMNS, (*COLUMNS, "is_cc")):
        raise DataError(f"{path}: expected the columns {','.join(COLUMNS)}[,is_cc] as its head.")
    for where, row in rows:
        if len(row) != len(head):
            raise DataError(f"{where}: has {len(row)} fields, the head {len(head)}.")
        class_name, youtube_id, start, end, subset = row[:5]
        if subset not in _SPELLINGS[split]:
            raise DataError(f"{where}: the split '{subset[:40]}' is not {split}.")
        if not _ID.fullmatch(youtube_id):
            raise DataError(f"{where}: {youtube_id[:80]!r} is no YouTube id.")
        first, last = _seconds(start, where), _seconds(end, where)
        if first >= last:
            raise DataError(f"{where}: second {start} is not before {end}.")
        yield Clip(where, check_name(class_name, where), youtube_id, first, last)


def _seconds(text: str, where: str) -> int:
    try:
        seconds = int(float(text))
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds < 10**6:
        raise DataError(f"{where}: {text[:40]!r} is no time in seconds.")
    return seconds


def read_kinetics(folder: Path, split: Literal["train", "val"], num_classes: int) -> Subset:
    """Return a split of Kinetics. Labels number the classes in alphabetical order.

    On disk a class folder may have underscores for spaces, as in the published lists, or spaces, as
    the official crawler writes it; or all videos lie in one folder.

    Raises:
        DataError: The file is missing or malformed, or does not have all classes.
    """
    path = find_file(folder, csv_names(split, num_classes), f"{split} list")
    clips = list(read_clips(path, split))
    classes = tuple(sorted({clip.class_name for clip in clips}))
    check_classes(classes, num_classes, path)
    labels = {name: label for label, name in enumerate(classes)}
    videos = (
        Listed(
            clip.where,
            f"{clip.class_name.replace(' ', '_')}/{clip.name}",
            labels[clip.class_name],
            (f"{clip.class_name}/{clip.name}", clip.name),
        )
        for clip in clips
    )
    return Subset(unique(videos, path), classes)
