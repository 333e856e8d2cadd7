"""Label Studio's JSON export of video object tracking: ``videorectangle`` with a ``sequence``.

A sequence holds key frames, counted from 1 at Label Studio's own rate, with boxes in per cent.
Between two of them a box moves steadily. One with ``"enabled": false`` is the last of its lifespan;
without such a one a person stays to the end of the video. What annotators chose for a region, and
parts of the time line with labels, are attributes by the name of their control.

Source: https://labelstud.io/tags/videorectangle, https://labelstud.io/guide/export
"""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.imports.fields import load_json, mapping, number, sequence, text
from praxiscope.data.imports.tracks import (
    MAX_FRAME,
    Attributes,
    Box,
    Clip,
    Found,
    Left,
    Segment,
    State,
    Stretch,
    Track,
    enclosing,
)
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import DataError


def read_label_studio(path: Path, videos: Videos) -> Iterator[Found]:
    """Yield the tracks of all tasks.

    Of several annotations of a task the first is taken that is the ground truth, or else the first
    that was not cancelled. Predictions are not read.

    Raises:
        DataError: The file is no such JSON, or a value is none; with the task and the region.
    """
    tasks = load_json(path)
    for place, item in enumerate(tasks if isinstance(tasks, list) else [tasks]):
        where = f"{path}, task {place + 1}"
        task = mapping(item, "it", where)
        if "id" in task:
            where = f"{path}, task {text(task['id'])[:40]}"
        if "annotations" not in task:
            raise DataError(
                f"{where}: it has no 'annotations'; export as JSON, not as JSON-MIN or CSV."
            )
        yield from _read_task(task, where, videos)


def _read_task(task: dict[str, Any], where: str, videos: Videos) -> Iterator[Found]:
    given = [
        mapping(one, "an annotation", where)
        for one in sequence(task["annotations"], "annotations", where)
    ]
    left = [one for one in given if not one.get("was_cancelled")]
    left.sort(key=lambda one: not one.get("ground_truth"))
    for _ in left[1:]:
        yield Left("further annotations of a task", where)
    if not left:
        yield Left("tasks that nobody annotated", where)
        return
    regions = [
        mapping(one, "a region", where)
        for one in sequence(left[0].get("result", []), "result", where)
    ]
    values = [mapping(one.get("value", {}), "value", where) for one in regions]
    kinds = [text(one.get("type", "")) for one in regions]
    tracked = {
        text(one.get("id")) for one, kind in zip(regions, kinds, strict=True) if kind == _KIND
    }
    said: dict[str, dict[str, tuple[str, ...]]] = {}
    for region, value, kind in zip(regions, values, kinds, strict=True):
        names = _texts(value.get(kind))
        if kind != _KIND and names and text(region.get("id")) in tracked:
            said.setdefault(text(region.get("id")), {})[_control(region)] = names
    rates = (_rate(value, where) for value in values)
    rate = next((one for one in rates if one is not None), None)
    person = 0
    for region, value, kind in zip(regions, values, kinds, strict=True):
        number_of = text(region.get("id"))
        at = f"{where}, region {number_of[:40]}"
        names = _texts(value.get(kind))
        if kind == _KIND:
            clip = videos.clip(_video(task, at), at, fps=rate)
            if clip is not None:
                scale = clip.fps / (rate or clip.fps)
                yield from _tracks(value, at, clip, scale, person, said.get(number_of, {}), where)
            person += 1
        elif names and number_of not in tracked:
            clip = videos.clip(_video(task, at), at, fps=rate)
            if clip is not None:
                scale = clip.fps / (rate or clip.fps)
                yield from _segments(value, at, clip, scale, {_control(region): names})
        elif not names:
            yield Left(f"regions of the kind '{kind}'", at)


_KIND = "videorectangle"


def _video(task: dict[str, Any], where: str) -> str:
    """Return the address of a task's video, under whatever name the project has it."""
    data = mapping(task.get("data", {}), "data", where)
    found = [one for one in (data.get("video"), data.get("video_url")) if isinstance(one, str)]
    found += [
        one
        for one in data.values()
        if isinstance(one, str) and one.lower().endswith(tuple(VIDEO_SUFFIXES))
    ]
    if not found:
        raise DataError(f"{where}: 'data' of its task names no video.")
    return found[0]


def _rate(value: dict[str, Any], where: str) -> float | None:
    """Return how many frames a second Label Studio counted, if the region says so."""
    if not value.get("framesCount") or not value.get("duration"):
        return None
    frames = number(value["framesCount"], "framesCount", where, least=1, most=MAX_FRAME)
    return frames / number(value["duration"], "duration", where, least=1e-3)


def _tracks(
    value: dict[str, Any],
    where: str,
    clip: Clip,
    scale: float,
    person: int,
    said: Attributes,
    source: str,
) -> Iterator[Track]:
    """Yield a track for each lifespan; ``scale`` is what a frame of Label Studio's is in others."""
    labels = _texts(value.get("labels"))
    keys = [
        mapping(one, "a key frame", where)
        for one in sequence(value.get("sequence"), "sequence", where)
    ]
    frames = [_place(key.get("frame"), "frame", where) for key in keys]
    stretch = Stretch()
    for frame, key in sorted(zip(frames, keys, strict=True), key=lambda one: one[0]):
        enabled = key.get("enabled", True) is not False
        if enabled or stretch.states:
            stretch.add(State(frame * scale, _box(key, clip, where), said))
        if not enabled and stretch.states:
            yield Track(clip, person, stretch.take(), where, labels, None, source)
    if stretch.states:
        end = None
        if value.get("framesCount"):
            count = number(value["framesCount"], "framesCount", where, least=1, most=MAX_FRAME)
            end = max(count * scale, stretch.states[-1].frame)
        yield Track(clip, person, stretch.take(), where, labels, end, source)


def _segments(
    value: dict[str, Any], where: str, clip: Clip, scale: float, said: Attributes
) -> Iterator[Segment]:
    """Yield the parts of the time line, or the whole video, that something is said of."""
    if "ranges" not in value:
        yield Segment(clip, 0, inf, said, where)
        return
    for item in sequence(value["ranges"], "ranges", where):
        part = mapping(item, "a range", where)
        start, end = (_place(part.get(name), name, where) for name in ("start", "end"))
        yield Segment(clip, start * scale, (end + 1) * scale, said, where)


def _place(value: object, what: str, where: str) -> float:
    """Return a frame counted from 0."""
    return number(value, what, where, least=0, most=MAX_FRAME) - (value != 0)


def _box(key: dict[str, Any], clip: Clip, where: str) -> Box:
    x, y, width, height = (number(key.get(n), n, where) for n in ("x", "y", "width", "height"))
    turn = number(key.get("rotation", 0) or 0, "rotation", where)
    across, down = clip.size or (1.0, 1.0)  # a turn is one of pixels
    box = (x * across, y * down, (x + width) * across, (y + height) * down)
    x1, y1, x2, y2 = enclosing(box, turn, box[:2])
    return x1 / across / 100, y1 / down / 100, x2 / across / 100, y2 / down / 100


def _texts(value: object) -> tuple[str, ...]:
    """Return the texts of a list; nothing where it is none."""
    items = value if isinstance(value, list) else []
    return tuple(text(one) for one in items if isinstance(one, str) and text(one))


def _control(region: dict[str, Any]) -> str:
    return text(region.get("from_name", region.get("type", "")))
