"""A csv of boxes in any order of columns, one person at one moment a line."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from praxiscope.data.ava_checks import FARTHEST, NEAREST
from praxiscope.data.imports.fields import load_text, number, text
from praxiscope.data.imports.persons import Seen, as_tracks
from praxiscope.data.imports.tracks import MAX_FRAME, Box, Found, State, nearest
from praxiscope.data.imports.videos import Videos, shares
from praxiscope.errors import DataError, RecipeError, did_you_mean

# What columns are called, unless --columns says otherwise.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "video_id", "file", "filename", "video_name"),
    "timestamp": ("timestamp", "time", "seconds", "second"),
    "frame": ("frame", "frame_id", "frame_number", "frame_index"),
    "x1": ("x1", "xmin", "left", "xtl"),
    "y1": ("y1", "ymin", "top", "ytl"),
    "x2": ("x2", "xmax", "right", "xbr"),
    "y2": ("y2", "ymax", "bottom", "ybr"),
    "x": ("x",),
    "y": ("y",),
    "width": ("width", "w"),
    "height": ("height", "h"),
    "label": ("label", "action", "class", "activity"),
    "person": ("person", "person_id", "track", "track_id"),
}
FIELDS = tuple(_HEADERS)
_CORNERS, _SIDES = ("x1", "y1", "x2", "y2"), ("x", "y", "width", "height")


def read_table(
    path: Path,
    videos: Videos,
    *,
    columns: Mapping[str, str],
    max_gap: float,
    first_timestamp: float,
) -> Iterator[Found]:
    """Yield the tracks of a csv with a header; the separator is a comma, semicolon or tab.

    Lines of one person at one moment are one person of several labels. All columns that are none of
    :data:`FIELDS` are attributes by their headers.

    Args:
        path: The file.
        videos: Finds them; if it has a size, boxes are in pixels, and otherwise shares.
        columns: Headers by fields, where they are called otherwise.
        max_gap: Seconds between two moments of a person that are interpolated at most.
        first_timestamp: The time of the first frame; a number of a frame counts from 0.

    Raises:
        DataError: A column is missing, or a value is no number; with the line and the column.
    """
    lines = load_text(path).split("\n")
    separator = max(",;\t", key=lines[0].count)
    reader = csv.reader(lines, delimiter=separator)
    moments: dict[tuple[object, ...], Seen] = {}
    try:
        heads = [text(head) for head in next(reader, [])]
        places = _places(heads, columns, path)
        others = [place for place in range(len(heads)) if place not in places.values()]
        for fields in reader:
            if not any(fields):
                continue
            where = f"{path}:{reader.line_num}"
            if len(fields) != len(heads):
                raise DataError(f"{where}: {len(fields)} columns; the header has {len(heads)}.")
            values = {field: fields[place].strip() for field, place in places.items()}
            clip = videos.clip(values["video"], where)
            if clip is None:
                continue
            if "frame" in values:
                frame = number(values["frame"], "frame", where, least=0, most=MAX_FRAME)
            else:
                time = number(values["timestamp"], "timestamp", where) - first_timestamp
                frame = time * clip.fps
                if not -0.5 <= frame <= MAX_FRAME:
                    raise DataError(
                        f"{where}: {values['timestamp']} lies outside the video, whose first frame "
                        f"is at {first_timestamp:g} s; give --first-timestamp."
                    )
            frame, box = nearest(frame), _box(values, where)
            if videos.size is not None:
                box = shares(box, clip._replace(size=videos.size), where)
            elif min(box) < NEAREST or max(box) > FARTHEST:
                raise DataError(
                    f"{where}: expected the box as shares of the frame; if it is in pixels, give "
                    "--size WIDTHxHEIGHT."
                )
            said: dict[str, tuple[str, ...]] = {
                heads[place]: (text(fields[place]),) for place in others
            }
            said["label"] = (text(values.get("label", "")),)
            person = text(values.get("person", ""))
            person = "" if person == "-1" else person
            key = (clip.name, frame, person or box)
            if key in moments:
                if moments[key].state.box != box:
                    raise DataError(
                        f"{where}: person '{person}' has another box at this moment in an earlier "
                        "line."
                    )
                said = _joined(moments[key].state.attributes, said)
            moments[key] = Seen(clip, person, State(frame, box, said), where)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: this is no csv: {error}.") from error
    yield from as_tracks(moments.values(), max_gap, str(path))


def _places(heads: list[str], columns: Mapping[str, str], path: Path) -> dict[str, int]:
    """Return the column of every field that the file has."""
    lower = [head.lower() for head in heads]
    places = {}
    for field, header in columns.items():
        if field not in _HEADERS:
            raise RecipeError(
                f"--columns: there is no field '{field}'.{did_you_mean(field, FIELDS)} There are "
                f"{', '.join(FIELDS)}."
            )
        if header.lower() not in lower:
            raise DataError(
                f"{path}:1: there is no column '{header}'.{did_you_mean(header, heads)} It has "
                f"{', '.join(heads)}."
            )
        places[field] = lower.index(header.lower())
    for field, names in _HEADERS.items():
        known = [lower.index(name) for name in names if name in lower]
        free = [place for place in known if place not in places.values()]
        if field not in places and free:
            places[field] = free[0]
    corners = all(field in places for field in _CORNERS)
    needed = ["video", *(_CORNERS if corners or "width" not in places else _SIDES)]
    if "frame" not in places:
        needed.append("timestamp")
    for field in needed:
        if field not in places:
            raise DataError(
                f"{path}:1: no column is the {field}; name it with --columns {field}=HEADER. It "
                f"has {', '.join(heads) or 'no header'}."
            )
    for field in set(_CORNERS + _SIDES) - set(needed):
        places.pop(field, None)
    return places


def _box(values: Mapping[str, str], where: str) -> Box:
    given = [number(values[n], n, where) for n in (_CORNERS if "x1" in values else _SIDES)]
    x, y, a, b = given
    return (x, y, a, b) if "x1" in values else (x, y, x + a, y + b)


def _joined(
    one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return what two lines say of a person."""
    return {
        name: tuple(dict.fromkeys((*one.get(name, ()), *other.get(name, ()))))
        for name in {**one, **other}
    }
