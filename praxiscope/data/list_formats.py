"""The published formats of annotation lists: lines of text, and JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from praxiscope.errors import DataError, did_you_mean


class Entry(NamedTuple):
    """What a list says of one video, not yet checked against the classes."""

    where: str  # the file and its line, for messages
    path: str
    labels: tuple[int, ...]
    start: int = 0
    num_frames: int | None = None
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Form:
    """Which fields a list has."""

    frames: bool  # folders of frame images, with their number
    with_offset: bool  # an offset before the number of frames
    multi_label: bool

    @property
    def num_counts(self) -> int:
        """Numbers between the path and the labels."""
        return 0 if not self.frames else 2 if self.with_offset else 1

    @property
    def line(self) -> str:
        """What a line looks like."""
        start = "folder offset num_frames" if self.with_offset else "folder num_frames"
        labels = "label [label ...]" if self.multi_label else "label"
        return f"{start if self.frames else 'path'} {labels}"

    @property
    def item(self) -> str:
        """What an object of a JSON list looks like."""
        start = (
            '"frame_dir": a path, "total_frames": a number' if self.frames else '"filename": a path'
        )
        return f'{{{start}, "label": {"a list of numbers" if self.multi_label else "a number"}}}'


def parse_lines(text: str, form: Form, file: Path) -> Iterator[Entry]:
    """Yield the entries of a text list; :class:`DataError` at the first line not of its form."""
    least = form.num_counts + 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        # a path may hold spaces and numbers: only the line's end is taken for numbers
        count = max(trailing_numbers(line), least) if form.multi_label else least
        path, *fields = line.strip().rsplit(None, count)
        numbers = _whole_numbers(fields)
        counts, labels = numbers[: least - 1], numbers[least - 1 :]
        where = f"{file}:{number}"
        if not labels or min(counts, default=0) < 0:
            raise DataError(f"{where}: expected '{form.line}', not {line.strip()[:80]!r}.")
        start = counts[0] if form.with_offset and counts else 0
        yield Entry(where, path, labels, start, counts[-1] if counts else None)


def _whole_numbers(fields: list[str]) -> tuple[int, ...]:
    """Return the fields as numbers, or nothing if one of them is none."""
    try:
        return tuple(map(int, fields))
    except ValueError:
        return ()


def trailing_numbers(line: str) -> int:
    """Count the whole numbers at the line's end; the first field is the path, whatever it is."""
    count = 0
    for field in reversed(line.split()[1:]):
        if not field.lstrip("+-").isdecimal():
            break
        count += 1
    return count


def parse_json(text: str, form: Form, file: Path) -> Iterator[Entry]:
    """Yield the entries of a JSON list; :class:`DataError` at the first item not of its form."""
    for index, item in enumerate(read_json_list(text, file, form.item)):
        where = f"{file}, item {index}"
        fields = item if isinstance(item, dict) else {}
        path = fields.get("frame_dir", fields.get("filename"))
        label = fields.get("label")
        labels: list[Any] = label if isinstance(label, list) else [label]
        counts = [fields.get("offset", 0), fields.get("total_frames")] if form.frames else []
        right = (
            isinstance(path, str)
            and all(type(count) is int and count >= 0 for count in counts)
            and all(type(label) is int for label in labels)
            and (form.multi_label or len(labels) == 1)
        )
        if not right:
            raise DataError(f"{where}: expected {form.item}, not {json.dumps(item)[:80]}.")
        yield Entry(where, str(path), tuple(labels), *counts)


def read_json_list(text: str, file: Path, item: str) -> list[Any]:
    """Return the items of a JSON list; :class:`DataError`, with what an item is, if it is none."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON: {error}.") from error
    if not isinstance(items, list):
        raise DataError(f"{file}: expected a JSON list of objects {item}.")
    return items


def numbered_name(template: str, number: int, *parts: str) -> str | None:
    """Return a file name; None if the template has no place for the number after ``parts``."""
    try:
        name = template.format(*parts, number)
        return None if name == template.format(*parts, number + 1) else name
    except (AttributeError, IndexError, KeyError, ValueError):
        return None


def read_text(path: Path, what: str) -> str:
    r"""Return a UTF-8 file without its byte order mark, all line ends as ``\n``.

    Raises :class:`DataError`, with the nearest name in the folder, where it does not exist.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"There is no {what} {path}.{did_you_mean(path.name, siblings)} "
            "Prepare the dataset as docs/en/data_preparation.md says, or correct the recipe."
        ) from error
    except (OSError, ValueError) as error:
        kind = f"{'an' if what[0] in 'aeio' else 'a'} {what}"
        raise DataError(f"{path}: cannot be read as {kind} in UTF-8: {error}.") from error
