import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxiscope.apps.persons import Persons
from praxiscope.apps.tracks import Smoother, Tracker, between


def persons(*boxes: tuple[float, float, float, float]) -> Persons:
    return Persons(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


def array(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


LEFT, RIGHT = (0.1, 0.2, 0.3, 0.8), (0.6, 0.2, 0.8, 0.8)
NEAR_LEFT, NEAR_RIGHT = (0.14, 0.2, 0.34, 0.8), (0.57, 0.25, 0.77, 0.85)


def test_persons_keep_their_numbers_whatever_their_order() -> None:
    tracker = Tracker()
    assert tracker.update(persons(LEFT, RIGHT), 0).tolist() == [1, 2]
    numbers = tracker.update(persons(NEAR_RIGHT, NEAR_LEFT), 1)
    assert numbers.tolist() == [2, 1] and numbers.dtype == np.int64


def test_a_person_too_far_from_all_tracks_begins_one() -> None:
    tracker = Tracker(min_iou=0.3)
    tracker.update(persons(LEFT), 0)
    assert tracker.update(persons(RIGHT, NEAR_LEFT), 1).tolist() == [2, 1]
    half_covered = (0.2, 0.2, 0.4, 0.8)  # a third: one half over one and a half
    assert Tracker(0.33).update(persons(LEFT), 0).tolist() == [1]
    for least, expected in ((0.33, 1), (0.34, 2)):
        tracker = Tracker(least)
        tracker.update(persons(LEFT), 0)
        assert tracker.update(persons(half_covered), 1).tolist() == [expected]


def test_the_sum_of_overlaps_decides_and_not_the_best_pair_alone() -> None:
    tracker = Tracker(min_iou=0.2)
    tracker.update(persons((0.0, 0, 0.4, 1), (0.2, 0, 0.6, 1)), 0)
    # The first is nearest to track 2, but then the second, which track 1 does not reach, has none.
    assert tracker.update(persons((0.15, 0, 0.55, 1), (0.4, 0, 0.8, 1)), 1).tolist() == [1, 2]


def test_a_gap_is_bridged_up_to_its_limit_and_a_number_never_comes_back() -> None:
    tracker = Tracker(max_gap=2)
    assert tracker.update(persons(LEFT, RIGHT), 10).tolist() == [1, 2]
    assert tracker.update(persons(), 11).shape == (0,)
    assert tracker.update(persons(LEFT), 12).tolist() == [1]
    assert tracker.update(persons(RIGHT, LEFT), 12.5).tolist() == [3, 1]
    assert tracker.update(persons(LEFT), 15).tolist() == [4]


def test_the_tracker_forgets_who_is_gone() -> None:
    tracker = Tracker(max_gap=2)
    for second in range(200):
        x = (second % 10) / 10
        tracker.update(persons((x, 0, x + 0.05, 1)), second)
    assert len(tracker._seen) <= 3


boxes = st.lists(
    st.tuples(*[st.floats(0, 0.5)] * 2, *[st.floats(0.01, 0.5)] * 2).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=6,
)


@given(st.lists(boxes, max_size=6), st.floats(0, 3))
def test_all_numbers_of_a_key_frame_differ_and_new_ones_are_the_next(
    frames: list[list[tuple[float, float, float, float]]], max_gap: float
) -> None:
    tracker, highest = Tracker(max_gap=max_gap), 0
    for second, frame in enumerate(frames):
        numbers = tracker.update(persons(*frame), second).tolist()
        new = [number for number in numbers if number > highest]
        assert len(set(numbers)) == len(numbers) == len(frame)
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


def test_what_was_seen_a_half_life_ago_weighs_half() -> None:
    smoother = Smoother(half_life=2, max_gap=5)
    one = smoother.update(np.array([7, 3]), np.array([[0.8, 0], [0.2, 1]], np.float32), 0)
    assert one.tolist() == [[pytest.approx(0.8), 0], [pytest.approx(0.2), 1]]
    two = smoother.update(np.array([3, 7]), np.array([[0.4, 0], [0.0, 1]], np.float32), 2)
    assert two == pytest.approx(np.array([[0.3, 0.5], [0.4, 0.5]]))
    three = smoother.update(np.array([7]), np.array([[0.0, 0]], np.float32), 6)  # a quarter
    assert three == pytest.approx(np.array([[0.1, 0.125]]))


def test_a_half_life_of_zero_changes_nothing_and_gaps_begin_anew() -> None:
    scores = np.array([[0.25, 0.75]], np.float32)
    unchanged, forgetful = Smoother(half_life=0), Smoother(half_life=1, max_gap=2)
    for smoother in (unchanged, forgetful):
        smoother.update(np.array([1]), np.zeros((1, 2), np.float32), 0)
    assert (unchanged.update(np.array([1]), scores, 1) == scores).all()
    assert (forgetful.update(np.array([1]), scores, 2.5) == scores).all()
    assert forgetful.update(np.array([], np.int64), scores[:0], 9).shape == (0, 2)
    assert forgetful._states == {}


def test_the_scores_given_are_left_as_they_are() -> None:
    smoother = Smoother()
    smoother.update(np.array([1]), np.zeros((1, 1), np.float32), 0)
    scores = np.ones((1, 1), np.float32)
    smoothed = smoother.update(np.array([1]), scores, 1)
    smoothed += 5
    assert scores.tolist() == [[1]]
    assert smoother.update(np.array([1]), scores, 2).item() == pytest.approx(0.75)


def test_boxes_move_in_a_straight_line_between_key_frames() -> None:
    before, after = {4: array(0, 0, 0.2, 0.4)}, {4: array(0.4, 0.2, 0.6, 0.4)}
    assert between(before, after, 0)[4].tolist() == before[4].tolist()
    assert between(before, after, 0.25)[4] == pytest.approx(array(0.1, 0.05, 0.3, 0.4))
    assert between(before, after, 1)[4] == pytest.approx(after[4])


def test_a_box_of_one_key_frame_is_shown_in_the_half_nearer_to_it() -> None:
    gone, new = {1: array(*LEFT)}, {2: array(*RIGHT)}
    assert list(between(gone, new, 0.49)) == [1]
    assert list(between(gone, new, 0.5)) == [2]
    assert between(gone, new, 0.5)[2].tolist() == new[2].tolist()
