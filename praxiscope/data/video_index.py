"""Where every frame of a video file is: which packet holds it, and which key frame comes before.

A packet is the coded form of one frame. Packets lie in the file in the order of decoding; frames
are numbered in the order in which they are shown. The two differ where a video has B-frames.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Packet(NamedTuple):
    """What an index is made of. Times are in units of the stream's time base."""

    time: int | None  # when its frame is shown, if the file says so
    decode_time: int | None
    is_key: bool  # decoding can begin here
    is_hidden: bool  # an edit list hides its frame; it is decoded because others refer to it
    num_bytes: int


@dataclass(frozen=True)
class FrameIndex:
    """The packets of a file and the times of its frames, in about 20 bytes a frame.

    Letters: P packets, N frames (those that are not hidden).
    """

    packet_times: Integers  # (P,) in decoding order
    times: Integers  # (N,) in the order shown
    keys: dict[int, Packet]  # the key frames' packets by their numbers, in decoding order
    _sorted: Integers  # (P,) all times, rising
    _order: npt.NDArray[np.int32]  # (P,) the packets of these times

    @classmethod
    def of(cls, packets: Sequence[Packet]) -> Self | None:
        """Return the index of a file, or None where packets do not tell the order of the frames.

        They do if every packet has a time of its own, the first is a key frame, nothing is shown
        before that (what is may lack the frames it refers to, and then never appears), and time
        never jumps back, as it does where two recordings were joined.
        """
        times = [packet.time for packet in packets if packet.time is not None]
        if not times or len(set(times)) < len(packets) or not packets[0].is_key:
            return None
        keys = [time for time, packet in zip(times, packets, strict=True) if packet.is_key]
        in_file = np.array(times, np.int64)
        order = np.argsort(in_file)
        rising = in_file[order]
        hidden = np.array([packet.is_hidden for packet in packets], np.bool_)[order]
        shown = rising[~hidden] if hidden.any() else rising
        if not len(shown) or shown[0] < keys[0] or any(b <= a for a, b in pairwise(keys)):
            return None
        numbered = {number: packet for number, packet in enumerate(packets) if packet.is_key}
        return cls(in_file, shown, numbered, rising, order.astype(np.int32))

    def frame_at(self, time: int | None) -> int | None:
        """Return the number of the frame that is shown at a time, if one is."""
        return _place(self.times, time)

    def packet_at(self, time: int | None) -> int | None:
        """Return the number of the packet whose frame is shown at a time, if there is one."""
        place = _place(self._sorted, time)
        return None if place is None else int(self._order[place])

    def by_key_frame(self, frames: Iterable[int]) -> dict[int, set[int]]:
        """Return the times of the frames, grouped by the number of the packet to decode from.

        A frame that is shown before its key frame (a leading picture of an open group) refers to
        frames before that one, so it belongs to the key frame before.
        """
        groups: dict[int, set[int]] = {}
        numbers = list(self.keys)  # these and their times rise
        for time in self.times[sorted(frames)].tolist():
            in_file = bisect_right(numbers, self.packet_at(time) or 0)
            shown = bisect_right(numbers, time, key=lambda number: self.packet_times[number])
            groups.setdefault(numbers[min(in_file, shown) - 1], set()).add(time)
        return groups


def _place(rising: Integers, time: int | None) -> int | None:
    """Return where a time stands, if it does."""
    if time is None:
        return None
    place = int(np.searchsorted(rising, time))
    return place if place < len(rising) and rising[place] == time else None


@dataclass(frozen=True)
class Layout:
    """What opening a video finds out; with it the video is opened again in no time."""

    num_frames: int
    height: int
    width: int
    fps: float  # 0: nothing says
    index: FrameIndex | None  # None: images, or packets that do not tell the order of the frames
