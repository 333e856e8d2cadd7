"""Persons and their actions on the frames of a video.

Every track has a colour, and every person a panel of actions beside the box, within the frame.
Between key frames boxes move along straight lines.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from praxiscope.apps.actors import Actor, Moment
from praxiscope.apps.render import Panel, draw, encode, even_sides, lay_out
from praxiscope.apps.streams import TimedFrame
from praxiscope.apps.tracks import between
from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.types import Frame

Colour = tuple[int, int, int]
Corners = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels
Integers = npt.NDArray[np.int64]

# Seven colours that people tell apart whatever their colour vision, without the black.
# Source: Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
EDGE = (16, 18, 22)  # a dark line around every coloured one, so that it shows on any ground
TICK = Fraction(1, 90_000)
_PRESET = "veryfast"  # encoding takes most of the time that a GPU leaves
LONGEST_LINE_SECONDS = 2.0  # between key frames farther apart nobody knows where a person was
HOLD_SECONDS = 0.5  # how long a box stays before and after a key frame that stands alone


@dataclass(frozen=True)
class Style:
    """What is written beside a person: at most ``top`` actions of probability ``threshold``."""

    threshold: float = 0.3
    top: int = 3


def annotate_actions(
    target: Path,
    frames: Iterable[TimedFrame],
    moments: Iterator[Moment],
    *,
    fps: float,
    style: Style | None = None,
    crf: int = 20,
) -> int:
    """Write an h264 mp4 of ``frames`` with the persons of ``moments``; return how many frames.

    Both are read as they are needed, ``moments`` one ahead of the frames, and none is kept. The
    pictures keep size (a row or column is repeated where it is odd) and time. ``target`` is
    complete or untouched.

    Args:
        fps: About the frames' rate.
        crf: The x264 quality, lower is better.

    Raises:
        PraxiscopeError: ``target`` is no .mp4, or cannot be written.
    """
    if target.suffix.lower() != ".mp4":
        raise PraxiscopeError(f"{target}: annotated videos are written as .mp4.")
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        # By name, because FFmpeg opens the file again to move the index to the front.
        images = draw_actions(frames, moments, style or Style())
        rate = Fraction(fps).limit_denominator(1001)
        count = encode(file.name, images, rate=rate, tick=TICK, crf=crf, preset=_PRESET)
        if not count:
            raise PraxiscopeError(f"{target} is not written: there was no picture before the stop.")

    write_atomically(target, write)
    return count


def draw_actions(
    frames: Iterable[TimedFrame], moments: Iterator[Moment], style: Style
) -> Iterator[tuple[int, Frame]]:
    """Yield the time of every frame, in ticks of 1/90,000 s, and its picture with what is known."""
    before: Moment | None = None
    after = next(moments, None)
    labels: dict[tuple[float, int], Panel] = {}
    last = -1
    for frame in frames:
        while after is not None and after.seconds <= frame.seconds:
            before, after = after, next(moments, None)
            kept = {moment.seconds for moment in (before, after) if moment}
            labels = {key: panel for key, panel in labels.items() if key[0] in kept}
        image = even_sides(frame.picture())
        shown = actors_at(frame.seconds, before, after)
        panel = partial(_label, image.shape[0], image.shape[1], style, labels)
        draw_actors(image, [(actor, panel(moment, actor)) for moment, actor in shown])
        last = max(last + 1, round(frame.seconds / TICK))
        yield last, image


def actors_at(
    seconds: float, before: Moment | None, after: Moment | None
) -> list[tuple[Moment, Actor]]:
    """Return who is seen at a time between two key frames, with the nearer of the two.

    Boxes move as :func:`praxiscope.apps.tracks.between` says. Where key frames are more than
    :data:`LONGEST_LINE_SECONDS` apart, a box stays for :data:`HOLD_SECONDS` and does not move.
    """
    known = [moment for moment in (before, after) if moment is not None]
    if not known:
        return []
    near = min(known, key=lambda moment: abs(seconds - moment.seconds))
    if before is None or after is None or after.seconds - before.seconds > LONGEST_LINE_SECONDS:
        held = abs(seconds - near.seconds) <= HOLD_SECONDS
        return [(near, actor) for actor in near.actors] if held else []
    share = (seconds - before.seconds) / (after.seconds - before.seconds)
    boxes = between(
        {actor.track: actor.box for actor in before.actors},
        {actor.track: actor.box for actor in after.actors},
        share,
    )
    return [
        (near, replace(actor, box=boxes[actor.track]))
        for actor in near.actors
        if actor.track in boxes
    ]


def track_colour(track: int) -> Colour:
    """Return the colour of a track, which counts from 1."""
    return PALETTE[(track - 1) % len(PALETTE)]


def draw_actors(image: Frame, actors: list[tuple[Actor, Panel]]) -> None:
    """Draw boxes and panels onto an RGB image (H, W, 3), in place."""
    height, width = image.shape[:2]
    thick = max(2, round(min(height, width) / 240))
    boxes = [_pixels(actor, height, width) for actor, _ in actors]
    for (actor, _), (x1, y1, x2, y2) in zip(actors, boxes, strict=True):
        cv2.rectangle(image, (x1, y1), (x2, y2), EDGE, thick + 2)
        cv2.rectangle(image, (x1, y1), (x2, y2), track_colour(actor.track), thick)
    taken: list[Corners] = []
    for (actor, panel), box in zip(actors, boxes, strict=True):
        if not panel.rows:
            continue
        left, top = place(panel, box, taken, height, width)
        taken.append((left, top, left + panel.width, top + panel.height))
        draw(replace(panel, left=left, top=top), image)
        cv2.rectangle(
            image, (left, top), (left + 2 * thick - 1, top + panel.height - 1),
            track_colour(actor.track), -1,
        )  # fmt: skip


def place(
    panel: Panel, box: Corners, taken: list[Corners], height: int, width: int
) -> tuple[int, int]:
    """Return left and top of a panel: above the box, below, beside or in it, over no other one.

    It is within the frame wherever it fits into it at all. Where there is no free place it covers
    as little of others as can be.
    """
    x1, y1, x2, y2 = box
    wide, high = panel.width, panel.height
    choices = [(x1, y1 - high), (x1, y2 + 1), (x2 + 1, y1), (x1 - wide, y1), (x1, y1), (x1, y2)]
    choices += [(x1, above - high) for _, above, _, _ in taken]  # on top of another panel
    choices += [(x1, below) for _, _, _, below in taken]
    # All at once: in a crowd there are as many choices as panels, for every panel.
    wanted = np.array(choices, np.int64)
    inside = np.clip(wanted, 0, np.maximum([width - wide, height - high], 0))
    moved = np.abs(inside - wanted).sum(axis=1)
    corners = np.hstack([inside, inside + np.array([wide, high])])
    covered = _overlap(corners, taken).sum(axis=1)
    hidden = _overlap(corners, [box])[:, 0]
    hidden[4:] = wide * high
    left, top = inside[int((covered * 1000 + hidden + moved).argmin())].tolist()
    return left, top


def _overlap(a: Integers, b: list[Corners]) -> Integers:
    """Return how many pixels boxes (A, 4) and (B, 4) share, (A, B)."""
    one, other = a[:, None], np.array(b, np.int64).reshape(-1, 4)
    sides = np.minimum(one[..., 2:], other[:, 2:]) - np.maximum(one[..., :2], other[:, :2])
    return np.asarray(np.maximum(sides, 0).prod(axis=2), np.int64)


def _pixels(actor: Actor, height: int, width: int) -> Corners:
    """Return the corners of a box, on the frame's border where it reaches out of it."""
    x1, y1, x2, y2 = np.clip(actor.box, 0, 1) * (width - 1, height - 1, width - 1, height - 1)
    return round(float(x1)), round(float(y1)), round(float(x2)), round(float(y2))


def _label(
    height: int,
    width: int,
    style: Style,
    labels: dict[tuple[float, int], Panel],
    moment: Moment,
    actor: Actor,
) -> Panel:
    """Return the panel of a person, laid out once for every key frame."""
    key = moment.seconds, actor.track
    if key not in labels:
        lines = actor.top(style.top, style.threshold)
        # Half the size of a panel that stands alone, but no smaller than can be read.
        panel = lay_out(lines, max(round(0.62 * height), 200), max(round(0.8 * width), 1))
        red, green, blue = (round(0.5 * part) for part in track_colour(actor.track))
        labels[key] = replace(panel, bar=(red, green, blue))
    return labels[key]
