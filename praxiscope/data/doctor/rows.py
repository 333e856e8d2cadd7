"""An annotation file as columns, so that millions of lines are examined at once.

Letters: N lines that could be read, V videos, M moments.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from praxiscope.data.ava_files import Moment, parse_annotations
from praxiscope.data.doctor.findings import Malformed
from praxiscope.errors import DataError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_LABEL = -(2**62)


@dataclass(frozen=True)
class Rows:
    """The lines of an annotation file that name a person."""

    path: Path
    line: Integers  # (N,) from 1
    videos: Sequence[str]  # V names, in the order in which they first appear
    video: Integers  # (N,) places in ``videos``
    timestamp: Floats  # (N,) seconds
    boxes: Floats  # (N, 4)
    label: Integers  # (N,) NO_LABEL where a line has none

    def __len__(self) -> int:
        return len(self.line)

    def place(self, row: int) -> str:
        """Return the file and the line of a row."""
        return f"{self.path}:{self.line[row]}"

    def show_label(self, row: int) -> str:
        """Return the place and the label of a row."""
        return f"{self.place(row)}: label {self.label[row]}"

    def show_box(self, row: int) -> str:
        """Return the place and the box of a row."""
        return f"{self.place(row)}: box {', '.join(f'{share:g}' for share in self.boxes[row])}"

    def show_time(self, row: int) -> str:
        """Return the place, the video and the time of a row."""
        video, seconds = self.moment_of(row)
        return f"{self.place(row)}: {video} at {seconds:g} s"

    def moment_of(self, row: int) -> Moment:
        """Return the video and the time of a row."""
        return self.videos[self.video[row]], float(self.timestamp[row])

    @cached_property
    def moment(self) -> Integers:
        """Equal numbers, from 0 to M - 1, for rows of one video and time: (N,)."""
        times, time = np.unique(self.timestamp, return_inverse=True)
        keys = self.video * max(len(times), 1) + time
        numbers: Integers = np.unique(keys, return_inverse=True)[1]
        return numbers

    @cached_property
    def person(self) -> Integers:
        """Equal numbers, from 0, for rows with one box at one moment: (N,)."""
        columns = np.column_stack((self.moment.astype(np.float64), self.boxes))
        return equal_rows(columns)

    def of_video(self, video: int) -> Integers:
        """Return the rows of a video."""
        start, end = self._starts[video : video + 2]
        return self._by_video[start:end]

    @cached_property
    def _by_video(self) -> Integers:
        return np.argsort(self.video, kind="stable")

    @cached_property
    def _starts(self) -> Integers:
        return np.searchsorted(self.video[self._by_video], np.arange(len(self.videos) + 1))


def equal_rows(columns: Floats) -> Integers:
    """Return equal numbers for equal rows of (N, C): (N,), from 0 without gaps."""
    order = np.lexsort(columns.T)
    ordered = columns[order]
    new = np.ones(len(columns), np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(columns), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def read_rows(path: Path) -> tuple[Rows, Malformed]:
    """Return the lines of an annotation file that can be read, and what is said of the others.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    names: dict[str, int] = {}
    line, video, label = array("q"), array("q"), array("q")
    timestamp, boxes = array("d"), array("d")
    malformed = Malformed()
    for row in parse_annotations(path):
        if isinstance(row, DataError):
            malformed.add(row)
            continue
        line.append(row.line)
        video.append(names.setdefault(row.video, len(names)))
        timestamp.append(row.timestamp)
        boxes.extend(row.box)
        # A label of any size is one that no list has.
        label.append(NO_LABEL if row.label is None else max(min(row.label, 2**62), 1 - 2**62))
    rows = Rows(
        path=path,
        line=np.array(line, np.int64),
        videos=tuple(names),
        video=np.array(video, np.int64),
        timestamp=np.array(timestamp, np.float64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        label=np.array(label, np.int64),
    )
    return rows, malformed
