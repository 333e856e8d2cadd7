"""The shares of classes in an epoch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxiscope.data.balance import ClassBalance, turns_of
from praxiscope.data.batch import EpochSampler

LABELS = [0] * 64 + [1] * 16 + [2] * 4


def drawn(power: float, epoch: int = 0, **share: int) -> list[int]:
    balance = ClassBalance(LABELS, power)
    sampler = EpochSampler(len(LABELS), seed=0, balance=balance, **share)
    sampler.set_epoch(epoch)
    return [key.index for key in sampler]


@pytest.mark.parametrize(
    ("power", "shares"),
    # 64, 16 and 4 to the powers 1, 0 and 1/2, of 84
    [(1.0, [64, 16, 4]), (0.0, [28, 28, 28]), (0.5, [48, 24, 12])],
)
def test_a_class_is_drawn_in_proportion_to_a_power_of_its_size(
    power: float, shares: list[int]
) -> None:
    counts = Counter(LABELS[index] for index in drawn(power))
    assert [counts[label] for label in range(3)] == shares


def test_with_power_one_an_epoch_is_the_list() -> None:
    assert sorted(drawn(1.0)) == list(range(len(LABELS)))


def test_the_videos_of_a_class_come_as_evenly_as_can_be() -> None:
    counts = Counter(drawn(0.0))
    assert {counts[index] for index in range(64)} == {0, 1}
    assert {counts[index] for index in range(64, 80)} == {1, 2}
    assert {counts[index] for index in range(80, 84)} == {7}


def test_the_order_depends_on_the_epoch_and_other_videos_have_their_turn() -> None:
    assert drawn(0.0, 1) == drawn(0.0, 1) != drawn(0.0, 2)
    assert set(drawn(0.0, 1)) != set(drawn(0.0, 2))
    assert len({i for epoch in range(20) for i in drawn(0.0, epoch)}) == len(LABELS)


def test_a_video_that_comes_again_in_an_epoch_says_so() -> None:
    sampler = EpochSampler(len(LABELS), seed=0, balance=ClassBalance(LABELS, 0.0))
    turns: dict[int, list[int]] = {}
    for key in sampler:
        turns.setdefault(key.index, []).append(key.turn)
    assert all(found == list(range(len(found))) for found in turns.values())
    assert {len(turns[index]) for index in range(80, 84)} == {7}
    shares = [
        list(EpochSampler(84, seed=0, rank=r, world_size=2, balance=sampler.balance))
        for r in range(2)
    ]
    assert [key for pair in zip(*shares, strict=True) for key in pair] == list(sampler)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_turns_count_what_came_before(items: list[int]) -> None:
    turns = turns_of(np.array(items, dtype=np.int64))
    assert turns.tolist() == [items[:place].count(item) for place, item in enumerate(items)]


def test_processes_share_the_order_and_resume_within_it() -> None:
    alone = drawn(0.5)
    shares = [drawn(0.5, rank=rank, world_size=2) for rank in range(2)]
    assert [index for pair in zip(*shares, strict=True) for index in pair] == alone
    rest = EpochSampler(len(LABELS), seed=0, balance=ClassBalance(LABELS, 0.5))
    rest.resume(0, 10)
    assert [key.index for key in rest] == alone[10:]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0, 1))
def test_an_epoch_has_as_many_items_as_the_list(labels: list[int], power: float) -> None:
    items = ClassBalance(labels, power).draw(np.random.default_rng(0))
    assert len(items) == len(labels)
    assert ((items >= 0) & (items < len(labels))).all()
