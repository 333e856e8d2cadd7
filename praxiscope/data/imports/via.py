"""VGG Image Annotator: video projects of VIA 3 (JSON), and the csv of VIA 2 for frame images.

In a project of VIA 3 ``metadata`` holds parts of the time line (``z``: two seconds) and regions of
single moments (``z``: one second; ``xy``: 2 and x, y, width, height in pixels), with the values
``av`` of the ``attribute``s. What is said of a part is said of everybody in it.

A csv of VIA 2 is of images. Their names have to end in the number of the frame, from 1; what stands
before it, a folder or the start of the name, is the video: ``a/img_00031.jpg``, ``a_00031.jpg``.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/, documentation of the project formats.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from praxiscope.data.imports.fields import load_json, load_text, mapping, number, sequence, text
from praxiscope.data.imports.persons import Seen, as_tracks
from praxiscope.data.imports.tracks import Attributes, Clip, Found, Left, Segment, State
from praxiscope.data.imports.videos import Videos, shares
from praxiscope.errors import DataError

_RECTANGLE = 2
_CHECKBOXES = 2  # of which several may be set: "0,3"
_MAX_SECONDS = 1e6
_IMAGE = re.compile(r"(.*?)(?:[/_.-]+(?:img|image|frame)?|/)_?(\d{1,8})\.(?:jpe?g|png|bmp|webp)")


def read_via(
    path: Path, videos: Videos, *, person_from: str | None, max_gap: float
) -> Iterator[Found]:
    """Yield the tracks and the parts of a project, or of a csv of VIA 2.

    ``person_from`` is the attribute that says who somebody is; without it nobody is followed from
    one moment to the next. Between moments up to ``max_gap`` seconds apart boxes are interpolated.

    Raises:
        DataError: The file is none, or a value is none; with its place.
    """
    seen: list[Seen] = []
    read = _read_csv if path.suffix.lower() == ".csv" else _read_project
    for item in read(path, videos):
        if isinstance(item, Seen):
            said = dict(item.state.attributes)
            person = "".join(said.pop(person_from, ())[:1]) if person_from else ""  # or empty
            seen.append(item._replace(person=person, state=item.state._replace(attributes=said)))
        else:
            yield item
    yield from as_tracks(seen, max_gap, str(path))


def _read_project(path: Path, videos: Videos) -> Iterator[Seen | Segment | Left]:
    project = mapping(load_json(path), "it", str(path))
    if "_via_img_metadata" in project:
        raise DataError(f"{path} is a project of VIA 2: export its annotations as csv.")
    parts = {
        name: mapping(project.get(name), f"'{name}'", str(path))
        for name in ("attribute", "file", "metadata", "view")
    }
    asked = {
        key: mapping(value, "it", f"{path}, attribute {text(key)}")
        for key, value in parts["attribute"].items()
    }
    for key, value in parts["metadata"].items():
        where = f"{path}, metadata {text(key)[:40]}"
        item = mapping(value, "it", where)
        times = [
            number(one, "z", where, least=0, most=_MAX_SECONDS)
            for one in sequence(item.get("z"), "z", where)
        ]
        shape = [number(one, "xy", where) for one in sequence(item.get("xy"), "xy", where)]
        said = _attributes(mapping(item.get("av", {}), "av", where), asked)
        if not times or (shape and (shape[0] != _RECTANGLE or len(shape) != 5)):
            yield Left("marks that are no rectangle at a moment, and no part of time", where)
            continue
        clip = videos.clip(_file(text(item.get("vid")), parts, where), where)
        if clip is None:
            continue
        if shape:
            yield _seen(clip, _shown(times[0], clip), shape[1:], said, where)
        elif len(times) > 1:
            yield Segment(clip, times[0] * clip.fps, times[1] * clip.fps, said, where)
        else:
            frame = _shown(times[0], clip)
            yield Segment(clip, frame, frame + 1, said, where)


def _shown(seconds: float, clip: Clip) -> int:
    """Return the frame that a player shows at a time, which it may round a little down."""
    return int(seconds * clip.fps + 0.01)


def _file(view: str, parts: dict[str, dict[str, Any]], where: str) -> str:
    """Return the name, or the address, of the file that a view shows."""
    shown = mapping(parts["view"].get(view), f"view {view[:40]}", where)
    files = sequence(shown.get("fid_list"), "fid_list", where)
    file = mapping(parts["file"].get(str(files[0]) if files else ""), "its file", where)
    for name in ("fname", "src"):
        if isinstance(file.get(name), str) and file[name]:
            return str(file[name])
    raise DataError(f"{where}: its file has no name.")


def _attributes(given: dict[str, Any], asked: dict[str, dict[str, Any]]) -> Attributes:
    """Return values by the names of attributes; options stand there by their numbers."""
    found = {}
    for key, value in given.items():
        attribute = asked.get(key, {})
        options = attribute.get("options")
        options = options if isinstance(options, dict) else {}
        chosen = str(value).split(",") if attribute.get("type") == _CHECKBOXES else [str(value)]
        names = tuple(text(options.get(one.strip(), one)) for one in chosen)
        found[text(attribute.get("aname") or key)] = tuple(name for name in names if name)
    return found


def _read_csv(path: Path, videos: Videos) -> Iterator[Seen | Left]:
    reader = csv.DictReader(load_text(path).split("\n"))
    needed = {"filename", "region_shape_attributes", "region_attributes"}
    try:
        heads = set(reader.fieldnames or ())
        if not needed <= heads:
            raise DataError(
                f"{path}:1: a csv of VIA 2 has the columns {', '.join(sorted(needed))}, not "
                f"{text(', '.join(sorted(heads)))}."
            )
        for row in reader:
            yield from _read_row(row, f"{path}:{reader.line_num}", videos)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: this is no csv: {error}.") from error


def _read_row(row: dict[str, str], where: str, videos: Videos) -> Iterator[Seen | Left]:
    try:
        shape = mapping(json.loads(row["region_shape_attributes"] or "{}"), "it", where)
        said = mapping(json.loads(row["region_attributes"] or "{}"), "it", where)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: the attributes of the region are no JSON.") from error
    if shape.get("name") != "rect":
        if shape:
            yield Left(f"regions of the kind '{text(shape.get('name'))}'", where)
        return
    image = _IMAGE.fullmatch(row["filename"] or "")
    if image is None or not image[1]:
        raise DataError(
            f"{where}: {text(row['filename'])!r} names no video and frame; expected such as "
            "'VIDEO/img_00031.jpg' or 'VIDEO_00031.jpg'."
        )
    clip = videos.clip(image[1], where)
    if clip is None:
        return
    box = [number(shape.get(n), n, where) for n in ("x", "y", "width", "height")]
    values = {text(name): _chosen(value) for name, value in said.items()}
    yield _seen(clip, max(int(image[2]) - 1, 0), box, values, where)


def _chosen(value: object) -> tuple[str, ...]:
    """Return what was chosen: a text, or of checkboxes ``{"walk": true}``."""
    if isinstance(value, dict):
        return tuple(text(name) for name, chosen in value.items() if chosen)
    return (text(value),)


def _seen(clip: Clip, frame: float, box: list[float], said: Attributes, where: str) -> Seen:
    x, y, width, height = box
    return Seen(
        clip, "", State(frame, shares((x, y, x + width, y + height), clip, where), said), where
    )
