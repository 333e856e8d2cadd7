"""What every annotation tool says, in one vocabulary: persons in frames of videos.

A reader of a format yields these. Frames count from 0; boxes are x1, y1, x2, y2 as shares of the
frame, not yet clipped to it.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, cos, floor, radians, sin
from typing import NamedTuple

Box = tuple[float, float, float, float]
Attributes = Mapping[str, tuple[str, ...]]  # what an annotator said, by what was asked

MAX_FRAME = 10_000_000  # 93 hours at 30 frames a second


class Clip(NamedTuple):
    """A video, as its file or the export describes it."""

    name: str  # in the lists that are written
    path: str  # below the root
    fps: float
    num_frames: int | None  # None: there is no file to count them in
    size: tuple[float, float] | None  # width and height in pixels, if anything says


class State(NamedTuple):
    """A person at one moment; what is said holds until the next one."""

    frame: float  # moments between two frames are possible
    box: Box
    attributes: Attributes


@dataclass(frozen=True)
class Track:
    """A person from the first to the last moment of being in view without a break.

    A person who leaves and comes back has two tracks of one number.
    """

    clip: Clip
    person: int
    states: tuple[State, ...]  # one or more, their frames rising
    where: str  # the file and the place in it
    labels: tuple[str, ...] = ()  # that hold for the whole track
    end: float | None = None  # up to which frame, not included, the last state holds; None: its own
    source: str = ""  # where its number is its own: the file, or a task in it

    @property
    def first(self) -> int:
        """The first frame in which the person is."""
        return nearest(self.states[0].frame)

    @property
    def last(self) -> int:
        """The last frame in which the person is."""
        own = nearest(self.states[-1].frame)
        return own if self.end is None else max(own, ceil(self.end - 1e-6) - 1)

    def box(self, frame: int) -> Box:
        """Return the box in a frame: between two states it moves steadily."""
        after = bisect_right(self.states, float(frame), key=lambda state: state.frame)
        if after == 0 or after == len(self.states):
            return self.states[max(after - 1, 0)].box
        start, end = self.states[after - 1 : after + 1]
        share = (frame - start.frame) / (end.frame - start.frame)
        x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(start.box, end.box, strict=True))
        return x1, y1, x2, y2

    def attributes(self, frame: int) -> Attributes:
        """Return what is said of the person in a frame: nothing in between, the state before."""
        after = bisect_right(self.states, frame, key=_frame_of)
        return self.states[max(after - 1, 0)].attributes


class Segment(NamedTuple):
    """What is said of everybody in a part of a video."""

    clip: Clip
    first: float
    end: float  # not included
    attributes: Attributes
    where: str


class Left(NamedTuple):
    """Something of an export that no list can hold, and where it stands."""

    what: str
    where: str


Found = Track | Segment | Left


@dataclass
class Stretch:
    """The states of a person who is in view, until they become a track."""

    states: list[State] = field(default_factory=list)

    def add(self, state: State) -> None:
        """Add the state of a later frame; one of the same frame replaces it."""
        if self.states and self.states[-1].frame == state.frame:
            self.states.pop()
        self.states.append(state)

    def take(self) -> tuple[State, ...]:
        """Return the states and begin anew."""
        states, self.states = tuple(self.states), []
        return states


def nearest(frame: float) -> int:
    """Return the frame at a moment, as key frames are looked up."""
    return floor(frame + 0.5)


def _frame_of(state: State) -> int:
    return nearest(state.frame)


def enclosing(box: Box, degrees: float, pivot: tuple[float, float]) -> Box:
    """Return the upright box around one in pixels that is turned clockwise about ``pivot``."""
    if degrees % 360 == 0:
        return box
    across, along = cos(radians(degrees)), sin(radians(degrees))
    corners = [(x - pivot[0], y - pivot[1]) for x in box[::2] for y in box[1::2]]
    xs = [pivot[0] + x * across - y * along for x, y in corners]
    ys = [pivot[1] + x * along + y * across for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
