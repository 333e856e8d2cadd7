"""Accuracy of a whole evaluation, from the scores (N, K) and labels of N videos over K classes.

The names are the published ones: what ``--eval`` takes and what the logs call the numbers.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from praxiscope.errors import DataError, PraxiscopeError, unknown_name
from praxiscope.metrics.average_precision import average_precision

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Values = Tensor | npt.ArrayLike


METRICS = (
    "top_k_accuracy",
    "mean_class_accuracy",
    "mean_average_precision",
    "mmit_mean_average_precision",
)


def check_names(names: Sequence[str]) -> None:
    """Raise :class:`RecipeError` for a name that is no metric, before any work is done."""
    for name in names:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS, "--eval")


def check_fit(names: Sequence[str], *, several_labels: bool) -> None:
    """Raise :class:`DataError` for a metric of the other kind of list, before any work is done."""
    for name in names:
        if name.endswith("average_precision") != several_labels:
            kind = "several labels" if several_labels else "one label"
            raise DataError(f"{name} is no metric for videos with {kind}: choose another --eval.")


def evaluate(
    scores: Values, labels: Values, names: Sequence[str], *, ks: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """Return the numbers that the metrics ``names`` ask for, each in [0, 1], under its log name.

    ``top_k_accuracy`` gives ``top1_acc`` and ``top5_acc`` (one for each of ``ks``); it and
    ``mean_class_accuracy`` take labels (N,), one class for each video. ``mean_average_precision``
    and ``mmit_mean_average_precision`` take labels (N, K) of zeros and ones.

    Raises:
        RecipeError: a name is none of these four.
        DataError: a label is outside the classes, or of the wrong kind for a metric.
        PraxiscopeError: the scores are no (N, K) matrix, or hold NaN.
    """
    check_names(names)
    scores, labels = _as_array(scores), _as_array(labels)  # once for all of them
    metrics: Mapping[str, Callable[[], dict[str, float]]] = {
        "top_k_accuracy": lambda: {f"top{k}_acc": top_k_accuracy(scores, labels, k) for k in ks},
        "mean_class_accuracy": lambda: {"mean_class_accuracy": mean_class_accuracy(scores, labels)},
        "mean_average_precision": lambda: {
            "mean_average_precision": mean_average_precision(scores, labels)
        },
        "mmit_mean_average_precision": lambda: {
            "mmit_mean_average_precision": mmit_mean_average_precision(scores, labels)
        },
    }
    return {key: value for name in names for key, value in metrics[name]().items()}


def top_k_accuracy(scores: Values, labels: Values, k: int) -> float:
    """Return the share of videos whose label is among the ``k`` best scores.

    Of equal scores the class with the lower number ranks first, so that top-1 agrees with argmax.
    A ``k`` above K counts as K (and gives 1): a test of 3 classes still logs its ``top5_acc``.
    """
    assert k >= 1, k
    matrix, truth = _with_classes(scores, labels)
    own = matrix[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(matrix.shape[1]) < truth[:, None]
    rank = ((matrix > own) | ((matrix == own) & earlier)).sum(axis=1)
    return float((rank < min(k, matrix.shape[1])).mean())


def confusion_matrix(scores: Values, labels: Values) -> Integers:
    """Return how often each class was taken for each: (N, K), (N,) -> (K true, K predicted)."""
    matrix, truth = _with_classes(scores, labels)
    counts = multiclass_confusion_matrix(
        torch.from_numpy(matrix.argmax(axis=1)), torch.from_numpy(truth), matrix.shape[1]
    )
    return counts.numpy().astype(np.int64)


def mean_class_accuracy(scores: Values, labels: Values) -> float:
    """Return the recall of a class, averaged over the classes that were seen or predicted.

    A class that was predicted but is nobody's label counts as 0 and a class in neither is left
    out: so the published figures were made. Their protocols test every class, where this is the
    plain mean over all of them.
    """
    counts = confusion_matrix(scores, labels)
    videos = counts.sum(axis=1)
    recall = counts.diagonal() / np.maximum(videos, 1)
    return float(recall[(videos > 0) | (counts.sum(axis=0) > 0)].mean())


def mean_average_precision(scores: Values, labels: Values) -> float:
    """Return the average precision of a class over videos, averaged over classes with a positive.

    Raises:
        DataError: ``labels`` are no (N, K) zeros and ones, or hold no positive at all.
    """
    matrix, truth = _with_many_labels(scores, labels)
    return _mean_precision(matrix.T, truth.T)


def mmit_mean_average_precision(scores: Values, labels: Values) -> float:
    """Return the average precision of a video over classes, averaged over videos with a positive.

    Source: Multi-Moments in Time, arXiv:1911.00232.

    Raises:
        DataError: ``labels`` are no (N, K) zeros and ones, or hold no positive at all.
    """
    return _mean_precision(*_with_many_labels(scores, labels))


def _mean_precision(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Average over the rows that hold a positive."""
    rows = [average_precision(s, p) for s, p in zip(scores, positive, strict=True) if p.any()]
    if not rows:
        raise DataError("The labels hold no positive, so there is no average precision to report.")
    return float(np.mean(rows))


def _with_classes(scores: Values, labels: Values) -> tuple[Floats, Integers]:
    """Check scores (N, K) against one class for each video."""
    matrix, truth = _as_matrix(scores), _as_array(labels)
    if truth.shape != (len(matrix),):
        raise DataError(
            f"Accuracy needs one label for each of {len(matrix)} videos, but the labels have shape "
            f"{truth.shape}: for videos with several labels ask for mean_average_precision."
        )
    wrong = np.flatnonzero((truth < 0) | (truth >= matrix.shape[1]))
    if len(wrong):
        raise DataError(
            f"Video {wrong[0]} (counting from 0) has label {truth[wrong[0]]:.0f}, but the network "
            f"scores {matrix.shape[1]} classes: check the list and num_classes."
        )
    return matrix, truth.astype(np.int64)


def _with_many_labels(scores: Values, labels: Values) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Check scores (N, K) against zeros and ones (N, K)."""
    matrix, truth = _as_matrix(scores), _as_array(labels)
    if truth.shape != matrix.shape or not ((truth == 0) | (truth == 1)).all():
        raise DataError(
            f"Average precision needs labels of zeros and ones in shape {matrix.shape}, but they "
            f"have shape {truth.shape}: for videos with one label ask for top_k_accuracy."
        )
    return matrix, truth.astype(np.bool_)


def _as_matrix(scores: Values) -> Floats:
    """Check that the scores are (N, K) numbers, none of them NaN."""
    matrix = _as_array(scores)
    if matrix.ndim != 2:
        raise PraxiscopeError(
            f"Metrics need one score vector for each video, (N, K), but got {matrix.shape}: "
            "average the views with --average-clips prob or score."
        )
    if not matrix.size:
        raise DataError("There are no scores to evaluate: the test list is empty.")
    # NaN compares as false with everything and would count as right.
    broken = np.flatnonzero(np.isnan(matrix).any(axis=1))
    if len(broken):
        raise PraxiscopeError(
            f"The scores of {len(broken)} of {len(matrix)} videos are NaN (first: {broken[0]}): "
            "the network has diverged; train with a lower learning rate or gradient clipping."
        )
    return matrix


def _as_array(values: Values) -> Floats:
    """Return values of any kind and device as float64."""
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    return np.asarray(values, dtype=np.float64)
