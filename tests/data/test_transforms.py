"""Pixels against cv2 and PIL, sizes and offsets against figures measured on the reference."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from praxiscope.data.colour import ColorJitter, recolour
from praxiscope.data.transforms import (
    TrainTransform,
    Views,
    crop_boxes,
    flip,
    random_crop,
    short_side_size,
)
from praxiscope.errors import DataError, RecipeError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_transforms.json").read_text())
sides = st.integers(8, 120)


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_the_short_side_rounds_as_in_the_reference() -> None:
    for height, width, short_side, out_height, out_width in GOLDEN["short_side"]:
        assert short_side_size(height, width, short_side) == (out_height, out_width)


def test_resized_pixels_are_those_of_the_reference() -> None:
    frame = np.array(GOLDEN["resize_input"], np.uint8).reshape(GOLDEN["resize_input_shape"])
    for short_side, shape, values in GOLDEN["resize_pixels"]:
        expected = np.array(values, np.uint8).reshape(shape)
        views = Views(short_side=short_side, size=short_side, crops=3)
        left, right, _ = views.plan(*frame.shape[:2]).each(frame)
        assert (left == expected[:, :short_side]).all()
        assert (right == expected[:, -short_side:]).all()


def test_three_crops_are_left_right_middle_at_the_offsets_of_the_reference() -> None:
    for height, width, size, boxes in GOLDEN["three_crop"]:
        assert crop_boxes(height, width, size, 3) == [tuple(box) for box in boxes]


def test_the_centre_crop_is_that_of_the_reference() -> None:
    for height, width, size, box in GOLDEN["center_crop"]:
        assert crop_boxes(height, width, size, 1) == [tuple(box)]


def test_random_crops_are_distributed_as_in_the_reference() -> None:
    rng = np.random.default_rng(0)
    draws = 6000
    for row in GOLDEN["random_resized_crop"]:
        height, width = row["h"], row["w"]
        boxes = np.array(
            [random_crop(height, width, (0.08, 1), (3 / 4, 4 / 3), rng) for _ in range(draws)]
        )
        x0, y0, x1, y1 = boxes.T
        w, h = x1 - x0, y1 - y0
        area, log_aspect = w * h / (height * width), np.log(w / h)
        assert x0.min() >= 0 and y0.min() >= 0 and x1.max() <= width and y1.max() <= height
        # both means are of samples: 20,000 draws there, 6,000 here; 4.5 standard errors
        error = 4.5 * np.sqrt(1 / draws + 1 / row["draws"])
        assert abs(area.mean() - row["area_fraction_mean"]) < error * area.std()
        assert abs(log_aspect.mean() - row["log_aspect_mean"]) < error * log_aspect.std()
        square = (w == min(height, width)) & (h == w) & (x0 == (width - w) // 2)
        fallback = row["full_fallback_square_fraction"]
        assert abs(square.mean() - fallback) < error * np.sqrt(fallback * (1 - fallback)) + 0.002
        assert area.min() > row["area_fraction_min"] - 0.002
        assert area.max() < row["area_fraction_max"] + 0.01
        assert w.max() <= row["w_minmax"][1] + 3 and h.max() <= row["h_minmax"][1]


def test_every_place_of_a_crop_is_possible() -> None:
    rng = np.random.default_rng(0)
    crops = [random_crop(6, 8, (0.5, 0.5), (1, 1), rng) for _ in range(400)]  # 5 x 5 pixels
    assert {box[:2] for box in crops} == {(x, y) for x in range(4) for y in range(2)}


def test_a_crop_that_fits_nowhere_becomes_the_centre_square() -> None:
    box = random_crop(10, 101, (0.9, 1.0), (0.9, 1.1), np.random.default_rng(0))
    assert box == (45, 0, 55, 10)


@settings(deadline=None)
@given(height=sides, width=sides, short_side=st.none() | sides, size=sides, seed=st.integers(0, 99))
def test_a_training_frame_equals_resize_slice_resize_flip_to_the_pixel(
    height: int, width: int, short_side: int | None, size: int, seed: int
) -> None:
    transform = TrainTransform(short_side=short_side, size=size)
    plan = transform.plan(height, width, np.random.default_rng(seed))
    frame = picture(height, width)

    new_height, new_width = short_side_size(height, width, short_side)
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = random_crop(new_height, new_width, transform.area, transform.aspect, rng)
    expected = cv2.resize(frame, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    expected = np.ascontiguousarray(expected[y0:y1, x0:x1])
    expected = cv2.resize(expected, (size, size), interpolation=cv2.INTER_LINEAR)
    if plan.flipped:
        expected = expected[:, ::-1]
    assert plan.size_px == size
    assert plan.each(frame).shape == (1, size, size, 3)
    assert (plan.each(frame)[0] == expected).all()


@settings(deadline=None)
@given(
    height=sides,
    width=sides,
    short_side=sides,
    less=st.integers(0, 7),
    crops=st.sampled_from([1, 3]),
    channels=st.sampled_from([2, 3]),
)
def test_a_test_frame_is_resized_once_and_its_crops_are_slices(
    height: int, width: int, short_side: int, less: int, crops: int, channels: int
) -> None:
    size = short_side - less
    frame = picture(height, width, channels)
    got = Views(short_side=short_side, size=size, crops=crops).plan(height, width).each(frame)
    resized_to = short_side_size(height, width, short_side)
    resized = cv2.resize(frame, resized_to[::-1], interpolation=cv2.INTER_LINEAR)
    boxes = crop_boxes(*resized_to, size, crops)
    assert got.shape == (crops, size, size, channels)
    for crop, (x0, y0, x1, y1) in zip(got, boxes, strict=True):
        assert (crop == resized[y0:y1, x0:x1]).all()


def test_a_plan_gives_every_frame_of_a_video_the_same_crop() -> None:
    plan = TrainTransform(short_side=None, size=16).plan(32, 48, np.random.default_rng(3))
    one, other = picture(32, 48), picture(32, 48, seed=1)
    first = plan.each(one)
    assert (plan.each(other) != first).any()
    assert (plan.each(one) == first).all()


def test_flips_come_at_the_rate_asked_for() -> None:
    rng = np.random.default_rng(0)
    flips = [TrainTransform().plan(240, 320, rng).flipped for _ in range(2000)]
    assert 0.45 < np.mean(flips) < 0.55
    assert not any(TrainTransform(flip=0).plan(240, 320, rng).flipped for _ in range(50))
    assert all(TrainTransform(flip=1).plan(240, 320, rng).flipped for _ in range(50))


def test_a_flip_mirrors_the_frame_and_leaves_the_original_alone() -> None:
    frame = picture(4, 6)
    before = frame.copy()
    assert (flip(frame) == before[:, ::-1]).all()
    assert (frame == before).all()


def test_a_flip_of_optical_flow_turns_its_x_around_but_not_its_y() -> None:
    frame = picture(4, 6, channels=2)
    before = frame.copy()
    flipped = flip(frame)
    assert (flipped[..., 0] == 255 - before[:, ::-1, 0]).all()
    assert (flipped[..., 1] == before[:, ::-1, 1]).all()
    assert (frame == before).all()


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.4])
@pytest.mark.parametrize("change", ["Brightness", "Contrast", "Color"])
def test_brightness_contrast_and_saturation_agree_with_pil(change: str, factor: float) -> None:
    frame = cv2.resize(picture(5, 7), (64, 48))
    expected = getattr(ImageEnhance, change)(Image.fromarray(frame)).enhance(factor)
    factors = {"Brightness": 1.0, "Contrast": 1.0, "Color": 1.0, change: factor}
    got = recolour(frame, *factors.values(), hue=0)
    # PIL rounds its grey and its result down, each to a whole level
    assert np.abs(got.astype(int) - np.asarray(expected, dtype=int)).max() <= 2


def test_a_third_of_a_turn_of_hue_moves_red_to_green_to_blue() -> None:
    frame = np.array([[[200, 40, 40], [40, 200, 40], [40, 40, 200], [90, 90, 90]]], np.uint8)
    expected = [[[40, 200, 40], [40, 40, 200], [200, 40, 40], [90, 90, 90]]]
    assert recolour(frame, 1, 1, 1, hue=1 / 3).tolist() == expected


def test_no_colour_change_changes_nothing() -> None:
    frame = picture(20, 30)
    assert (recolour(frame, 1, 1, 1, 0) == frame).all()


def test_colours_move_alike_in_all_frames_and_differ_between_videos() -> None:
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    transform = TrainTransform(short_side=None, size=16, flip=0, color_jitter=jitter)
    frame = picture(16, 16)
    outcomes = set()
    for seed in range(8):
        plan = transform.plan(16, 16, np.random.default_rng(seed))
        assert (plan.each(frame) == plan.each(frame)).all()
        outcomes.add(plan.each(frame).tobytes())
    assert len(outcomes) == 8


def test_optical_flow_has_no_colours_to_change() -> None:
    with pytest.raises(DataError, match="leave color_jitter out for flow"):
        recolour(picture(4, 4, channels=2), 1, 1, 1, 0)


def test_a_frame_smaller_than_the_crop_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match="100 x 80 pixels are smaller than the crop of 224: set"):
        Views(size=224, short_side=None).plan(80, 100)


def test_views_count_clips_times_crops() -> None:
    assert Views(clips=10, crops=3).num_views == 30
    assert Views(clips=10, crops=3, twice=True).num_views == 60


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Views(crops=2), "Views.crops must be one of 1, 3, not 2"),
        (lambda: Views(clips=0), "Views.clips must be a whole number of at least 1, not 0"),
        (lambda: Views(size=22.5), "Views.size must be a whole number"),
        (lambda: Views(clip_starts="2.x"), "Views.clip_starts must be one of '0.x', '1.x'"),
        (lambda: Views(size=320), "Views.size=320 does not fit into frames with Views.short_side"),
        (lambda: TrainTransform(size=True), "TrainTransform.size must be a whole number"),
        (lambda: TrainTransform(short_side=0), "TrainTransform.short_side must be"),
        (lambda: TrainTransform(area=(0.0, 1.0)), "TrainTransform.area must be"),
        (lambda: TrainTransform(aspect=(2.0, 1.0)), "TrainTransform.aspect must be"),
        (lambda: TrainTransform(flip=1.5), "TrainTransform.flip must be from 0 to 1"),
        (lambda: ColorJitter(hue=0.7), "ColorJitter.hue must be from 0 to 0.5"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(build: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build()
