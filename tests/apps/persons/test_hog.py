import cv2
import numpy as np
import pytest

from praxiscope.apps.persons import find_provider
from praxiscope.apps.persons.hog import Hog
from tests.apps.persons.figures import blank, draw_figure


@pytest.mark.parametrize(
    ("height", "width", "x", "top", "size"),
    [(240, 426, 120, 60, 120), (720, 1280, 800, 150, 450), (480, 270, 135, 150, 150)],
)
def test_a_drawn_person_is_found_where_it_stands(
    height: int, width: int, x: int, top: int, size: int
) -> None:
    frame = blank(height, width)
    draw_figure(frame, x, top, size)
    persons = find_provider("hog")(frame, 0)
    assert len(persons) == 1 and 0.9 < persons.scores[0] <= 1
    assert persons.boxes.dtype == persons.scores.dtype == np.float32
    left, upper, right, lower = persons.boxes[0] * [width, height, width, height]
    assert (left + right) / 2 == pytest.approx(x, abs=0.1 * size)
    assert (upper + lower) / 2 == pytest.approx(top + size / 2, abs=0.1 * size)
    assert lower - upper == pytest.approx(size, rel=0.25)


def test_two_persons_are_two_boxes_the_surest_first() -> None:
    frame = blank(240, 426)
    draw_figure(frame, 110, 60, 120)
    draw_figure(frame, 300, 80, 130)
    persons = find_provider("hog")(frame, 0)
    assert sorted((persons.boxes[:, 0] > 0.5).tolist()) == [False, True]
    assert persons.scores[0] >= persons.scores[1]


def test_the_score_is_the_sum_of_the_margins_around_a_person() -> None:
    frame = blank(360, 480)  # at the detector's own size
    draw_figure(frame, 200, 100, 150)
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    windows, margins = detector.detectMultiScale(
        cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
        winStride=(8, 8),
        padding=(16, 16),
        scale=1.05,
        groupThreshold=0,
    )
    assert len(windows) > 1
    best = windows[np.argmax(margins)]
    persons = Hog(min_score=0)(frame, 0)
    x, y, width, height = best
    middle = ((persons.boxes[0, :2] + persons.boxes[0, 2:]) / 2) * [480, 360]
    assert middle == pytest.approx([x + width / 2, y + height / 2], abs=0.01)
    total = -np.log1p(-persons.scores[0].astype(float))
    assert np.max(margins) < total < np.sum(margins) + 1e-3


def test_an_empty_room_has_no_persons() -> None:
    persons = find_provider("hog")(blank(240, 426), 0)
    assert persons.boxes.shape == (0, 4) and persons.scores.shape == (0,)


def test_a_higher_minimal_score_leaves_persons_out() -> None:
    frame = blank(240, 426)
    draw_figure(frame, 110, 60, 120)
    assert len(find_provider("hog", min_score=1)(frame, 0)) == 0
