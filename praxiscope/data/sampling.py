"""Which frames make a clip. Pure functions of (video length, clip, random state).

Letters: V clips of a video, T frames of a clip, N frames of the video. Frames count from 0.

The published runs come from two generations of one code base, which choose test clips differently;
``"0.x"`` and ``"1.x"`` name them. A video shorter than its clip is repeated from its start.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from praxiscope.checks import check_choice, check_whole
from praxiscope.errors import RecipeError
from praxiscope.types import Indices

Convention = Literal["0.x", "1.x"]
Sampling = Literal["strided", "dense", "uniform"]

DENSE_RANGE = 64  # frames that one dense clip is taken from, as published


@dataclass(frozen=True, kw_only=True)
class Clip:
    """``4x16`` in a config name: 4 frames, one every 16.

    frames=4, stride=3:  f..f..f..f   span = 10 frames

    ``sampling`` says where the frames lie: ``strided`` clips anywhere in the video, ``dense`` ones
    from windows of 64 frames (see :func:`dense_clips`), ``uniform`` over the whole video, whatever
    its length (see :func:`uniform_clips`; ``stride`` then has no effect).
    """

    frames: int
    stride: int
    sampling: Sampling = "strided"

    def __post_init__(self) -> None:
        check_whole(self.frames, "Clip.frames")
        check_whole(self.stride, "Clip.stride")
        check_choice(self.sampling, "Clip.sampling", ("strided", "dense", "uniform"))

    @property
    def span(self) -> int:
        """Frames from the first to the last of the clip, both included."""
        return (self.frames - 1) * self.stride + 1

    def indices(self, starts: npt.NDArray[np.int64], num_frames: int) -> Indices:
        """Clip starts (V,) -> frames (V, T). What lies beyond the video wraps around."""
        return (starts[:, None] + np.arange(self.frames) * self.stride) % num_frames


def random_clips(num_frames: int, clip: Clip, rng: np.random.Generator, count: int = 1) -> Indices:
    """Clips for training -> (count, T).

    One clip starts anywhere in 0 .. N - T * stride, both included: the published runs keep a whole
    stride free after the last frame. Several clips share that range in equal parts, in order; when
    there are fewer starts than clips, the starts are drawn and sorted.
    """
    assert num_frames >= 1 and count >= 1
    if clip.sampling == "dense":
        return dense_clips(num_frames, clip, count, rng=rng)
    if clip.sampling == "uniform":
        return uniform_clips(num_frames, clip.frames, count, rng=rng)
    room = clip.frames * clip.stride
    choices = max(num_frames - room + 1, 0)
    part = choices // count
    if part > 0:
        starts = np.arange(count) * part + rng.integers(part, size=count)
    elif num_frames > max(count, room):
        starts = np.sort(rng.integers(choices, size=count))
    else:
        starts = np.round(np.arange(count) * (choices / count)).astype(np.int64)
    return clip.indices(starts, num_frames)


def test_clips(
    num_frames: int,
    clip: Clip,
    count: int,
    convention: Convention,
    twice: bool = False,  # noqa: PT028
) -> Indices:
    """Clips for testing, nothing random -> (count, T), or (2 count, T) with ``twice``.

    ``"0.x"`` takes the centres of ``count`` equal parts of the range that training draws from;
    ``twice`` adds their left ends, but for a video too short for one clip, as published.
    ``"1.x"`` spreads the starts from the first to the last possible one (one clip: the middle);
    ``twice`` carries on at the same spacing, past the end and round to the start again.
    The published 1.x code fails for one clip taken twice; here that is the middle and the start.
    """
    assert num_frames >= 1 and count >= 1
    if clip.sampling != "strided":
        if twice:
            raise RecipeError(f"Clips can be taken twice when 'strided', not '{clip.sampling}'.")
        if clip.sampling == "dense":
            return dense_clips(num_frames, clip, 1, positions=count)
        return uniform_clips(num_frames, clip.frames, count)
    if convention == "0.x":
        starts = _part_centres(num_frames - clip.frames * clip.stride + 1, count, twice)
    elif clip.frames == 1:
        starts = _part_centres(num_frames, count, twice)
    else:
        starts = _spread(max(num_frames - clip.span, 0), count, twice)
    return clip.indices(starts, num_frames)


def _part_centres(choices: int, count: int, twice: bool) -> npt.NDArray[np.int64]:
    """Return the centres of ``count`` equal parts of 0 .. choices, then their left ends."""
    if choices <= 0:
        return np.zeros(count, dtype=np.int64)
    part = choices / count
    lefts = np.arange(count) * part
    starts = lefts + part / 2
    return (np.concatenate([starts, lefts]) if twice else starts).astype(np.int64)


def _spread(last_start: int, count: int, twice: bool) -> npt.NDArray[np.int64]:
    """Return ``count`` starts at equal distances, 0 and ``last_start`` among them."""
    if count == 1:
        return np.array([last_start // 2, 0] if twice else [last_start // 2], dtype=np.int64)
    step = last_start / (count - 1)
    return np.round(np.arange(2 * count if twice else count) * step).astype(np.int64)


def clips_along(num_frames: int, clip: Clip, interval: int) -> Indices:
    """Clips around centres ``interval`` frames apart, over the whole video -> (count, T).

    The first centre is at ``interval // 2``. Frames before the start and after the end are the
    first and the last one: nothing wraps around, as it does in :meth:`Clip.indices`.

    Source: the published extraction of features from untrimmed videos.
    """
    assert num_frames >= 1 and interval >= 1
    centres = np.arange(min(interval // 2, num_frames - 1), num_frames, interval)
    steps = (np.arange(clip.frames) - clip.frames // 2) * clip.stride
    indices: Indices = np.clip(centres[:, None] + steps, 0, num_frames - 1)
    return indices


def dense_clips(
    num_frames: int,
    clip: Clip,
    count: int,
    *,
    rng: np.random.Generator | None = None,
    window: int = DENSE_RANGE,
    positions: int = 10,
) -> Indices:
    """Clips from windows of ``window`` frames -> (count, T), or (positions * count, T) in testing.

    A window holds ``count`` clips, their starts ``window // count`` frames apart. In training one
    window starts anywhere in 0 .. N - window - 1; in testing (no ``rng``) ``positions`` windows are
    spread from the first to the last possible one, and the clips of a window stay together.

    Source: the dense sampling published for TSM, after Non-local Networks (arXiv:1711.07971).
    """
    last = max(num_frames - window, 0)
    if rng is None:
        windows = np.linspace(0, last, num=positions, dtype=np.int64)
    else:
        windows = rng.integers(max(last, 1), size=1)
    starts = windows[:, None] + np.arange(count) * (window // count)
    return clip.indices(starts.reshape(-1) % num_frames, num_frames)


def uniform_clips(
    num_frames: int, frames: int, count: int, *, rng: np.random.Generator | None = None
) -> Indices:
    """Clips that cover the whole video, one frame from each of T equal segments -> (count, T).

    In training every frame is drawn from its segment. In testing (no ``rng``) clip k of V takes
    the frame at (k + 1/2) / V of every segment: the centre when there is one clip. A video of fewer
    than T frames repeats frames in place, so that time never runs backwards.

    Source: the segments of TSN (arXiv:1608.00859).
    """
    edges = np.arange(frames + 1) * num_frames // frames
    first, size = edges[:-1], np.maximum(np.diff(edges), 1)
    if rng is None:
        part = (np.arange(count)[:, None] + 0.5) / count
        return first + (part * size).astype(np.int64)
    return first + rng.integers(size, size=(count, frames))
