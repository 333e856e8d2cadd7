"""Textured shapes that move over a textured, drifting background: what is where, and how it looks.

The class of a video is the motion of its actor, and one frame tells nothing about it. An actor's
state is a point of the unit cube (x, y, size, angle), drawn uniformly; every motion moves it in a
way that leaves the uniform distribution as it is (see :meth:`Actor.state`). So the pose at any time
has the same distribution for all motions, and a frame is a function of poses.

Letters: A actors, P corners of a shape, H x W pixels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import cv2
import numpy as np
import numpy.typing as npt

from praxiscope.types import Frame

Motion = Literal["left", "right", "clockwise", "anticlockwise", "grow", "shrink", "bounce", "shake"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)  # in the order of the labels
FLIP_PAIRS: tuple[tuple[Motion, Motion], ...] = (("left", "right"), ("clockwise", "anticlockwise"))

Points = npt.NDArray[np.float64]  # (P, 2): x to the right, y down
Boxes = npt.NDArray[np.float64]  # (A, 4): x1, y1, x2, y2 in [0, 1]

# Lights on the actors: what moves can be told from what drifts behind it without many videos.
ACTOR_LEVELS, BACKGROUND_LEVELS = (110, 255), (30, 100)

TEXTURE_PX = 64
_SUPERSAMPLING = 4


@dataclass(frozen=True)
class Pose:
    """Where an actor is. (0, 0) is the outer corner of the upper left pixel."""

    x: float  # pixels, of the centre
    y: float  # pixels, of the centre
    radius: float  # pixels, from the centre to the farthest corner
    angle: float  # degrees, clockwise as seen on the screen


@dataclass(frozen=True)
class Stage:
    """The frame, and the poses an actor can take in it: it is never cut by the frame's edge."""

    height: int
    width: int
    radii: tuple[float, float] = (0.15, 0.35)  # smallest and largest, in shorter sides

    def pose(self, x: float, y: float, size: float, angle: float) -> Pose:
        """Return the pose of a state in the unit cube, whatever the size with the same margins.

        A margin that followed the size would tie position to size, and a growing actor would have
        to move.
        """
        low, high = (radius * min(self.height, self.width) for radius in self.radii)
        return Pose(
            x=high + x * (self.width - 2 * high),
            y=high + y * (self.height - 2 * high),
            radius=low * (high / low) ** size,
            angle=360 * angle,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Actor:
    """One shape and its motion, a pure function of time: any frame of any length of video."""

    motion: Motion
    start: tuple[float, float, float, float]  # x, y, size, angle, each in [0, 1)
    tempo: float  # 1 is the usual speed of the motion
    corners: Points  # the outline; the farthest corner is at distance 1 from (0, 0)
    texture: Frame  # (S, S, 3), fixed to the shape

    def state(self, time: float) -> tuple[float, float, float, float]:
        """Return (x, y, size, angle) in [0, 1] after ``time`` frames.

        One-way motions wrap: an actor that reaches the end of its way goes on from the other end.
        To and fro motions go round a circle that is folded into [0, 1]. Both keep a uniform start
        uniform at all times.
        """
        x, y, size, angle = self.start
        frames = self.tempo * time
        match self.motion:
            case "left":
                x = (x - frames / 28) % 1
            case "right":
                x = (x + frames / 28) % 1
            case "clockwise":
                angle = (angle + frames / 72) % 1
            case "anticlockwise":
                angle = (angle - frames / 72) % 1
            case "grow":
                size = (size + frames / 18) % 1
            case "shrink":
                size = (size - frames / 18) % 1
            case "bounce":
                y = _fold(y + frames / 28)
            case "shake":
                x = _fold(x + 0.06 * math.sin(2 * math.pi * frames / 12))
            case _:
                assert_never(self.motion)
        return x, y, size, angle

    def outline(self, time: float, stage: Stage) -> Points:
        """Return the corners (P, 2) in pixels."""
        pose = self.pose(time, stage)
        return self.corners @ turn(pose.angle).T * pose.radius + (pose.x, pose.y)

    def pose(self, time: float, stage: Stage) -> Pose:
        """Return the place, size and angle after ``time`` frames."""
        return stage.pose(*self.state(time))

    def box(self, time: float, stage: Stage) -> npt.NDArray[np.float64]:
        """Return the tight box (4,) x1, y1, x2, y2 in [0, 1]."""
        outline = self.outline(time, stage) / (stage.width, stage.height)
        return np.concatenate([outline.min(axis=0), outline.max(axis=0)])


@dataclass(frozen=True, eq=False, kw_only=True)
class Background:
    """A texture without seams that drifts on its own."""

    texture: Frame  # (S, S, 3), repeated in both directions
    start: tuple[float, float]  # pixels
    drift: tuple[float, float]  # pixels per frame; (0, 0) stands still

    def render(self, time: float, stage: Stage) -> Frame:
        """Return the empty scene (H, W, 3) after ``time`` frames."""
        x, y = (s + d * time for s, d in zip(self.start, self.drift, strict=True))
        return _warp(self.texture, np.array([[1, 0, x], [0, 1, y]]), stage.height, stage.width)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """A background and the actors before it; a later actor covers an earlier one."""

    stage: Stage
    background: Background
    actors: tuple[Actor, ...]

    def render(self, time: float) -> Frame:
        """Return the picture (H, W, 3) after ``time`` frames."""
        frame = self.background.render(time, self.stage)
        for actor in self.actors:
            outline, pose = actor.outline(time, self.stage), actor.pose(time, self.stage)
            paint(frame, outline, pose, actor.texture)
        return frame

    def boxes(self, time: float) -> Boxes:
        """Return one box per actor (A, 4), also of what another actor covers."""
        return np.array([actor.box(time, self.stage) for actor in self.actors]).reshape(-1, 4)

    def frames(self, count: int) -> Iterator[Frame]:
        """Yield the first ``count`` pictures (H, W, 3)."""
        return (self.render(time) for time in range(count))


def random_scene(
    motions: Sequence[Motion], rng: np.random.Generator, *, height: int, width: int
) -> Scene:
    """Return a scene with one actor per motion.

    The motions do not change what is drawn from ``rng``: one seed with other motions gives the same
    shapes, textures and background.
    """
    stage = Stage(height, width)
    heading, speed = rng.uniform(0, 2 * math.pi), max(0.0, rng.uniform(-0.1, 0.3))
    background = Background(
        texture=random_texture(rng, max(height, width), finest=5, levels=BACKGROUND_LEVELS),
        start=(rng.uniform(0, width), rng.uniform(0, height)),
        drift=(speed * math.cos(heading), speed * math.sin(heading)),
    )
    return Scene(
        stage=stage,
        background=background,
        actors=tuple(_random_actor(motion, rng) for motion in motions),
    )


def _random_actor(motion: Motion, rng: np.random.Generator) -> Actor:
    """Return an actor anywhere in the unit cube: a star or a regular polygon."""
    x, y, size, angle = rng.random(4).tolist()
    corners = random_outline(rng)
    return Actor(
        motion=motion,
        start=(x, y, size, angle),
        tempo=rng.uniform(0.8, 1.25),
        corners=corners,
        texture=random_texture(rng, TEXTURE_PX, finest=3, levels=ACTOR_LEVELS),
    )


def random_outline(rng: np.random.Generator) -> Points:
    """Return the corners of a star or a regular polygon; the farthest are at distance 1."""
    count = int(rng.integers(3, 8))
    turns = np.arange(2 * count) * (math.pi / count)
    notch = rng.uniform(0.5, 1) if count > 3 else 1.0
    lengths = np.where(np.arange(2 * count) % 2, notch * math.cos(math.pi / count), 1.0)
    return np.stack([lengths * np.cos(turns), lengths * np.sin(turns)], axis=1)


def random_texture(
    rng: np.random.Generator, side: int, *, finest: int, levels: tuple[int, int]
) -> Frame:
    """Return smooth noise between two colours (side, side, 3), the same at opposite edges.

    ``finest`` is the largest number of periods along a side, ``levels`` the grey levels between
    which each channel of the colours lies.
    """
    level = random_pattern(rng, side, finest=finest)
    dark, light = rng.uniform(0, 0.6, 3), rng.uniform(0.4, 1, 3)
    shares = dark + level[..., None] * (light - dark)
    colours = levels[0] + shares * (levels[1] - levels[0])
    return np.ascontiguousarray(colours.round().astype(np.uint8))


def random_pattern(rng: np.random.Generator, side: int, *, finest: int) -> npt.NDArray[np.float64]:
    """Return smooth noise between 0 and 1 (side, side), the same at opposite edges."""
    waves = 6
    # Whole numbers of periods close the seams.
    fx, fy = rng.integers(-finest, finest + 1, (2, waves))
    grid = np.arange(side, dtype=np.float64) * (2 * math.pi / side)
    phase = rng.uniform(0, 2 * math.pi, waves)
    angles = (
        fx[:, None, None] * grid[None, None, :]
        + fy[:, None, None] * grid[None, :, None]
        + phase[:, None, None]
    )
    level: npt.NDArray[np.float64] = 0.5 + 0.5 * np.tanh(1.5 * np.cos(angles).sum(axis=0))
    return level


def paint(frame: Frame, outline: Points, pose: Pose, texture: Frame) -> None:
    """Draw a textured shape into ``frame``, with smooth edges and touching only its box."""
    x1, y1 = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0).tolist()
    x2, y2 = np.ceil(outline.max(axis=0)).astype(int).tolist()
    window = frame[y1:y2, x1:x2]
    height, width = window.shape[:2]

    cover = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    fixed = ((outline - (x1, y1)) * _SUPERSAMPLING - 0.5) * 256  # 8 fractional bits
    cv2.fillPoly(cover, [fixed.round().astype(np.int32)], 255, shift=8)
    alpha = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)[..., None] / 255

    # From a pixel of the window back to the texture, whose inscribed circle is the unit circle.
    scale = TEXTURE_PX / 2 / pose.radius
    back = turn(-pose.angle) * scale
    corner = np.array([x1 + 0.5 - pose.x, y1 + 0.5 - pose.y])
    offset = back @ corner + TEXTURE_PX / 2 - 0.5
    surface = _warp(texture, np.column_stack([back, offset]), height, width)
    window[:] = (window + alpha * (surface - window.astype(np.float64))).round()


def _warp(texture: Frame, matrix: npt.NDArray[np.float64], height: int, width: int) -> Frame:
    """Return (height, width, 3): each pixel (x, y) shows the texture at ``matrix @ (x, y, 1)``."""
    warped = cv2.warpAffine(
        texture,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(warped, dtype=np.uint8)


def turn(degrees: float) -> npt.NDArray[np.float64]:
    """Return the rotation (2, 2) that is clockwise on a screen, where y points down."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


def _fold(turns: float) -> float:
    """Return the way there and back again: 0 at 0, 1 at half a turn, 0 at a whole one."""
    return 1 - abs(2 * (turns % 1) - 1)
