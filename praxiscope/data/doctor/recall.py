"""How well proposals meet the persons that are there.

Letters: G true boxes, P proposals, F frames. The frame of a box is its number, from 0.
"""

import numpy as np
import numpy.typing as npt

from praxiscope.data.doctor.findings import Flags
from praxiscope.data.doctor.rows import Floats, Integers

PAIRS_AT_ONCE = 1_000_000  # about 100 MB


def best_overlaps(truth: Floats, frame: Integers, proposals: Floats, at: Integers) -> Floats:
    """Return the IoU of each true box with the best proposal of its frame -> (G,).

    Args:
        truth: (G, 4) xyxy.
        frame: (G,).
        proposals: (P, 4) in the same unit.
        at: (P,) their frames.
    """
    order = np.argsort(at, kind="stable")
    proposals, at = proposals[order], at[order]
    first = np.searchsorted(at, frame)
    number = np.searchsorted(at, frame, side="right") - first
    best = np.zeros(len(truth))
    ends = np.cumsum(number)
    begin = 0
    while begin < len(truth):
        done = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")), begin + 1)
        one = np.repeat(np.arange(begin, end), number[begin:end])
        starts = ends[begin:end] - number[begin:end] - done
        other = np.arange(len(one)) - np.repeat(starts, number[begin:end])
        overlap = _iou(truth[one], proposals[first[one] + other])
        there = number[begin:end] > 0
        if len(one):
            best[begin:end][there] = np.maximum.reduceat(overlap, starts[there])
        begin = end
    return best


def taken(
    scores: npt.NDArray[np.float32], at: Integers, min_score: float, max_proposals: int
) -> Flags:
    """Return which proposals a list takes, as it is said there: (P,) -> (P,).

    Those of a frame stand together.
    """
    if not len(scores):
        return np.zeros(0, np.bool_)
    new = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
    number = np.diff(np.r_[new, len(at)])
    best = np.repeat(np.maximum.reduceat(scores, new), number)
    chosen = scores >= np.minimum(np.float32(min_score), best)
    count = np.cumsum(chosen)
    before = np.repeat(count[new] - chosen[new], number)
    return np.asarray(chosen & (count - before <= max_proposals), np.bool_)


def _iou(one: Floats, other: Floats) -> Floats:
    """Return the IoU of pairs, (R, 4), (R, 4) -> (R,); 0 where there is no area."""
    corner, opposite = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    common = np.maximum(opposite - corner, 0).prod(axis=1)
    areas = [np.maximum(box[:, 2:] - box[:, :2], 0).prod(axis=1) for box in (one, other)]
    return np.asarray(common / np.maximum(areas[0] + areas[1] - common, 1e-300), np.float64)
