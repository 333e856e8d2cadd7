"""Indices against figures measured on the reference (tests/data/golden_sampling.json)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data import sampling
from praxiscope.data.sampling import (
    Clip,
    Sampling,
    clips_along,
    dense_clips,
    random_clips,
    uniform_clips,
)
from praxiscope.errors import RecipeError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_sampling.json").read_text())
samplings = st.sampled_from(["strided", "dense", "uniform"])
clips = st.builds(Clip, frames=st.integers(1, 64), stride=st.integers(1, 32), sampling=samplings)
lengths = st.integers(1, 2000)
counts = st.integers(1, 12)


def test_clips_along_a_video_surround_centres_at_equal_distances() -> None:
    assert clips_along(10, Clip(frames=4, stride=2), 4).tolist() == [[0, 0, 2, 4], [2, 4, 6, 8]]
    assert clips_along(11, Clip(frames=3, stride=1), 4).tolist() == [
        [1, 2, 3],
        [5, 6, 7],
        [9, 10, 10],
    ]
    assert clips_along(3, Clip(frames=2, stride=1), 100).tolist() == [[1, 2]]  # at least one


def test_test_clips_of_both_conventions_are_those_of_the_reference() -> None:
    for frames, stride, count, num_frames, old, new in GOLDEN["test_mode"]:
        clip = Clip(frames=frames, stride=stride)
        got_old = sampling.test_clips(num_frames, clip, count, "0.x")
        got_new = sampling.test_clips(num_frames, clip, count, "1.x")
        assert got_old.shape == got_new.shape == (count, frames)
        assert got_old.reshape(-1).tolist() == old
        assert got_new.reshape(-1).tolist() == new


def test_clips_taken_twice_and_single_frames_are_those_of_the_reference() -> None:
    for frames, stride, count, num_frames, twice, old, new in GOLDEN["test_extra"]:
        clip = Clip(frames=frames, stride=stride)
        got_old = sampling.test_clips(num_frames, clip, count, "0.x", twice)
        assert got_old.reshape(-1).tolist() == old
        if new is not None:  # the reference fails for one clip taken twice
            got_new = sampling.test_clips(num_frames, clip, count, "1.x", twice)
            assert got_new.reshape(-1).tolist() == new


def test_one_clip_taken_twice_is_the_middle_and_the_start_in_the_convention_that_failed() -> None:
    clip = Clip(frames=8, stride=8)
    assert sampling.test_clips(100, clip, 1, "1.x", twice=True)[:, 0].tolist() == [21, 0]


def test_random_starts_are_distributed_as_in_the_reference() -> None:
    rng = np.random.default_rng(0)
    for row in GOLDEN["train_mode"]:
        clip = Clip(frames=row["clip_len"], stride=row["frame_interval"])
        draws = np.stack(
            [
                random_clips(row["total_frames"], clip, rng, row["num_clips"])
                for _ in range(row["draws"])
            ]
        )
        starts = draws[:, :, 0]
        assert starts.min(0).tolist() == row["start_min"]
        assert starts.max(0).tolist() == row["start_max"]
        assert [len(np.unique(s)) for s in starts.T] == row["start_distinct"]
        assert draws.min() == row["index_min"]
        assert draws.max() == row["index_max"]
        # two means of n uniform draws differ by less than 4.5 standard deviations
        deviation = (np.array(row["start_distinct"]) ** 2 - 1) / 12
        allowed = 4.5 * np.sqrt(2 * deviation / row["draws"]) + 1e-9
        assert (np.abs(starts.mean(0) - row["start_mean"]) < allowed).all()


def test_more_random_clips_than_starts_are_drawn_in_order() -> None:
    clip = Clip(frames=4, stride=4)
    rng = np.random.default_rng(0)
    starts = np.stack([random_clips(20, clip, rng, count=8)[:, 0] for _ in range(300)])
    assert (np.diff(starts) >= 0).all()
    assert set(starts.reshape(-1).tolist()) == {0, 1, 2, 3, 4}


@settings(deadline=None)
@given(num_frames=lengths, clip=clips, count=counts, seed=st.integers(0, 99))
def test_random_clips_stay_inside_the_video(
    num_frames: int, clip: Clip, count: int, seed: int
) -> None:
    indices = random_clips(num_frames, clip, np.random.default_rng(seed), count)
    assert indices.shape == (count, clip.frames)
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < num_frames
    again = random_clips(num_frames, clip, np.random.default_rng(seed), count)
    assert (indices == again).all()


@settings(deadline=None)
@given(num_frames=lengths, clip=clips, count=counts, convention=st.sampled_from(["0.x", "1.x"]))
def test_test_clips_stay_inside_the_video(
    num_frames: int, clip: Clip, count: int, convention: sampling.Convention
) -> None:
    indices = sampling.test_clips(num_frames, clip, count, convention)
    assert indices.shape == (count, clip.frames)
    assert indices.min() >= 0
    assert indices.max() < num_frames


@settings(deadline=None)
@given(num_frames=lengths, clip=clips, seed=st.integers(0, 99))
def test_frames_of_a_strided_clip_are_a_stride_apart_modulo_the_length(
    num_frames: int, clip: Clip, seed: int
) -> None:
    clip = Clip(frames=clip.frames, stride=clip.stride)
    indices = random_clips(num_frames, clip, np.random.default_rng(seed))[0]
    assert (np.diff(indices) % num_frames == clip.stride % num_frames).all()


def test_dense_test_clips_are_ten_windows_spread_over_the_video() -> None:
    clip = Clip(frames=4, stride=2)
    starts = dense_clips(164, clip, count=2)[:, 0].reshape(10, 2)
    assert starts[:, 0].tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 100]
    assert (starts[:, 1] - starts[:, 0] == 32).all()


def test_dense_training_clips_come_from_one_window_of_64_frames() -> None:
    clip = Clip(frames=1, stride=1)
    rng = np.random.default_rng(0)
    draws = np.stack([dense_clips(84, clip, 8, rng=rng)[:, 0] for _ in range(500)])
    assert (np.diff(draws) == 8).all()
    assert set(draws[:, 0].tolist()) == set(range(20))
    assert dense_clips(40, clip, 8, rng=rng)[:, 0].tolist() == [0, 8, 16, 24, 32, 0, 8, 16]


def test_dense_clips_of_a_recipe_are_the_windows_positions() -> None:
    clip = Clip(frames=8, stride=8, sampling="dense")
    assert sampling.test_clips(164, clip, 3, "0.x")[:, 0].tolist() == [0, 50, 100]
    assert sampling.test_clips(164, clip, 3, "0.x")[0].tolist() == list(range(0, 64, 8))


@settings(deadline=None)
@given(num_frames=lengths, frames=st.integers(1, 64), seed=st.integers(0, 99))
def test_a_uniform_clip_takes_one_frame_of_every_segment(
    num_frames: int, frames: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for clip in (
        *uniform_clips(num_frames, frames, 3, rng=rng),
        *uniform_clips(num_frames, frames, 3),
    ):
        assert (np.diff(clip) >= 0).all()
        if num_frames >= frames:
            for i, frame in enumerate(clip.tolist()):
                assert i * num_frames // frames <= frame < (i + 1) * num_frames // frames


def test_a_uniform_test_clip_takes_the_centres_of_its_segments() -> None:
    assert uniform_clips(40, 4, 1).tolist() == [[5, 15, 25, 35]]
    assert uniform_clips(2, 4, 1).tolist() == [[0, 0, 1, 1]]
    assert uniform_clips(40, 4, 2).tolist() == [[2, 12, 22, 32], [7, 17, 27, 37]]


@pytest.mark.parametrize("sampling_name", ["dense", "uniform"])
def test_only_strided_clips_can_be_taken_twice(sampling_name: Sampling) -> None:
    clip = Clip(frames=4, stride=2, sampling=sampling_name)
    with pytest.raises(RecipeError, match=f"not '{sampling_name}'"):
        sampling.test_clips(100, clip, 2, "0.x", twice=True)


@pytest.mark.parametrize(
    ("frames", "stride", "field"), [(0, 1, "frames"), (4, 0, "stride"), (4, 1.5, "stride")]
)
def test_a_clip_without_frames_or_stride_is_refused_by_name(
    frames: int, stride: int, field: str
) -> None:
    with pytest.raises(RecipeError, match=rf"Clip\.{field} must be a whole number of at least 1"):
        Clip(frames=frames, stride=stride)


def test_an_unknown_sampling_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="'strided', 'dense', 'uniform', not 'sparse'"):
        Clip(frames=4, stride=1, sampling="sparse")  # type: ignore[arg-type]


def test_the_span_counts_both_ends() -> None:
    assert Clip(frames=4, stride=3).span == 10
