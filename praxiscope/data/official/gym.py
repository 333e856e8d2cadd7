"""GYM99: the elements of FineGym, cut from the events of competitions.

``gym99_train_element_v1.0.txt`` has lines of ``A0xAXXysHUo_E_002184_002237_A_0035_0036 93``: a
video, seconds of an event in it, seconds of an element in that, and the label. When exactly these
begin and end says ``finegym_annotation_info_v1.0.json``; ``gym99_categories.txt`` names the
classes.

Source: https://sdolivia.github.io/FineGym/
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from praxiscope.data.list_formats import read_text
from praxiscope.data.official.reading import (
    Listed,
    Subset,
    check_classes,
    find_file,
    read_lines,
    unique,
)
from praxiscope.errors import DataError

NUM_CLASSES = 99
MAX_BYTES = 2**28  # of the JSON file, which is read as a whole
LISTS = {
    "train": (
        "gym99_train_element_v1.0.txt",
        "gym99_train_element_v1.1.txt",
        "gym99_train_org.txt",
    ),
    "val": ("gym99_val_element.txt", "gym99_val_org.txt"),
}
TIMES = (
    "finegym_annotation_info_v1.0.json",
    "finegym_annotation_info_v1.1.json",
    "annotation.json",
)
CATEGORIES = "gym99_categories.txt"
_NAME = re.compile(r"([A-Za-z0-9_-]{11})_(E_\d{6}_\d{6})_(A_\d{4}_\d{4})")
_CATEGORY = re.compile(r"Clabel:\s*(\d+);\s*set:\s*\d+;\s*Glabel:\s*\d+;\s*(\S.*)")


class Element(NamedTuple):
    """What is cut: ``start`` to ``end`` are seconds of the whole video."""

    name: str  # {video}_{event}_{element}
    video: str
    start: float
    end: float


def read_gym99(folder: Path, split: Literal["train", "val"]) -> Subset:
    """Return a split of GYM99. The classes are () without ``gym99_categories.txt``.

    Raises :class:`DataError` naming the file and the line that is not of the official form.
    """
    path = find_file(folder, LISTS[split], f"list of {split} elements")
    classes = read_categories(folder / CATEGORIES) if (folder / CATEGORIES).is_file() else ()
    videos = unique(_read_list(path), path)
    times = next((folder / name for name in TIMES if (folder / name).is_file()), None)
    if times is not None:
        known = {element.name for element in read_elements(times)}
        note = f"{times.name} has no such element"
        videos = tuple(v if v.name in known else v._replace(note=note) for v in videos)
    return Subset(videos, classes)


def _read_list(path: Path) -> Iterator[Listed]:
    for where, line in read_lines(path):
        name, _, label = line.partition(" ")
        if not _NAME.fullmatch(name) or not re.fullmatch(r"\s*[0-9]{1,2}", label):
            raise DataError(
                f"{where}: expected '<video>_E_<6 digits>_<6 digits>_A_<4 digits>_<4 digits> "
                f"<label below {NUM_CLASSES}>', not {line[:80]!r}."
            )
        if int(label) >= NUM_CLASSES:
            raise DataError(f"{where}: label {int(label)} is outside 0 .. {NUM_CLASSES - 1}.")
        yield Listed(where, name, int(label))


def read_categories(path: Path) -> tuple[str, ...]:
    """Return the names of the 99 classes by label, from ``Clabel: 0; set: 1; Glabel: 1; name``."""
    names: list[str] = []
    for where, line in read_lines(path):
        found = _CATEGORY.fullmatch(line)
        if not found or int(found[1]) != len(names):
            raise DataError(
                f"{where}: expected 'Clabel: {len(names)}; set: 1; Glabel: 1; name', "
                f"not {line[:80]!r}."
            )
        names.append(found[2])
    check_classes(names, NUM_CLASSES, path)
    return tuple(names)


def read_elements(path: Path) -> Iterator[Element]:
    """Yield all elements of the JSON file of times, of GYM99 and others.

    The file has ``{video: {event: {"timestamps": [[start, end]], "segments": {element:
    {"timestamps": [[start, end], ...]}} or null}}}``: an event in seconds of the video, the stages
    of an element in seconds of the event.

    Whether an end is after its start is not checked.

    Raises :class:`DataError` naming the video, event and element that are not of this form.
    """
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: this is another file.")
    try:
        videos = json.loads(read_text(path, "annotation file"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}.") from error
    for video, events in _items(videos, f"{path}"):
        for event, fields in _items(events, f"{path}, video {video}"):
            where = f"{path}, {video}_{event}"
            begin, _ = _span(fields, where)
            for element, stages in _items(fields.get("segments") or {}, where):
                name = f"{video}_{event}_{element}"
                start, end = _span(stages, f"{path}, {name}")
                if not _NAME.fullmatch(name):
                    raise DataError(f"{path}: {name[:80]!r} is no name of an element.")
                yield Element(name, video, begin + start, begin + end)


def _items(value: Any, where: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise DataError(f"{where[:200]}: expected a JSON object.")
    return list(value.items())


def _span(fields: Any, where: str) -> tuple[float, float]:
    """Return the first second of the first stage, and the last of the last one."""
    stages = fields.get("timestamps") if isinstance(fields, dict) else None
    if isinstance(stages, list) and stages and all(isinstance(s, list) for s in stages):
        times = [time for stage in stages for time in stage]
        right = all(type(time) in (int, float) and 0 <= time < math.inf for time in times)
        if right and all(len(stage) == 2 for stage in stages):
            return float(times[0]), float(times[-1])
    raise DataError(f'{where[:200]}: expected "timestamps": [[start, end]] in seconds.')
