"""Clips around key frames, cut from pictures that come one after the other.

Letters: N clips, T frames of a clip, H x W pixels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.apps.streams import TimedFrame
from praxiscope.data.sampling import Clip
from praxiscope.types import Frame, Frames

Seen = TypeVar("Seen")
Seconds = npt.NDArray[np.float64]

_TIE = 1e-6  # seconds; of two frames that are equally near the later one is taken, as in AVA
_FARTHEST = 5.0  # seconds from a key frame to the nearest picture


@dataclass(frozen=True)
class KeyClip(Generic[Seen]):
    """A key frame and the frames around it."""

    seconds: float
    number: int  # of the key frame, from 0
    seen: Seen  # what was seen in the key frame at its full size
    frames: Frames  # (T, H, W, 3), the key frame is number T // 2
    window: Tensor | None = None  # of a feature bank, (slots, channels)

    @property
    def second(self) -> int:
        """The second that the key frame is in."""
        return floor(self.seconds + _TIE)


class KeyClips(Generic[Seen]):
    """Cuts clips from a stream, at 0 seconds and ``rate`` times a second from there.

    A clip covers as many seconds as those that the network was trained on, whatever the stream's
    frame rate: its frames are the nearest to ``clip.stride / fps`` seconds apart from the key
    frame, which is the one nearest to its time. At the training's rate these are the frames of
    :func:`praxiscope.data.keyframes.key_frame_clip`. Before the start and after the end the first
    and the last frame are repeated.

    Memory holds the frames of one clip's span as ``each`` leaves them, one frame at full size, and
    what ``look`` returned for the key frames of half a span.

    Args:
        fps: Of the training's videos.
        each: Applied to every picture (H, W, 3), as a resize.
        look: Called in order with the full picture of every key frame and its seconds.
    """

    def __init__(
        self,
        clip: Clip,
        *,
        fps: float,
        rate: float,
        each: Callable[[Frame], Frame],
        look: Callable[[Frame, float], Seen],
    ) -> None:
        places = np.arange(clip.frames, dtype=np.float64) - clip.frames // 2
        self._offsets: Seconds = places * (clip.stride / fps)
        self._rate, self._each, self._look = rate, each, look
        self._frames: deque[tuple[float, Frame]] = deque()
        self._open: deque[tuple[float, float, int, Seen]] = deque()  # clips that lack their end
        self._next = 0  # key frame

    def cut(self, frames: Iterator[TimedFrame], fps: float) -> Iterator[KeyClip[Seen]]:
        """Yield the clips in order, each as soon as its last frame is known.

        ``fps`` is the stream's: the last frame is shown as long as any other.
        """
        before: tuple[TimedFrame, Frame] | None = None
        for frame in frames:
            if before is not None:
                yield from self._until((before[0].seconds + frame.seconds) / 2, before, frame)
            picture = frame.picture()
            self._frames.append((frame.seconds, self._each(picture)))
            before = frame, picture
        if before is not None:
            yield from self._until(before[0].seconds + 0.5 / fps, before, None)
            while self._open:
                yield self._close()

    def _until(
        self, middle: float, before: tuple[TimedFrame, Frame], frame: TimedFrame | None
    ) -> Iterator[KeyClip[Seen]]:
        """Open the clips whose key frame is the last, yield those that now are whole."""
        last, picture = before
        while (time := self._next / self._rate) < min(middle - _TIE, last.seconds + _FARTHEST):
            self._open.append((time, last.seconds, last.number, self._look(picture, time)))
            self._next += 1
        if frame is not None:  # in a gap there is nothing to be seen
            self._next = max(self._next, ceil((frame.seconds - _FARTHEST) * self._rate))
        while self._open and self._open[0][1] + self._offsets[-1] < middle - _TIE:
            yield self._close()
        needed = self._open[0][1] if self._open else last.seconds
        while len(self._frames) > 1 and self._frames[1][0] < needed + self._offsets[0] - _TIE:
            self._frames.popleft()

    def _close(self) -> KeyClip[Seen]:
        seconds, centre, number, seen = self._open.popleft()
        chosen = nearest(np.array([time for time, _ in self._frames]), centre + self._offsets)
        clip = np.stack([self._frames[place][1] for place in chosen])
        return KeyClip(seconds, number, seen, clip)


def nearest(times: Seconds, targets: Seconds) -> npt.NDArray[np.intp]:
    """Return the place of the nearest of rising ``times`` for every target, the later of two."""
    middles = (times[:-1] + times[1:]) / 2
    return np.searchsorted(middles, targets + _TIE, side="right")


def in_batches(clips: Iterator[KeyClip[Seen]], size: int) -> Iterator[list[KeyClip[Seen]]]:
    """Yield the clips in lists of ``size``; the last one may be shorter."""
    while some := list(islice(clips, size)):
        yield some


def as_tensor(clips: Sequence[KeyClip[Seen]]) -> Tensor:
    """Return the frames of clips as networks take them, (N, 3, T, H, W) uint8."""
    frames = np.stack([clip.frames.transpose(3, 0, 1, 2) for clip in clips])
    return torch.from_numpy(np.ascontiguousarray(frames))
