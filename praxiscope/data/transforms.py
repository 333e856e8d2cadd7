"""From a decoded frame to what the network sees: resize, crop, flip, colour.

A transform is first *planned* for a video (size and random state in, plan out). The plan then
treats every frame by itself, as soon as it is decoded, so that all frames of a video get the same
crop and a clip never exists at full size. All resizing is OpenCV's bilinear one, half-pixel centres
and no antialiasing: the published weights saw nothing else. Normalisation is the model's.

Letters: H x W pixels, C channels (3 for RGB, 2 for the x and y of optical flow).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import cv2
import numpy as np

from praxiscope.checks import check_choice, check_range, check_whole
from praxiscope.data.colour import ColorJitter
from praxiscope.data.sampling import Convention
from praxiscope.errors import DataError, RecipeError
from praxiscope.types import Frame, Frames

__all__ = ["ColorJitter", "Plan", "TrainTransform", "Views", "short_side_size"]

CROP_ATTEMPTS = 10  # random crops tried before the centre square is taken, as published

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class Plan:
    """What is done to each frame of one video."""

    size_px: int
    each: Callable[[Frame], Frames]  # (H, W, C) -> (crops, size_px, size_px, C)
    flipped: bool = False  # whether left and right are exchanged, which may change the label


@dataclass(frozen=True, kw_only=True)
class TrainTransform:
    """Short side to ``short_side`` (None: as stored), a random crop, ``size`` x ``size``, a flip.

    ``area`` is the crop's share of the frame, ``aspect`` its width over its height, ``flip`` the
    probability of exchanging left and right.
    """

    short_side: int | None = 256
    size: int = 224
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    color_jitter: ColorJitter | None = None

    def __post_init__(self) -> None:
        if self.short_side is not None:
            check_whole(self.short_side, "TrainTransform.short_side")
        check_whole(self.size, "TrainTransform.size")
        check_range(self.area, "TrainTransform.area", 0, 1)
        check_range(self.aspect, "TrainTransform.aspect", 0, float("inf"))
        if not 0 <= self.flip <= 1:
            raise RecipeError(f"TrainTransform.flip must be from 0 to 1, not {self.flip!r}.")

    def plan(self, height: int, width: int, rng: np.random.Generator) -> Plan:
        """Draw the crop, the flip and the colours for a video of ``height`` x ``width`` pixels."""
        resized = short_side_size(height, width, self.short_side)
        left, top, right, bottom = random_crop(*resized, self.area, self.aspect, rng)
        flipped = bool(rng.random() < self.flip)
        recolour = None if self.color_jitter is None else self.color_jitter.draw(rng)

        def each(frame: Frame) -> Frames:
            frame = resize(frame, *resized)[top:bottom, left:right]
            frame = resize(frame, self.size, self.size)
            if flipped:
                frame = flip(frame)
            if recolour is not None:
                frame = recolour(frame)
            return frame[None]

        return Plan(self.size, each, flipped)


@dataclass(frozen=True, kw_only=True)
class Views:
    """What is scored of a video: ``clips`` in time x ``crops`` in space (1 or 3).

    Frames are resized to ``short_side`` (None: as stored) and cropped to ``size`` x ``size``: the
    centre, or left, right and middle (top, bottom and middle where the frame is upright).
    ``clip_starts`` and ``twice`` choose the clips, see :func:`praxiscope.data.sampling.test_clips`.
    """

    clips: int = 1
    crops: int = 1
    size: int = 224
    short_side: int | None = 256
    clip_starts: Convention = "0.x"
    twice: bool = False

    def __post_init__(self) -> None:
        check_whole(self.clips, "Views.clips")
        check_choice(self.crops, "Views.crops", (1, 3))
        check_whole(self.size, "Views.size")
        check_choice(self.clip_starts, "Views.clip_starts", ("0.x", "1.x"))
        if self.short_side is not None:
            check_whole(self.short_side, "Views.short_side")
            if self.short_side < self.size:
                raise RecipeError(
                    f"Views.size={self.size} does not fit into frames with "
                    f"Views.short_side={self.short_side}: make the crop smaller or the side longer."
                )

    @property
    def num_clips(self) -> int:
        """Clips of a video, those of ``twice`` included."""
        return 2 * self.clips if self.twice else self.clips

    @property
    def num_views(self) -> int:
        """Views of a video: V in the shapes."""
        return self.num_clips * self.crops

    def plan(self, height: int, width: int) -> Plan:
        """Place the crops in a video of ``height`` x ``width`` pixels.

        Raises :class:`DataError` where the frame is smaller than the crop.
        """
        resized = short_side_size(height, width, self.short_side)
        if min(resized) < self.size:
            raise DataError(
                f"frames of {width} x {height} pixels are smaller than the crop of {self.size}: "
                f"set short_side to {self.size} or more, so that they are resized first."
            )
        boxes = crop_boxes(*resized, self.size, self.crops)

        def each(frame: Frame) -> Frames:
            frame = resize(frame, *resized)
            return np.stack([frame[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes])

        return Plan(self.size, each)


def short_side_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """(height, width) with the shorter one at ``short_side``, the other rounded half up."""
    if short_side is None:
        return height, width
    scale = short_side / min(height, width)
    return int(height * scale + 0.5), int(width * scale + 0.5)


def random_crop(
    height: int,
    width: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """Return a random crop that lies inside the frame, or the centre square if none was found.

    The area is uniform, the aspect ratio uniform in its logarithm, the place uniform.

    Source: Going Deeper with Convolutions (arXiv:1409.4842), section 6.
    """
    aspects = np.exp(rng.uniform(log(aspect[0]), log(aspect[1]), CROP_ATTEMPTS))
    areas = rng.uniform(*area, CROP_ATTEMPTS) * (height * width)
    widths = np.round(np.sqrt(areas * aspects)).astype(int)
    heights = np.round(np.sqrt(areas / aspects)).astype(int)
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    if not fits.any():
        return crop_boxes(height, width, min(height, width), 1)[0]
    first = fits.argmax()
    w, h = int(widths[first]), int(heights[first])
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    return left, top, left + w, top + h


def crop_boxes(height: int, width: int, size: int, crops: int) -> list[Box]:
    """Return the centre crop, or the crops at the two ends of the longer side and the middle one.

    The crop at the far end starts at twice the middle's offset, so it ends one pixel early where
    the difference is odd: the published order and offsets.
    """
    x, y = (width - size) // 2, (height - size) // 2
    if crops == 1:
        places = [(x, y)]
    elif width >= height:
        places = [(0, y), (2 * x, y), (x, y)]
    else:
        places = [(x, 0), (x, 2 * y), (x, y)]
    return [(left, top, left + size, top + size) for left, top in places]


def flip(frame: Frame) -> Frame:
    """Exchange left and right. In optical flow motion to the left becomes motion to the right."""
    frame = frame[:, ::-1]
    if frame.shape[2] == 2:
        frame = frame.copy()
        frame[..., 0] = 255 - frame[..., 0]
    return frame


def resize(frame: Frame, height: int, width: int) -> Frame:
    """Resize (H, W, C) -> (height, width, C), bilinear, as the published weights saw frames."""
    if frame.shape[:2] == (height, width):
        return frame
    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)
