"""Upright persons by OpenCV's HOG people detector, whose weights are in its wheel.

It is there without a download, but misses many persons and takes other things for them.

Source: Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
import torch

from praxiscope.apps.persons.provider import Persons, persons_above, shares, without_overlaps
from praxiscope.data.transforms import resize, short_side_size
from praxiscope.models.box_sampling import iou
from praxiscope.types import Frame

MIN_SCORE = 0.6
# The detector's window is 128 pixels high and the person in it about 100: frames are given this
# short side, at which the smallest person found is 0.28 of it.
_SHORT_SIDE_PX = 360
_LONG_SIDE_PX = 16 * _SHORT_SIDE_PX  # at most: a strip would become an image of any size
_STRIDE_PX = (8, 8)
_PADDING_PX = (16, 16)  # also finds those that touch the frame's border
_NEXT_SCALE = 1.05
# The window has a margin around the person; this part of its width and height is the person.
_PERSON = np.array([0.7, 0.8])
_MAX_IOU = 0.4


def _detector() -> cv2.HOGDescriptor:
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    return detector


@dataclass(frozen=True)
class Hog:
    """Finds upright persons that are taller than 0.28 of the frame's shorter side."""

    min_score: float = MIN_SCORE
    name: str = "OpenCV's HOG people detector"
    _detector: cv2.HOGDescriptor = field(default_factory=_detector, repr=False, compare=False)

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of an RGB frame.

        Of overlapping windows the one with the largest margin of the linear classifier stays. Its
        score is 1 - exp(-m), where m is the sum of the margins of all windows over it (intersection
        over union of at least a half): who is there is found at several places and scales, what
        only looks like a person by chance is not.
        """
        height, width = short_side_size(frame.shape[0], frame.shape[1], _SHORT_SIDE_PX)
        height, width = min(height, _LONG_SIDE_PX), min(width, _LONG_SIDE_PX)
        windows, margins = self._detector.detectMultiScale(
            resize(frame, height, width)[..., ::-1].copy(),  # BGR
            winStride=_STRIDE_PX,
            padding=_PADDING_PX,
            scale=_NEXT_SCALE,
            groupThreshold=0,  # all windows: OpenCV's own grouping drops the margins of the others
        )
        if not len(windows):
            return persons_above(self.min_score, [], [])
        boxes = _persons_in(np.asarray(windows, np.float64))
        margin = np.asarray(margins, np.float64).reshape(-1)
        kept = without_overlaps(boxes, margin, _MAX_IOU)
        over = iou(torch.from_numpy(boxes[kept]), torch.from_numpy(boxes)).numpy() >= 0.5
        support = over @ margin
        return persons_above(
            self.min_score, shares(boxes[kept], height, width), 1 - np.exp(-support)
        )


def _persons_in(windows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the boxes x1, y1, x2, y2 of the persons within windows x, y, width, height (n, 4)."""
    centre, half = windows[:, :2] + windows[:, 2:] / 2, windows[:, 2:] * _PERSON / 2
    return np.concatenate([centre - half, centre + half], axis=1)
