"""Key frames come out of the few arrays that hold them as they went in."""

import pickle
import pickletools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_key_frames import KeyFrame, KeyFrames

SOURCES = {name: Source(f"{name}.mp4", 25, 900) for name in "abc"}


def key_frame(rng: np.random.Generator, *, proposed: bool) -> KeyFrame:
    video, persons = str(rng.choice(list("abc"))), int(rng.integers(1, 4))
    labels = [
        sorted({*rng.integers(1, 400, int(rng.integers(0, 4))).tolist()}) for _ in range(persons)
    ]
    count = int(rng.integers(1, 5))
    return KeyFrame(
        video=video,
        timestamp=float(rng.integers(900, 910)) + 0.1,
        source=SOURCES[video],
        boxes=rng.random((persons, 4), dtype=np.float32),
        labels=tuple(map(tuple, labels)),
        persons=tuple(rng.integers(-1, 10**9, persons).tolist()),
        proposals=rng.random((count, 4), dtype=np.float32) if proposed else None,
        scores=rng.random(count, dtype=np.float32) if proposed else None,
    )


def assert_same(one: KeyFrame, other: KeyFrame) -> None:
    for field in ("video", "timestamp", "source", "labels", "persons"):
        assert getattr(one, field) == getattr(other, field), field
    for field in ("boxes", "proposals", "scores"):
        ours, theirs = getattr(one, field), getattr(other, field)
        if theirs is None:
            assert ours is None
        else:
            assert ours.dtype == np.float32
            np.testing.assert_array_equal(ours, theirs)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 6), proposed=st.booleans())
def test_key_frames_come_out_as_they_went_in(seed: int, count: int, proposed: bool) -> None:
    rng = np.random.default_rng(seed)
    given_ones = [key_frame(rng, proposed=proposed) for _ in range(count)]
    packed = pickle.loads(pickle.dumps(KeyFrames(given_ones)))
    assert len(packed) == count
    for ours, theirs in zip(packed, given_ones, strict=True):
        assert_same(ours, theirs)
    for ours, theirs in zip(packed[1:4], given_ones[1:4], strict=True):
        assert_same(ours, theirs)
    if count:
        assert_same(packed[-1], given_ones[-1])
    assert set(packed.sources) == {one.source for one in given_ones}


@pytest.mark.parametrize("place", [3, -4])
def test_there_is_no_key_frame_beyond_the_last(place: int) -> None:
    rng = np.random.default_rng(0)
    packed = KeyFrames([key_frame(rng, proposed=False) for _ in range(3)])
    with pytest.raises(IndexError):
        packed[place]


def test_a_change_of_a_key_frame_changes_none_of_the_list() -> None:
    packed = KeyFrames([key_frame(np.random.default_rng(0), proposed=True)])
    for field in ("boxes", "proposals", "scores"):
        array: Any = getattr(packed[0], field)
        array += 1
        assert getattr(packed[0], field).max() < 1


def test_a_list_is_copied_as_a_few_objects_however_long_it_is() -> None:
    def objects(count: int) -> int:
        packed = KeyFrames([key_frame(np.random.default_rng(0), proposed=True)] * count)
        return sum(1 for _ in pickletools.genops(pickle.dumps(packed)))

    assert objects(1000) < objects(10) + 10
