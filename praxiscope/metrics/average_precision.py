"""Average precision in its two definitions; both take equal scores as one step.

The order within equal scores is not the network's doing, so no figure depends on it.
Letters: N scored items, P positives among them.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]


def average_precision(scores: Scores, positive: Flags) -> float:
    """Return the mean precision at each positive, going down the scores: (N,), (N,) -> [0, 1]."""
    # Not torchmetrics: it squashes scores beyond [0, 1] with a float32 sigmoid, which makes ties.
    assert positive.any(), "average precision is undefined without a positive"
    return float(_precision(scores, positive).mean())


def interpolated_average_precision(scores: Scores, right: Flags, num_truth: int) -> float:
    """Return the area under the interpolated curve of precision over recall, in [0, 1].

    ``right`` (N,) says which detections found one of ``num_truth`` things, each at most once.
    What was never found counts as recall never reached. Precision at a recall is the best at that
    recall or a higher one, at all points.

    Source: Pascal VOC from 2010 on, development kit, Section 3.4.1.
    """
    assert 0 < num_truth >= right.sum(), (num_truth, right.sum())
    best = np.maximum.accumulate(_precision(scores, right))  # from the highest recall downwards
    return float(best.sum() / num_truth)


def _precision(scores: Scores, positive: Flags) -> Floats:
    """Return the precision at each positive, from the lowest score up: (N,), (N,) -> (P,)."""
    right = np.sort(scores[positive])
    found = len(right) - np.searchsorted(right, right)  # positives that score as high or higher
    ranks = len(scores) - np.searchsorted(np.sort(scores), right)  # all that do
    return np.asarray(found / ranks, dtype=np.float64)
