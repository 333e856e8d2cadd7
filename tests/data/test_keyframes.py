"""Clips around key frames, against figures measured on the reference (golden_boxes.json)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxiscope.data.keyframes import key_frame_clip, key_frame_index
from praxiscope.data.sampling import Clip
from praxiscope.errors import DataError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_boxes.json").read_text())
AVA_FRAMES = 27000  # 15 minutes at 30 frames a second


def ava_clip(frames: int, stride: int, timestamp: int, late: int) -> np.ndarray[Any, Any]:
    centre = key_frame_index(timestamp, AVA_FRAMES, fps=30, first_timestamp=900, late=late)
    return key_frame_clip(centre, AVA_FRAMES, Clip(frames=frames, stride=stride))


def test_frames_of_the_1x_convention_are_those_of_the_reference() -> None:
    for frames, stride, timestamp, _, images, of_file in GOLDEN["key_frame"]:
        assert (ava_clip(frames, stride, timestamp, late=1) + 1).tolist() == images
        assert ava_clip(frames, stride, timestamp, late=0).tolist() == of_file


def test_frames_of_the_0x_convention_are_those_of_the_reference_within_a_video() -> None:
    for frames, stride, timestamp, images, _, _ in GOLDEN["key_frame"]:
        ours = ava_clip(frames, stride, timestamp, late=0) + 1
        # The reference names image 0, which does not exist, and never the last one.
        assert np.minimum(ours, AVA_FRAMES - 1).tolist() == np.maximum(images, 1).tolist()
        if 902 <= timestamp <= 1798:  # AVA's timestamps
            assert ours.tolist() == images


def test_a_short_video_that_starts_elsewhere_is_sampled_as_in_the_reference() -> None:
    for frames, stride, expected in GOLDEN["ten_second"]:
        centre = key_frame_index(902, 300, fps=30, first_timestamp=901)
        assert key_frame_clip(centre, 300, Clip(frames=frames, stride=stride)).tolist() == expected


def test_frames_for_training_lie_as_far_from_those_for_testing_as_in_the_reference() -> None:
    rng = np.random.default_rng(0)
    for frames, stride, least, most in GOLDEN["offsets"]:
        clip = Clip(frames=frames, stride=stride)
        still = key_frame_clip(5000, 10000, clip)
        offsets = np.stack([key_frame_clip(5000, 10000, clip, rng) - still for _ in range(400)])
        assert offsets.min(0).tolist() == [least] * frames
        assert offsets.max(0).tolist() == [most] * frames


@given(
    num_frames=st.integers(1, 500),
    share=st.floats(0, 1),
    frames=st.integers(1, 40),
    stride=st.integers(1, 20),
    seed=st.none() | st.integers(0, 99),
)
def test_a_clip_lies_in_its_video_and_without_chance_holds_its_key_frame(
    num_frames: int, share: float, frames: int, stride: int, seed: int | None
) -> None:
    centre = round(share * (num_frames - 1))
    rng = None if seed is None else np.random.default_rng(seed)
    indices = key_frame_clip(centre, num_frames, Clip(frames=frames, stride=stride), rng)
    assert indices.shape == (frames,)
    assert indices.min() >= 0
    assert indices.max() < num_frames
    if rng is None:
        assert indices[frames // 2] == centre


@pytest.mark.parametrize("fps", [24, 25, 29.97, 60])
def test_the_frame_at_a_timestamp_follows_from_the_frame_rate(fps: float) -> None:
    assert key_frame_index(4, 1000, fps=fps, first_timestamp=1) == round(3 * fps)


@pytest.mark.parametrize("timestamp", [899.9, 930])
def test_a_timestamp_outside_its_video_is_an_error_that_says_where_the_video_is(
    timestamp: float,
) -> None:
    with pytest.raises(DataError, match=r"outside its video.* from 900 to 929.967 seconds"):
        key_frame_index(timestamp, 900, fps=30, first_timestamp=900)
