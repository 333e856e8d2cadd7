"""Several actors and a lamp: who does what in every second, and how it looks.

A video is cut into seconds, and the key frame is in the middle of each. For a second an actor is
there or not, does one motion and perhaps something brief, and has labels that follow from what else
is in the frame. Its pose at a key frame is drawn apart from what it does, so that a key frame alone
tells nothing about motions.

In a scene with a glow everybody shines in one colour for two seconds, early in the video. Whoever
is there 5 to 20 seconds later remembers it. Nothing that is drawn then depends on the glow.

Time is in seconds from the start of the video.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from praxiscope.data.synthetic_scene import (
    BACKGROUND_LEVELS,
    TEXTURE_PX,
    Background,
    Points,
    Pose,
    Stage,
    paint,
    random_outline,
    random_pattern,
    random_texture,
    turn,
)
from praxiscope.types import Frame

Motion = Literal["left", "right", "up", "down", "grow", "shrink", "shake", "rest"]
Brief = Literal["flash", "blink"]
Light = Literal["orange", "violet"]
Hue = Literal["yellow", "cyan"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)
BRIEFS: tuple[Brief, ...] = get_args(Brief)
LIGHTS: tuple[Light, ...] = get_args(Light)
HUES: tuple[Hue, ...] = get_args(Hue)

# Every label by what tells it.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "motion": MOTIONS,  # how the actor's box is filled over time
    "brief": BRIEFS,  # the same, a tenth of a second of it
    "scene": tuple(f"watch {light} lamp" for light in LIGHTS),  # a lamp at the end of the frame
    "relation": ("hunt", "flee"),  # the kinds of two actors together
}
LABELS = tuple(name for names in GROUPS.values() for name in names)  # their ids count from 1
# What there is besides in videos with glows.
GLOW_GROUPS: Mapping[str, tuple[str, ...]] = {
    "glow": tuple(f"glow {hue}" for hue in HUES),  # the colour of the actor
    "memory": tuple(f"remember {hue}" for hue in HUES),  # what was 5 to 20 seconds before
}

# Colours of the kinds of actors. The first hunts the second, and the third keeps out of it.
HUNTER, PREY = 0, 1
KINDS = ((235, 70, 70), (70, 215, 80), (80, 120, 255))
LAMP: Mapping[Light | None, tuple[int, int, int]] = {
    None: (70, 70, 70),
    "orange": (255, 170, 40),
    "violet": (210, 90, 255),
}
GLOWS: Mapping[Hue, tuple[int, int, int]] = {"yellow": (255, 240, 40), "cyan": (40, 240, 255)}

STEADY_SECONDS = 1 / 3  # how long a motion is even, before its key frame and after it
BRIEF_SECONDS = 0.09
GLOW_SECONDS = 2
MEMORY_SECONDS = (5, 20)  # after a glow's last second: first and last in which it is remembered

State = npt.NDArray[np.float64]  # (4,): x and y from the slot's centre, log of the radius, turns

# What a motion adds to a state in a second. The unit of length is the side of a slot.
_RATES: Mapping[Motion, tuple[float, float, float, float]] = {
    "left": (-0.66, 0, 0, 0),
    "right": (0.66, 0, 0, 0),
    "up": (0, -0.66, 0, 0),
    "down": (0, 0.66, 0, 0),
    "grow": (0, 0, 1.2, 0),
    "shrink": (0, 0, -1.2, 0),
    "shake": (0, 0, 0, 0),  # to and fro instead
    "rest": (0, 0, 0, 0),
}
_RADII = (0.13, 0.18)  # smallest and largest at a key frame
_BRIEFLY = 0.6  # how much of a brief moment's white or black covers the texture
_GLOWING = 0.85  # how much of a glow's colour covers the texture
_SHAKE = 0.15  # to either side
# How far a centre can be from its slot's at a key frame: no actor ever leaves its slot.
_PLAY = 0.5 - _RADII[1] * math.exp(1.2 * STEADY_SECONDS) - 0.66 * STEADY_SECONDS
_ROUND = np.linspace(0, 2 * math.pi, 32, endpoint=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class Act:
    """What an actor does in one second."""

    present: bool
    motion: Motion
    brief: Brief | None
    brief_at: float  # seconds after the key frame: the middle of the brief moment
    key: State  # at the key frame

    def state(self, since: float) -> State:
        """Return the state ``since`` seconds after the key frame."""
        since = min(max(since, -STEADY_SECONDS), STEADY_SECONDS)
        state: State = self.key + since * np.array(_RATES[self.motion])
        if self.motion == "shake":
            state[0] += _SHAKE * math.sin(2 * math.pi * since / STEADY_SECONDS)
        return state


@dataclass(frozen=True, eq=False, kw_only=True)
class Performer:
    """An actor of a kind, in a square of the frame that is its own."""

    kind: int
    centre: tuple[float, float]  # pixels: its slot's
    side: float  # pixels: its slot's
    corners: Points  # the outline; the farthest corner is at distance 1 from (0, 0)
    texture: Frame
    acts: tuple[Act, ...]  # one a second

    def state(self, time: float) -> State:
        """Return the state: even around key frames, and on the shortest way between them."""
        second = min(max(int(time), 0), len(self.acts) - 1)
        since = time - second - 0.5
        other = second + (1 if since > 0 else -1)
        if abs(since) <= STEADY_SECONDS or not 0 <= other < len(self.acts):
            return self.acts[second].state(since)
        sign = math.copysign(1, since)
        own = self.acts[second].state(sign * STEADY_SECONDS)
        there = self.acts[other].state(-sign * STEADY_SECONDS)
        share = (abs(since) - STEADY_SECONDS) / (1 - 2 * STEADY_SECONDS)
        return own + share * (there - own)

    def pose(self, time: float) -> Pose:
        """Return the place, size and angle in the frame."""
        x, y, size, turns = self.state(time).tolist()
        return Pose(
            x=self.centre[0] + self.side * x,
            y=self.centre[1] + self.side * y,
            radius=self.side * math.exp(size),
            angle=360 * turns,
        )

    def outline(self, time: float) -> Points:
        """Return the corners (P, 2) in pixels."""
        pose = self.pose(time)
        return self.corners @ turn(pose.angle).T * pose.radius + (pose.x, pose.y)

    def surface(self, time: float) -> Frame:
        """Return the texture, which a brief moment makes bright or dark."""
        act = self.acts[int(time)]
        if act.brief is None or abs(time - int(time) - 0.5 - act.brief_at) > BRIEF_SECONDS / 2:
            return self.texture
        towards = 255.0 if act.brief == "flash" else 0.0
        return (self.texture + _BRIEFLY * (towards - self.texture)).round().astype(np.uint8)


@dataclass(frozen=True)
class Glow:
    """Two seconds in which everybody shines in one colour."""

    second: int  # the first
    hue: Hue

    def covers(self, surface: Frame) -> Frame:
        """Return a texture as it looks in these seconds."""
        colour = np.array(GLOWS[self.hue])
        return (surface + _GLOWING * (colour - surface)).round().astype(np.uint8)

    def label(self, second: int) -> str | None:
        """Return what everybody does who is there in a second."""
        since = second - self.second - GLOW_SECONDS + 1
        if 1 - GLOW_SECONDS <= since <= 0:
            return f"glow {self.hue}"
        first, last = MEMORY_SECONDS
        return f"remember {self.hue}" if first <= since <= last else None


@dataclass(frozen=True)
class Person:
    """An actor at a key frame, as annotated."""

    number: int  # the same in every second, from 0
    box: tuple[float, float, float, float]  # x1, y1, x2, y2 in [0, 1]
    labels: tuple[str, ...]  # among LABELS and GLOW_GROUPS


@dataclass(frozen=True, eq=False, kw_only=True)
class ActorScene:
    """A background, a lamp at one end, and actors in the rest of the frame."""

    stage: Stage
    background: Background
    lamp: tuple[float, float, float]  # x, y, radius in pixels
    lights: tuple[Light | None, ...]  # one a second
    actors: tuple[Performer, ...]
    glow: Glow | None = None

    def render(self, time: float) -> Frame:
        """Return the picture (H, W, 3) at ``time`` seconds."""
        frame = self.background.render(time, self.stage)
        x, y, radius = self.lamp
        disc = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1) * radius + (x, y)
        colour = np.full((TEXTURE_PX, TEXTURE_PX, 3), LAMP[self.lights[int(time)]], np.uint8)
        paint(frame, disc, Pose(x, y, radius, 0), colour)
        for actor in self.actors:
            if actor.acts[int(time)].present:
                surface = actor.surface(time)
                if self.glow and 0 <= int(time) - self.glow.second < GLOW_SECONDS:
                    surface = self.glow.covers(surface)
                paint(frame, actor.outline(time), actor.pose(time), surface)
        return frame

    def frames(self, fps: float) -> Iterator[Frame]:
        """Yield all pictures (H, W, 3) of the video."""
        return (self.render(i / fps) for i in range(round(len(self.lights) * fps)))

    def persons(self, time: float) -> tuple[Person, ...]:
        """Return who is there, where at ``time``, and doing what in its second."""
        second = int(time)
        there = [actor for actor in self.actors if actor.acts[second].present]
        light, kinds = self.lights[second], {actor.kind for actor in there}
        persons = []
        for number, actor in enumerate(self.actors):
            if actor not in there:
                continue
            act = actor.acts[second]
            labels = [
                act.motion,
                act.brief,
                light and f"watch {light} lamp",
                "hunt" if actor.kind == HUNTER and PREY in kinds else None,
                "flee" if actor.kind == PREY and HUNTER in kinds else None,
                self.glow.label(second) if self.glow else None,
            ]
            outline = actor.outline(time) / (self.stage.width, self.stage.height)
            (x1, y1), (x2, y2) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
            persons.append(Person(number, (x1, y1, x2, y2), tuple(filter(None, labels))))
        return tuple(persons)


def random_actors(
    rng: np.random.Generator,
    *,
    seconds: int,
    height: int,
    width: int,
    slots: int,
    presence: float,
    brief: float,
    lit: float,
) -> ActorScene:
    """Return a scene of ``slots`` actors side by side, and a lamp at either end of the frame.

    Args:
        presence: Share of the seconds in which an actor is there.
        brief: Share of its seconds in which an actor does something brief.
        lit: Share of the seconds in which the lamp has a colour.
    """
    end = height / 2  # pixels of the frame's width that are the lamp's
    side = min((width - end) / slots, height)
    left = bool(rng.random() < 0.5)
    radius = rng.uniform(0.14, 0.2) * height
    play = end / 2 - radius
    lamp_x = end / 2 + rng.uniform(-play, play)
    background = Background(
        texture=random_texture(rng, max(height, width), finest=5, levels=BACKGROUND_LEVELS),
        start=(rng.uniform(0, width), rng.uniform(0, height)),
        drift=(rng.uniform(-4, 4), rng.uniform(-2, 2)),
    )
    return ActorScene(
        stage=Stage(height, width),
        background=background,
        lamp=(lamp_x if left else width - lamp_x, rng.uniform(0.3, 0.7) * height, radius),
        lights=tuple(
            LIGHTS[int(rng.integers(len(LIGHTS)))] if rng.random() < lit else None
            for _ in range(seconds)
        ),
        actors=tuple(
            _random_performer(
                rng,
                centre=((end if left else 0) + (slot + 0.5) * (width - end) / slots, height / 2),
                side=side,
                acts=tuple(_random_act(rng, presence, brief) for _ in range(seconds)),
            )
            for slot in range(slots)
        ),
    )


def random_glow(rng: np.random.Generator, scene: ActorScene, share: float) -> Glow | None:
    """Return a glow in the first quarter of a scene, when somebody is there, with a chance."""
    hue = HUES[int(rng.integers(len(HUES)))]
    seconds = [
        second
        for second in range(max(1, len(scene.lights) // 4))
        if any(actor.acts[second].present for actor in scene.actors)
    ]
    if not seconds or rng.random() >= share:
        return None
    return Glow(seconds[int(rng.integers(len(seconds)))], hue)


def _random_performer(
    rng: np.random.Generator, centre: tuple[float, float], side: float, acts: tuple[Act, ...]
) -> Performer:
    kind = int(rng.integers(len(KINDS)))
    # Light and dark shades of the kind's colour.
    shade = 0.35 + 0.65 * random_pattern(rng, TEXTURE_PX, finest=3)
    return Performer(
        kind=kind,
        centre=centre,
        side=side,
        corners=random_outline(rng),
        texture=np.ascontiguousarray((shade[..., None] * KINDS[kind]).round().astype(np.uint8)),
        acts=acts,
    )


def _random_act(rng: np.random.Generator, presence: float, brief: float) -> Act:
    x, y = rng.uniform(-_PLAY, _PLAY, 2).tolist()
    return Act(
        present=bool(rng.random() < presence),
        motion=MOTIONS[int(rng.integers(len(MOTIONS)))],
        brief=BRIEFS[int(rng.integers(len(BRIEFS)))] if rng.random() < brief else None,
        brief_at=rng.uniform(-0.25, 0.2),
        key=np.array([x, y, rng.uniform(*np.log(_RADII)), rng.random()]),
    )
