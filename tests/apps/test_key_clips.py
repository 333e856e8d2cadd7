"""Clips cut from a stream, beside those that a test takes by frame number."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.apps.key_clips import KeyClip, KeyClips
from praxiscope.apps.streams import TimedFrame
from praxiscope.data.keyframes import key_frame_clip, key_frame_index
from praxiscope.data.sampling import Clip


def numbered(times: Sequence[float]) -> Iterator[TimedFrame]:
    """Frames whose only pixel is their number."""
    for number, seconds in enumerate(times):
        yield TimedFrame(number, seconds, lambda n=number: np.full((1, 1, 3), n % 256, np.uint8))  # type: ignore[misc]


def cut(
    times: Sequence[float], clip: Clip, *, fps: float, rate: float, own: float
) -> list[KeyClip[float]]:
    clips = KeyClips(
        clip, fps=fps, rate=rate, each=lambda frame: frame, look=lambda frame, seconds: seconds
    )
    return list(clips.cut(numbered(times), own))


def numbers(clip: KeyClip[float]) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in clip.frames]


@given(
    count=st.integers(1, 120),
    fps=st.sampled_from([30.0, 25.0, 30000 / 1001, 12.0]),
    frames=st.integers(1, 9),
    stride=st.integers(1, 8),
    rate=st.sampled_from([0.5, 1.0, 2.0, 5.0]),
)
@settings(deadline=None, max_examples=150)
def test_at_the_rate_of_the_training_clips_are_those_of_a_test(
    count: int, fps: float, frames: int, stride: int, rate: float
) -> None:
    clip = Clip(frames=frames, stride=stride)
    found = cut(np.arange(count) / fps, clip, fps=fps, rate=rate, own=fps)
    expected, key = [], 0
    while (key / rate) * fps + 0.5 < count:
        centre = key_frame_index(key / rate, count, fps=fps)
        expected.append((centre, key_frame_clip(centre, count, clip).tolist()))
        key += 1
    assert [(clip.number, numbers(clip)) for clip in found] == expected
    assert [clip.seconds for clip in found] == [k / rate for k in range(key)]
    assert [clip.seen for clip in found] == [clip.seconds for clip in found]


def test_a_rate_a_little_off_takes_the_same_frame_numbers() -> None:
    """NTSC's 29.97 beside the training's 30, minutes into a video."""
    clip = Clip(frames=8, stride=4)
    own = 30000 / 1001
    for found in cut(np.arange(250) / own, clip, fps=30, rate=1, own=own):
        assert numbers(found) == key_frame_clip(found.number, 250, clip).tolist()


def test_frames_of_variable_rate_are_taken_by_their_times() -> None:
    times = [0, 0.1, 0.2, 0.9, 1.0, 1.4, 1.5, 2.0]
    found = cut(times, Clip(frames=4, stride=1), fps=5, rate=1, own=5)
    # 0.6, 0.8, 1.0 and 1.2 seconds: the last lies between 1.0 and 1.4, of which the later is taken
    assert [numbers(clip) for clip in found] == [[0, 0, 0, 2], [3, 3, 4, 5], [6, 7, 7, 7]]


@pytest.mark.parametrize("gap", [30.0, 1e7])
def test_nothing_is_looked_at_within_a_long_gap(gap: float) -> None:
    found = cut([0, 0.5, gap, gap + 0.5], Clip(frames=2, stride=1), fps=2, rate=1, own=2)
    seconds = [clip.seconds for clip in found]
    assert seconds == [*range(6), *(gap + n for n in range(-5, 1))]
    assert [clip.number for clip in found] == [0, *[1] * 5, *[2] * 6]


def test_a_clip_comes_as_soon_as_its_frames_are_there() -> None:
    taken: list[int] = []

    def frames() -> Iterator[TimedFrame]:
        for frame in numbered(np.arange(100) / 10):
            taken.append(frame.number)
            yield frame

    clips = KeyClips(
        Clip(frames=4, stride=3), fps=10, rate=1, each=lambda f: f, look=lambda f, s: None
    )
    after = [(clip.number, taken[-1]) for clip in clips.cut(frames(), 10)]
    assert after[:3] == [(0, 4), (10, 14), (20, 24)]  # one more than the clip's last frame
