"""Untrimmed videos, cut into parts: their lists, and the names of the parts.

An untrimmed video is a folder of consecutive parts of some seconds, ``part_0.mp4``, ``part_1.mp4``
and so on, a few of which show the video's class: the positive ones.

Source: the released raw Kinetics videos of OmniSource, arXiv:2003.13042.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from praxiscope.data.list_formats import Entry, numbered_name, read_json_list, trailing_numbers
from praxiscope.errors import DataError

Parts = Literal["positive", "all"]

LINE = "folder label num_clips [positive_clip ...]"
ITEM = (
    '{"video_dir": a path, "label": a number, "num_clips": a number, '
    '"positive_clip_inds": a list of numbers}'
)
TEMPLATE = "part_{}.mp4"


def parse_untrimmed(text: str, file: Path, parts: Parts) -> Iterator[Entry]:
    """Yield the entries of a list of untrimmed videos, with the parts that may be drawn.

    Text has one video a line, ``folder label num_clips [positive_clip ...]``, clips counted from 0;
    a file that ends in ``.json`` a list of ``{"video_dir": ..., "label": ..., "num_clips": ...,
    "positive_clip_inds": [...]}``. Where positive ones are asked for, a video without any is left
    out.

    Raises:
        DataError: A line or item is not of this form, or a positive clip is not below num_clips.
    """
    is_json = file.suffix == ".json"
    for where, path, label, num_clips, positive in (
        _json(text, file) if is_json else _text(text, file)
    ):
        outside = [clip for clip in positive if not 0 <= clip < num_clips]
        if outside or num_clips < 1:
            first = f"positive clip {outside[0]} is none of" if outside else "there must be a clip:"
            raise DataError(f"{where}: {first} {num_clips} clips, which count from 0.")
        drawn = positive if parts == "positive" else tuple(range(num_clips))
        if drawn:
            yield Entry(where, path, (label,), parts=drawn)


Fields = tuple[str, str, int, int, tuple[int, ...]]  # where, path, label, num_clips, positive


def _text(text: str, file: Path) -> Iterator[Fields]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        count = trailing_numbers(line)
        if count < 2:
            raise DataError(f"{file}:{number}: expected '{LINE}', not {line.strip()[:80]!r}.")
        path, *fields = line.strip().rsplit(None, count)
        label, num_clips, *positive = map(int, fields)
        yield f"{file}:{number}", path, label, num_clips, tuple(positive)


def _json(text: str, file: Path) -> Iterator[Fields]:
    for index, item in enumerate(read_json_list(text, file, ITEM)):
        fields: dict[str, Any] = item if isinstance(item, dict) else {}
        path, label = fields.get("video_dir"), fields.get("label")
        label = label[0] if isinstance(label, list) and len(label) == 1 else label
        num_clips, positive = fields.get("num_clips"), fields.get("positive_clip_inds", [])
        numbers = [label, num_clips, *(positive if isinstance(positive, list) else [None])]
        if not isinstance(path, str) or not all(type(number) is int for number in numbers):
            raise DataError(f"{file}, item {index}: expected {ITEM}, not {json.dumps(item)[:80]}.")
        yield f"{file}, item {index}", path, numbers[0], numbers[1], tuple(numbers[2:])


def part_path(folder: str, template: str | None, part: int) -> str:
    """Return the file of a part below the list's root; the template's place takes its number."""
    template = template or TEMPLATE
    name = numbered_name(template, part)
    if name is None:
        raise DataError(
            f"The template '{template}' for the parts of untrimmed videos does not fit: "
            f"expected a place for the number, as in {TEMPLATE}."
        )
    return f"{folder}/{name}"
