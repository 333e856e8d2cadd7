"""Late fusion: one score for each class out of those of several streams, such as RGB and flow.

Letters: S streams, N videos, K classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def fuse_scores(
    streams: Sequence[npt.ArrayLike], weights: Sequence[float], *, softmax: bool = False
) -> Floats:
    """Return the weighted sum of the scores of S streams: S times (N, K), S weights -> (N, K).

    ``softmax`` makes each stream's scores probabilities first, so that a stream with larger logits
    does not count more. The sum is not divided by the weights' sum, which no ranking depends on.

    Source: Two-Stream Convolutional Networks, arXiv:1406.2199, Section 2.
    """
    assert len(streams) == len(weights) > 0, (len(streams), len(weights))
    matrices = [np.asarray(scores, dtype=np.float64) for scores in streams]
    assert all(m.ndim == 2 and m.shape == matrices[0].shape for m in matrices)
    fused = np.zeros_like(matrices[0])
    for matrix, weight in zip(matrices, weights, strict=True):
        fused += weight * (softmax_rows(matrix) if softmax else matrix)
    return fused


def softmax_rows(scores: Floats) -> Floats:
    """Return scores (N, K) as probabilities (N, K): each row sums to 1."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))  # of at most 0: none overflows
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)
