"""Person boxes through resize, crop and flip, together with the frames they are in.

Boxes are (n, 4) float32: x1, y1, x2, y2 as shares of the frame's width and height, so that a resize
does not change them. None is ever dropped: as in the published runs, one that a crop leaves outside
collapses onto the crop's border, and one that becomes tiny stays tiny.

Letters: H x W pixels, n boxes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from praxiscope.checks import check_number, check_whole
from praxiscope.data.transforms import flip, resize, short_side_size
from praxiscope.errors import RecipeError
from praxiscope.types import Frame

Boxes = npt.NDArray[np.float32]  # (n, 4)
Crop = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class BoxPlan:
    """What is done to each frame around one key frame, and to the boxes in it."""

    height: int
    width: int
    each: Callable[[Frame], Frame]  # (H, W, C) -> (height, width, C)
    boxes: Callable[[Boxes], Boxes]  # (n, 4) -> (n, 4), shares of the new frame
    flipped: bool = False


@dataclass(frozen=True, kw_only=True)
class BoxTransform:
    """Short side to a random length, a random square crop, a random flip.

    ``short_side`` is drawn from (least, most), both included; ``size`` is the crop (None: the whole
    frame); ``flip`` the probability of exchanging left and right. The values given are those of all
    published detection runs; :data:`WHOLE_FRAME` is how those test.
    """

    short_side: tuple[int, int] = (256, 320)
    size: int | None = 256
    flip: float = 0.5

    def __post_init__(self) -> None:
        least, most = self.short_side
        check_whole(least, "BoxTransform.short_side")
        check_whole(most, "BoxTransform.short_side", least)
        check_number(self.flip, "BoxTransform.flip", 0, 1)
        if self.size is not None:
            check_whole(self.size, "BoxTransform.size")
            if self.size > least:
                raise RecipeError(
                    f"BoxTransform.size={self.size} does not fit into frames with a short side of "
                    f"{least}: make the crop smaller or BoxTransform.short_side longer."
                )

    def plan(self, height: int, width: int, rng: np.random.Generator) -> BoxPlan:
        """Draw length, crop and flip for frames of ``height`` x ``width`` pixels."""
        least, most = self.short_side
        resized = short_side_size(height, width, int(rng.integers(least, most + 1)))
        crop = (0, 0, resized[1], resized[0])
        if self.size is not None:
            # The last position is never drawn, as published.
            left, top = (
                int(rng.integers(max(side - self.size, 1))) for side in (resized[1], resized[0])
            )
            crop = (left, top, left + self.size, top + self.size)
        left, top, right, bottom = crop
        flipped = bool(rng.random() < self.flip)

        def each(frame: Frame) -> Frame:
            frame = resize(frame, *resized)[top:bottom, left:right]
            return flip(frame) if flipped else frame

        def boxes(given: Boxes) -> Boxes:
            if self.size is not None:
                given = crop_boxes(given, *resized, crop)
            return flip_boxes(given) if flipped else given

        return BoxPlan(bottom - top, right - left, each, boxes, flipped)


WHOLE_FRAME = BoxTransform(short_side=(256, 256), size=None, flip=0)


def in_pixels(boxes: Boxes, height: int, width: int) -> Boxes:
    """Return (n, 4) shares of a frame as pixels, as RoIAlign takes them."""
    return boxes * np.array([width, height, width, height], np.float32)


def crop_boxes(boxes: Boxes, height: int, width: int, crop: Crop) -> Boxes:
    """Return boxes (n, 4) of a frame as those of a crop from it, clipped to the crop.

    They are clipped to the centre of its last pixels, one short of its size, as published.
    """
    left, top, right, bottom = crop
    size = np.array([right - left, bottom - top] * 2, np.float32)
    offset = np.array([left, top, left, top], np.float32)
    inside: Boxes = np.clip(in_pixels(boxes, height, width) - offset, 0, size - 1) / size
    return inside


def flip_boxes(boxes: Boxes) -> Boxes:
    """Exchange left and right: x becomes 1 - x, and the two x of a box change places."""
    flipped = boxes.copy()
    flipped[:, [0, 2]] = 1 - boxes[:, [2, 0]]
    return flipped
