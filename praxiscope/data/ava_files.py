"""Files in AVA's format: annotations, excluded timestamps, person proposals.

What a file says is returned as it stands; whether it fits a dataset is for
:mod:`praxiscope.data.ava_lists`. A ``parse_`` function yields the errors of single lines in their
place and goes on; ``read_`` raises the first. A moment is a video and a time in seconds: ``0902``,
``902`` and ``902.0`` are one time. Boxes are x1, y1, x2, y2 as shares of the frame's width and
height.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from praxiscope.data.list_formats import read_text
from praxiscope.errors import DataError
from praxiscope.pickles.unpickle import plain, unpickle

T = TypeVar("T")
Moment = tuple[str, float]  # video, seconds
Proposals = Mapping[Moment, npt.NDArray[np.float32]]  # (n, 5): box and person score

_LINE = "video,timestamp,x1,y1,x2,y2,label,person_id"
_COLUMNS = _LINE.split(",")
_LONGEST_NAME = 250  # of a video; file systems take 255 bytes with its suffix
_PROPOSALS = (
    "Expected {'video,0902': array (n, 4 or 5)} in a .pkl or .npz file, or a .csv file of "
    "'video,timestamp,x1,y1,x2,y2,score'"
)


class Row(NamedTuple):
    """One line of an annotation file: one person does one thing."""

    line: int  # in the file, from 1
    video: str
    timestamp: float  # seconds
    box: tuple[float, float, float, float]
    label: int | None  # None: the person is marked, but does nothing that has a class
    person: int  # -1 where the file does not say


class Source(NamedTuple):
    """Where the frames of a video are, and when they were taken."""

    path: str  # below the list's root
    fps: float
    first_timestamp: float  # seconds: the time of the first frame


def read_annotations(path: Path) -> tuple[Row, ...]:
    """Return the persons of an annotation csv (``video,timestamp,x1,y1,x2,y2,label,person_id``).

    A line may end after the label, or have no label. Lines with a video and a timestamp alone, by
    which AVA-Kinetics names frames without people, are passed over, and so is a header.

    Raises:
        DataError: The file is missing, or a line is not of this form; the message names the line
            and the column.
    """
    return tuple(_sound(parse_annotations(path)))


def parse_annotations(path: Path) -> Iterator[Row | DataError]:
    """Yield the rows of :func:`read_annotations`, malformed lines as their errors."""
    return (row for row in _parsed(path, "file of annotations", _row) if row is not None)


def _row(line: int, fields: list[str], where: str) -> Row | None:
    if len(fields) >= 2 and not any(fields[2:]):
        _numbers(fields, 1, 2, where)
        return None
    if not 6 <= len(fields) <= 8:
        raise DataError(f"{where}: expected '{_LINE}', not {len(fields)} columns.")
    time, x1, y1, x2, y2 = _numbers(fields, 1, 6, where)
    label = _whole(fields, 6, where) if len(fields) > 6 and fields[6] else None
    person = _whole(fields, 7, where) if len(fields) > 7 and fields[7] else -1
    if abs(person) >= 2**63:
        raise DataError(f"{where}, column 8 (person_id): expected at most 18 digits.")
    return Row(line, fields[0], time, (x1, y1, x2, y2), label, person)


def read_excluded(path: Path) -> frozenset[Moment]:
    """Return the moments of an excluded timestamps csv (``video,timestamp``); it may be empty.

    Raises:
        DataError: The file is missing, or a line is not of this form.
    """
    return frozenset(moment for _, moment in _sound(parse_excluded(path)))


def parse_excluded(path: Path) -> Iterator[tuple[int, Moment] | DataError]:
    """Yield the line and the moment of each of :func:`read_excluded`, or a line's error."""

    def parse(line: int, fields: list[str], where: str) -> tuple[int, Moment]:
        if len(fields) != 2:
            raise DataError(f"{where}: expected 'video,timestamp', not {len(fields)} columns.")
        return line, (fields[0], _numbers(fields, 1, 2, where)[0])

    return _parsed(path, "file of excluded timestamps", parse)


def read_sources(path: Path) -> dict[str, Source]:
    """Return what a csv of ``video,path,fps,first_timestamp`` says, by video.

    Raises:
        DataError: The file is missing, a line is not of this form, or a video stands there twice.
    """
    return dict(_sound(parse_sources(path)))


def parse_sources(path: Path) -> Iterator[tuple[str, Source] | DataError]:
    """Yield what :func:`read_sources` gathers, or a line's error."""
    columns = ("video", "path", "fps", "first_timestamp")
    known: set[str] = set()

    def parse(line: int, fields: list[str], where: str) -> tuple[str, Source]:
        if len(fields) != len(columns):
            raise DataError(f"{where}: expected '{','.join(columns)}', not {len(fields)} columns.")
        video, folder = fields[:2]
        fps, first = _numbers(fields, 2, 4, where, columns)
        if fps <= 0:
            raise DataError(f"{where}, column 3 (fps): expected more than 0, not '{fields[2]}'.")
        if video in known:
            raise DataError(f"{where}: video '{video}' stands there a second time; remove a line.")
        known.add(video)
        return video, Source(folder, fps, first)

    return _parsed(path, "file of video sources", parse)


def read_proposals(path: Path) -> Proposals:
    """Return the person boxes of every moment, (n, 5) float32: box and score, in the file's order.

    - ``.pkl``: the published ``{"video,0902": array (n, 5)}``, in which nothing is executed;
    - ``.npz``: arrays of the same names;
    - ``.csv``: ``video,timestamp,x1,y1,x2,y2,score``.

    Where there is no score it is 1.

    Raises:
        DataError: The file is missing, damaged or refused, or holds something else.
    """
    return dict(_sound(parse_proposals(path)))


