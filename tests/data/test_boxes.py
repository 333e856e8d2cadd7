"""Boxes through resize, crop and flip: figures of the reference (golden_boxes.json), properties."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxiscope.data.boxes import (
    WHOLE_FRAME,
    Boxes,
    BoxTransform,
    crop_boxes,
    flip_boxes,
    in_pixels,
)
from praxiscope.data.transforms import short_side_size
from praxiscope.errors import RecipeError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_boxes.json").read_text())


def shares(boxes: list[list[float]], height: int, width: int) -> Boxes:
    return np.array(boxes, np.float32) / np.array([width, height, width, height], np.float32)


@st.composite
def some_boxes(draw: st.DrawFn) -> Boxes:
    corners = draw(st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), max_size=5))
    ordered = [(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for x1, y1, x2, y2 in corners]
    return np.array(ordered, np.float32).reshape(-1, 4)


sides = st.integers(20, 400)
seeds = st.integers(0, 2**32 - 1)


def test_resized_boxes_are_those_of_the_reference() -> None:
    for height, width, short_side, out_height, out_width, before, after in GOLDEN["resize"]:
        size = short_side_size(height, width, short_side)
        assert size == (out_height, out_width)
        np.testing.assert_allclose(in_pixels(shares(before, height, width), *size), after, 1e-6)


def test_cropped_boxes_are_those_of_the_reference_none_dropped() -> None:
    for height, width, crop, before, after in GOLDEN["crop"]:
        cropped = crop_boxes(shares(before, height, width), height, width, crop)
        size = crop[3] - crop[1], crop[2] - crop[0]
        np.testing.assert_allclose(in_pixels(cropped, *size), after, atol=1e-4)


def test_flipped_boxes_are_those_of_the_reference() -> None:
    height, width, before, after = GOLDEN["flip"]
    flipped = flip_boxes(shares(before, height, width))
    np.testing.assert_allclose(in_pixels(flipped, height, width), after, atol=1e-5)


def test_the_short_side_is_drawn_from_the_range_of_the_reference() -> None:
    transform, rng = BoxTransform(size=None, flip=0), np.random.default_rng(0)
    drawn = {transform.plan(480, 640, rng).height for _ in range(2000)}
    assert [min(drawn), max(drawn)] == GOLDEN["short_side"]
    assert len(drawn) == 65


@given(some_boxes())
def test_two_flips_change_nothing_and_one_keeps_boxes_ordered(boxes: Boxes) -> None:
    flipped = flip_boxes(boxes)
    np.testing.assert_allclose(flip_boxes(flipped), boxes, atol=1e-6)
    assert (flipped[:, :2] <= flipped[:, 2:]).all()
    assert flipped.dtype == np.float32


@given(some_boxes(), sides, sides, seeds)
def test_every_box_stays_within_the_frame_and_in_its_place(
    boxes: Boxes, height: int, width: int, seed: int
) -> None:
    transform = BoxTransform(short_side=(32, 40), size=32)
    plan = transform.plan(height, width, np.random.default_rng(seed))
    moved = plan.boxes(boxes)
    assert (plan.height, plan.width) == (32, 32)
    assert moved.shape == boxes.shape
    assert moved.dtype == np.float32
    assert (moved >= 0).all() and (moved <= 1).all()
    assert (moved[:, :2] <= moved[:, 2:]).all()


@given(some_boxes(), sides, sides, seeds)
def test_testing_leaves_boxes_as_they_are_whatever_the_seed(
    boxes: Boxes, height: int, width: int, seed: int
) -> None:
    plan = WHOLE_FRAME.plan(height, width, np.random.default_rng(seed))
    assert plan.boxes(boxes) is boxes
    assert (plan.height, plan.width) == short_side_size(height, width, 256)


@given(seeds, st.booleans())
def test_a_bright_square_stays_in_its_box(seed: int, upright: bool) -> None:
    height, width = (160, 120) if upright else (120, 160)
    frame = np.zeros((height, width, 3), np.uint8)
    frame[50:80, 40:70] = 255
    box = shares([[40, 50, 70, 80]], height, width)
    transform = BoxTransform(short_side=(120, 150), size=120)
    plan = transform.plan(height, width, np.random.default_rng(seed))
    moved = plan.each(frame)
    assert moved.shape == (plan.height, plan.width, 3)
    x1, y1, x2, y2 = in_pixels(plan.boxes(box), plan.height, plan.width)[0]
    rows, columns = np.nonzero(moved[..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=1.5)


def test_a_crop_larger_than_the_frames_is_refused() -> None:
    with pytest.raises(RecipeError, match="size=300 does not fit into frames with a short side"):
        BoxTransform(size=300)
    with pytest.raises(RecipeError, match="flip must be"):
        BoxTransform(flip=2)
