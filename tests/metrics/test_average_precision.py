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
DISTINCT = hnp.arrays(
    np.float64, st.integers(1, 30), elements=st.integers(0, 99).map(lambda n: n / 99), unique=True
)


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


def test_equal_scores_stand_where_a_random_order_has_them_on_average() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1])
    for places in ((1, 2), (4, 5), (1, 5)):
        right = np.isin(np.arange(7), (0, *places))
        # two of five: on average the second and the fourth of them
        expected = (1 + 2 / 3 + 3 / 5) / 3
        assert interpolated_average_precision(scores, right, 3) == pytest.approx(expected)


def test_rounded_scores_give_the_area_of_the_unrounded_ones_but_for_chance() -> None:
    random = np.random.default_rng(0)
    right = random.random(20_000) < 0.05
    exact = np.where(right, random.beta(2, 3, len(right)), random.beta(1, 5, len(right))) ** 2
    area = interpolated_average_precision(exact, right, 1500)
    assert 0.1 < area < 0.9
    assert len(np.unique(exact.round(3))) < 1001
    assert interpolated_average_precision(exact.round(3), right, 1500) == pytest.approx(area, 2e-3)


def test_nothing_found_is_an_area_of_0() -> None:
    nothing = np.zeros(0)
    assert interpolated_average_precision(nothing, nothing.astype(bool), 3) == 0
    assert interpolated_average_precision(np.ones(2), np.zeros(2, dtype=bool), 3) == 0


@given(DISTINCT, st.data())
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
