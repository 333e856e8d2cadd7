"""Persons followed from key frame to key frame: tracks, smoothed scores, boxes in between.

n: persons of a key frame, K: classes. Boxes are shares of the frame, seconds those of the video.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment

from praxiscope.apps.persons.provider import Persons
from praxiscope.models.box_sampling import iou

FloatArray = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]  # (n,): the track of each person, from 1


@dataclass(frozen=True)
class _Seen:
    """Where and when a track was last."""

    box: FloatArray  # (4,)
    seconds: float


class Tracker:
    """Gives the persons of successive key frames the numbers of their tracks.

    The persons of a key frame are assigned to the tracks seen in the last ``max_gap`` seconds so
    that the sum of the overlaps (intersection over union with the track's last box) is greatest; an
    overlap below ``min_iou`` counts nothing and links nobody. Who is not assigned begins a track.
    Numbers are never used again, so that a track not seen for longer is gone for good.

    Memory is that of the persons of the last ``max_gap`` seconds.

    Source: Bewley et al., Simple Online and Realtime Tracking, ICIP 2016, without its motion model,
    which key frames a second apart do not bear.
    """

    def __init__(self, min_iou: float = 0.3, max_gap: float = 2.0) -> None:
        assert 0 < min_iou <= 1 and max_gap >= 0
        self.min_iou = min_iou
        self.max_gap = max_gap
        self._seen: dict[int, _Seen] = {}
        self._last_number = 0

    def update(self, persons: Persons, seconds: float) -> Numbers:
        """Return the track (n,) of each person of a key frame; key frames come in order of time."""
        self._seen = {
            number: seen
            for number, seen in self._seen.items()
            if seconds - seen.seconds <= self.max_gap
        }
        numbers = np.zeros(len(persons), np.int64)
        known = list(self._seen)
        if known and len(persons):
            last = np.stack([self._seen[number].box for number in known])
            overlap = iou(torch.tensor(persons.boxes), torch.tensor(last)).numpy()
            overlap[overlap < self.min_iou] = 0
            for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
                if overlap[row, column] > 0:
                    numbers[row] = known[column]
        for row in np.flatnonzero(numbers == 0):
            self._last_number += 1
            numbers[row] = self._last_number
        for row, number in enumerate(numbers.tolist()):
            self._seen[number] = _Seen(persons.boxes[row], seconds)
        return numbers


class Smoother:
    """Scores of tracks, smoothed over key frames by an exponential mean that forgets with time.

    Of a track that scored ``x`` now and stood at ``s`` a time ``d`` before, ``s`` becomes ``x + (s
    - x) * 2 ** (-d / half_life)``: what was seen one half-life ago weighs half. A track begins with
    ``s = x``; a half-life of 0 leaves scores as they are. Tracks not seen for ``max_gap`` seconds
    are forgotten.
    """

    def __init__(self, half_life: float = 1.0, max_gap: float = 2.0) -> None:
        assert half_life >= 0 and max_gap >= 0
        self.half_life = half_life
        self.max_gap = max_gap
        self._states: dict[int, tuple[FloatArray, float]] = {}

    def update(self, tracks: Numbers, scores: FloatArray, seconds: float) -> FloatArray:
        """Return the smoothed scores (n, K) of a key frame's persons, whose tracks all differ."""
        assert len(tracks) == len(scores) == len(set(tracks.tolist()))
        self._states = {
            number: (state, when)
            for number, (state, when) in self._states.items()
            if seconds - when <= self.max_gap
        }
        smoothed = np.array(scores, np.float32)
        for row, number in enumerate(tracks.tolist()):
            if number in self._states and self.half_life > 0:
                state, when = self._states[number]
                weight = 2.0 ** (-(seconds - when) / self.half_life)
                smoothed[row] += (state - smoothed[row]) * np.float32(weight)
            self._states[number] = (smoothed[row].copy(), seconds)
        return smoothed


def between(
    before: Mapping[int, FloatArray], after: Mapping[int, FloatArray], share: float
) -> dict[int, FloatArray]:
    """Return the boxes by track at ``share`` (0 to 1) of the way from one key frame to the next.

    A box (4,) of both key frames moves in a straight line. One that is in a single key frame is
    shown, unmoved, in the half of the way that is nearer to it.
    """
    assert 0 <= share <= 1
    boxes: dict[int, FloatArray] = {}
    for number in sorted({*before, *after}):
        if number in before and number in after:
            boxes[number] = before[number] + (after[number] - before[number]) * np.float32(share)
        elif number in before and share < 0.5:
            boxes[number] = before[number]
        elif number in after and share >= 0.5:
            boxes[number] = after[number]
    return boxes
