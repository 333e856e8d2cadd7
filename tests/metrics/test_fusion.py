import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from praxiscope.metrics.fusion import Floats, fuse_scores, softmax_rows

RGB = [[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]]
FLOW = [[0.0, 4.0, 2.0], [1.0, 1.0, 5.0]]


def test_a_sum_of_two_streams_worked_out_by_hand() -> None:
    assert fuse_scores([RGB, FLOW], [1, 0.5]).tolist() == [[2, 3, 1], [0.5, 3.5, 3.5]]
    assert fuse_scores([RGB, FLOW, RGB], [1, 0, -1]).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_one_stream_of_weight_one_is_itself() -> None:
    assert fuse_scores([RGB], [1]).tolist() == RGB


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)),
               elements=st.floats(-1e4, 1e4))
)  # fmt: skip
@settings(deadline=None)
def test_the_softmax_is_that_of_torch(scores: Floats) -> None:
    expected = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
    assert softmax_rows(scores) == pytest.approx(expected, abs=1e-12)
    assert softmax_rows(scores).sum(axis=1) == pytest.approx(1)


def test_softmax_takes_each_stream_by_itself_before_the_sum() -> None:
    rgb, flow = (torch.softmax(torch.tensor(s, dtype=torch.float64), 1) for s in (RGB, FLOW))
    expected = (rgb + 2 * flow).numpy()
    assert fuse_scores([RGB, FLOW], [1, 2], softmax=True) == pytest.approx(expected, abs=1e-12)


def test_large_logits_do_not_overflow() -> None:
    assert fuse_scores([[[1e4, 0.0]]], [1], softmax=True).tolist() == [[1, 0]]
