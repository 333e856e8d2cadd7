"""The files of an AVA evaluation: labelled boxes, excluded timestamps.

Source: https://research.google.com/ava/download.html
"""

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from praxiscope.errors import DataError

_COLUMNS = ("video", "second", "x1", "y1", "x2", "y2", "class", "score")


@dataclass(frozen=True)
class ActionBoxes:
    """N boxes with one action each: ground truth, or detections."""

    frames: Sequence[str]  # N keys "video,0902": the video, and the second in four digits
    boxes: npt.NDArray[np.float64]  # (N, 4) xyxy, all in one unit: [0, 1] in the published files
    classes: npt.NDArray[np.int64]  # (N,) by the numbers of the label map
    scores: npt.NDArray[np.float64]  # (N,) not looked at in ground truth

    def __post_init__(self) -> None:
        number = len(self.frames)
        assert self.boxes.shape == (number, 4), self.boxes.shape
        assert self.classes.shape == self.scores.shape == (number,), self.classes.shape

    def __len__(self) -> int:
        return len(self.frames)


def read_boxes(path: str | Path) -> ActionBoxes:
    """Return the detections of a csv file: video, second, x1, y1, x2, y2, class[, score].

    A row that ends after the second, or is blank from there, is a frame without people. Without
    the eighth column scores are 1. The first row may be a header.

    Raises:
        DataError: The file can't be read, or a row is none of these: its line and column.
    """
    return _read_boxes(Path(path), truth=False)


def read_truth(path: str | Path) -> ActionBoxes:
    """Return the labelled boxes of a csv file: video, second, x1, y1, x2, y2[, class[, person]].

    As :func:`read_boxes`; persons without a class are passed over, and nobody's number is looked
    at: all scores are 1.

    Raises:
        DataError: The file can't be read, or a row is none of these: its line and column.
    """
    return _read_boxes(Path(path), truth=True)


def _read_boxes(path: Path, *, truth: bool) -> ActionBoxes:
    keys: dict[tuple[str, str], str] = {}  # one string a frame, however many boxes it has
    frames: list[str] = []
    boxes, classes, scores = array("d"), array("q"), array("d")
    for line, row in _rows(path):
        try:
            key = keys.get((row[0], row[1])) or frame_key(row[0].strip(), row[1])
            keys[row[0], row[1]] = key
            if not any(row[2:]):
                continue
            x1, y1, x2, y2 = map(float, row[2:6])
            if truth and not any(row[6:7]):
                continue
            label, score = _whole(row[6]), float(row[7]) if len(row) > 7 and not truth else 1.0
            if not (isfinite(x1 + y1 + x2 + y2 + score) and 0 <= label < 1 << 31 and len(row) < 9):
                raise ValueError
        except (ValueError, IndexError):
            raise _mistake(path, line, row, truth=truth) from None
        frames.append(key)
        boxes.extend((x1, y1, x2, y2))
        classes.append(label)
        scores.append(score)
    return ActionBoxes(
        frames,
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(classes, dtype=np.int64),
        np.array(scores, dtype=np.float64),
    )


def read_excluded(path: str | Path) -> frozenset[str]:
    """Return the keys "video,0902" of the frames that a csv file of video, second excludes.

    Raises:
        DataError: The file can't be read, or a row is something else.
    """
    path = Path(path)
    found = set()
    for line, row in _rows(path):
        try:
            video, second = row
            found.add(frame_key(video.strip(), second))
        except ValueError:
            raise DataError(
                f"{path}, line {line}: expected video,second as in 'abc,0902', but found "
                f"'{_shown(','.join(row))}'."
            ) from None
    return frozenset(found)


def frame_key(video: str, second: str | float) -> str:
    """Return "video,0902", under which the files' frames are compared; seconds may be fractions.

    Raises:
        ValueError: There is no video, or ``second`` is no finite number from 0 on.
    """
    value = float(second)
    if not video or not 0 <= value < 1e9:
        raise ValueError
    return f"{video},{int(value):04d}" if value == int(value) else f"{video},{value!r}"


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if any(row) and not (reader.line_num == 1 and _is_header(row)):
                    yield reader.line_num, row
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no csv file in UTF-8: {error}.") from error


def _is_header(row: Sequence[str]) -> bool:
    return row[0].strip().lower() in ("video", "video_id") and not _fits(1, ",".join(row[1:2]))


def _whole(text: str) -> int:
    if text.isdecimal():
        return int(text)
    number = float(text)  # some files have 12.0
    if not number.is_integer():
        raise ValueError
    return int(number)


def _mistake(path: Path, line: int, row: Sequence[str], *, truth: bool) -> DataError:
    """Say which column of a row is wrong, and what belongs there."""
    expected = f"expected video,second,x1,y1,x2,y2,class,{'person' if truth else 'score'}"
    if not 7 <= len(row) <= 8:
        return DataError(f"{path}, line {line}: {expected}, but there are {len(row)} columns.")
    for column, text in enumerate(row):
        if not (_fits(column, text) or (truth and column == 7)):
            what = ("a video's name", "seconds", *["a number"] * 4, "a class number", "a number")
            return DataError(
                f"{path}, line {line}, column {column + 1} ({_COLUMNS[column]}): expected "
                f"{what[column]}, but found '{_shown(text)}'."
            )
    return DataError(f"{path}, line {line}: {expected}, but the numbers are too large.")


def _fits(column: int, text: str) -> bool:
    try:
        match column:
            case 0:
                return bool(text)
            case 1:
                return bool(frame_key("any", text))
            case 6:
                return 0 <= _whole(text) < 1 << 31
            case _:
                return isfinite(float(text))
    except ValueError:
        return False


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
