from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.functional.classification import binary_average_precision

from praxiscope.metrics.average_precision import (
    average_precision,
    interpolated_average_precision,
)

Floats = npt.NDArray[np.float64]
SCORES = hnp.arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 9).map(lambda n: n / 9))


@given(SCORES, st.data())
@settings(deadline=None)
def test_average_precision_agrees_with_torchmetrics_on_ties_too(
    scores: Floats, data: st.DataObject
) -> None:
    positive = data.draw(hnp.arrays(np.bool_, len(scores)).filter(np.any))
    theirs = binary_average_precision(
        torch.from_numpy(scores), torch.from_numpy(positive).long(), thresholds=None
    )
    assert average_precision(scores, positive) == pytest.approx(float(theirs), abs=1e-6)


def test_average_precision_tells_large_logits_apart() -> None:
    scores = np.array([40.0, 41.0, 42.0])
    assert average_precision(scores, np.array([False, False, True])) == 1


def test_the_interpolated_area_worked_out_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, False, True, True, False])
    # precision 1, 2/3, 3/4 at recalls 1/5, 2/5, 3/5: the second is raised to the third
    expected = (1 + 3 / 4 + 3 / 4) / 5
    assert interpolated_average_precision(scores, right, 5) == pytest.approx(expected)


def test_equal_scores_are_one_step_in_every_order() -> None:
    scores = np.array([0.5, 0.5, 0.5, 0.1])
    for place in range(3):
        right = np.arange(4) == place
        assert interpolated_average_precision(scores, right, 1) == pytest.approx(1 / 3)


def test_nothing_found_is_an_area_of_0() -> None:
    nothing = np.zeros(0)
    assert interpolated_average_precision(nothing, nothing.astype(bool), 3) == 0
    assert interpolated_average_precision(np.ones(2), np.zeros(2, dtype=bool), 3) == 0


@given(SCORES, st.data())
@settings(deadline=None)
def test_the_interpolated_area_is_that_of_all_thresholds(
    scores: Floats, data: st.DataObject
) -> None:
    right = data.draw(hnp.arrays(np.bool_, len(scores)))
    num_truth = int(right.sum()) + data.draw(st.integers(1, 5))
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= threshold
        found = int(right[chosen].sum())
        points.append((found / num_truth, found / int(chosen.sum())))
    total = 0.0
    for (before, _), (recall, _) in pairwise(points):
        total += (recall - before) * max(p for r, p in points if r >= recall)
    assert interpolated_average_precision(scores, right, num_truth) == pytest.approx(total)