def parse_proposals(
    path: Path,
) -> Iterator[tuple[Moment, npt.NDArray[np.float32]] | DataError]:
    """Yield what :func:`read_proposals` gathers, or the error of an entry or a line.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    if not path.is_file():
        raise DataError(f"There is no proposals file {path}. {_PROPOSALS}.")
    if path.suffix in (".pkl", ".pickle", ".npz"):
        try:
            content = _load(path)
        except Exception as error:  # a hostile file can raise nearly anything
            reason = str(error).rstrip(".") or type(error).__name__
            raise DataError(
                f"{path} is a damaged or refused proposals file: {reason}. {_PROPOSALS}."
            ) from error
        if not isinstance(content, dict):
            raise DataError(f"{path} was refused: it holds {content!r:.80}. {_PROPOSALS}.")
        for key, value in content.items():
            try:
                entry = _moment(key, path), _boxes(key, value, path)
            except DataError as error:
                yield error
            else:
                yield entry
        return

    def parse(line: int, fields: list[str], where: str) -> tuple[Moment, tuple[float, ...]]:
        if len(fields) not in (6, 7):
            raise DataError(f"{where}: {len(fields)} columns. {_PROPOSALS}.")
        columns = (*_COLUMNS[:6], "score")
        time, *numbers = _numbers(fields, 1, len(fields), where, columns)
        return (fields[0], time), tuple([*numbers, 1.0][:5])

    found: dict[Moment, list[tuple[float, ...]]] = {}
    for item in _parsed(path, "proposals file", parse):
        if isinstance(item, DataError):
            yield item
        else:
            found.setdefault(item[0], []).append(item[1])
    yield from ((moment, np.array(boxes, np.float32)) for moment, boxes in found.items())


def _load(path: Path) -> object:
    if path.suffix != ".npz":
        return plain(unpickle(path.read_bytes()))
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _moment(key: object, path: Path) -> Moment:
    video, comma, time = key.rpartition(",") if isinstance(key, str) else ("", "", "")
    seconds = _as_number(time)
    if not comma or not video or seconds is None:
        raise DataError(f"{path}: {key!r:.80} names no video and timestamp. {_PROPOSALS}.")
    return video, seconds


def _boxes(key: object, value: object, path: Path) -> npt.NDArray[np.float32]:
    if isinstance(value, list):
        try:
            value = np.array(value, np.float32)
        except (TypeError, ValueError):
            value = None
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise DataError(f"{path}: {key!r:.80} is refused, it is no array of numbers. {_PROPOSALS}.")
    if not value.size:
        return np.empty((0, 5), np.float32)
    with np.errstate(over="ignore"):  # what is beyond single precision is not finite
        value = value.astype(np.float32)
    if value.ndim != 2 or value.shape[1] not in (4, 5) or not np.isfinite(value).all():
        raise DataError(
            f"{path}: {key!r:.80} is an array of shape {value.shape}, or not finite. {_PROPOSALS}."
        )
    boxes = np.ones((len(value), 5), np.float32)
    boxes[:, : value.shape[1]] = value
    return boxes


def _parsed(
    path: Path, what: str, parse: Callable[[int, list[str], str], T]
) -> Iterator[T | DataError]:
    """Yield what ``parse`` makes of the number, the fields and the place of every line.

    Empty lines and a header are passed over. A line is read by itself, so that a quotation mark
    that is never closed takes no others with it.
    """
    for number, line in enumerate(read_text(path, what).split("\n"), start=1):
        try:
            fields = _fields(line, f"{path}:{number}")
            header = number == 1 and len(fields) > 1 and _as_number(fields[1]) is None
            if not any(fields) or (header and fields[0].lower() in ("video", "video_id")):
                continue
            if not fields[0]:
                raise DataError(f"{path}:{number}, column 1 (video): it is empty.")
            if len(fields[0]) > _LONGEST_NAME:
                raise DataError(
                    f"{path}:{number}, column 1 (video): a name of {len(fields[0])} characters; "
                    f"expected at most {_LONGEST_NAME}."
                )
            item = parse(number, fields, f"{path}:{number}")
        except DataError as error:
            yield error
        else:
            yield item


def _fields(line: str, where: str) -> list[str]:
    try:
        fields = next(csv.reader([line]), []) if '"' in line else line.split(",")
    except csv.Error as error:
        raise DataError(f"{where}: this is no csv: {error}.") from error
    return [field.strip() for field in fields]


def _sound(items: Iterable[T | DataError]) -> Iterator[T]:
    """Yield the items up to the first error, which is raised."""
    for item in items:
        if isinstance(item, DataError):
            raise item
        yield item


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _numbers(
    fields: list[str], first: int, last: int, where: str, columns: Sequence[str] = _COLUMNS
) -> list[float]:
    """Return the fields ``first`` to ``last``, not included, as finite numbers."""
    try:
        numbers = [float(field) for field in fields[first:last]]
        if all(map(isfinite, numbers)):
            return numbers
    except ValueError:
        pass
    column = next(c for c in range(first, last) if _as_number(fields[c]) is None)
    raise DataError(
        f"{where}, column {column + 1} ({columns[column]}): expected a number, "
        f"not {fields[column]!r:.40}."
    )


def _whole(fields: list[str], column: int, where: str) -> int:
    if fields[column].isdecimal() and len(fields[column]) < 10:
        return int(fields[column])
    (number,) = _numbers(fields, column, column + 1, where)
    if number != int(number):
        raise DataError(
            f"{where}, column {column + 1} ({_COLUMNS[column]}): expected a whole number, "
            f"not {fields[column]!r:.40}."
        )
    return int(number)
