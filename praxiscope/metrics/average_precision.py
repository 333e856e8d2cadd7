"""Average precision in its two definitions; in both, the order within equal scores is no matter.

That order is not the network's doing, so no figure depends on it.
Letters: N scored items, P positives among them.
"""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]


def average_precision(scores: Scores, positive: Flags) -> float:
    """Return the mean precision at each positive, going down the scores: (N,), (N,) -> [0, 1].

    Equal scores are one step.
    """
    # Not torchmetrics: it squashes scores beyond [0, 1] with a float32 sigmoid, which makes ties.
    assert positive.any(), "average precision is undefined without a positive"
    right = np.sort(scores[positive])
    found = len(right) - np.searchsorted(right, right)  # positives that score as high or higher
    ranks = len(scores) - np.searchsorted(np.sort(scores), right)  # all that do
    return float((found / ranks).mean())


def interpolated_average_precision(scores: Scores, right: Flags, num_truth: int) -> float:
    """Return the area under the interpolated curve of precision over recall, in [0, 1].

    ``right`` (N,) says which detections found one of ``num_truth`` things, each at most once.
    What was never found counts as recall never reached. Precision at a recall is the best at that
    recall or a higher one, at all points.

    The right ones among equal scores stand at the ranks that a random order gives them on average.
    Files with three or four decimals have many equal scores, and the published evaluations take
    them as they come. One step would be lower than those, by up to 0.001 for three decimals.

    Source: Pascal VOC from 2010 on, development kit, Section 3.4.1.
    """
    assert 0 < num_truth >= right.sum(), (num_truth, right.sum())
    every, found = np.sort(-scores), np.sort(-scores[right])  # from the highest score down
    above, above_found = np.searchsorted(every, found), np.searchsorted(found, found)
    equal = np.searchsorted(every, found, side="right") - above
    equal_found = np.searchsorted(found, found, side="right") - above_found
    places = np.arange(1, len(found) + 1)
    ranks = above + (places - above_found) * (equal + 1) / (equal_found + 1)
    best = np.maximum.accumulate((places / ranks)[::-1])  # from the highest recall downwards
    return float(best.sum() / num_truth)
