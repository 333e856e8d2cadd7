"""Where every frame of a video file is: which packet holds it, and which key frame comes before.

A packet is the coded form of one frame. Packets lie in the file in the order of decoding; frames
are numbered in the order in which they are shown. The two differ where a video has B-frames.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, Self


class Packet(NamedTuple):
    """What the index keeps of a packet. Times are in units of the stream's time base."""

    time: int | None  # when its frame is shown, if the file says so
    decode_time: int | None
    is_key: bool  # decoding can begin here
    is_hidden: bool  # an edit list hides its frame; it is decoded because others refer to it
    num_bytes: int


@dataclass(frozen=True)
class FrameIndex:
    """The packets of a file in decoding order, and the times of its frames in the order shown."""

    packets: Sequence[Packet]
    times: Sequence[int]

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
        shown = sorted(t for t, packet in zip(times, packets, strict=True) if not packet.is_hidden)
        if not shown or shown[0] < keys[0] or any(b <= a for a, b in pairwise(keys)):
            return None
        return cls(packets, shown)

    @cached_property
    def frame_at(self) -> dict[int | None, int]:
        """The number of the frame that is shown at a time."""
        return {time: frame for frame, time in enumerate(self.times)}

    @cached_property
    def packet_at(self) -> dict[int | None, int]:
        """The number of the packet whose frame is shown at a time."""
        return {packet.time: number for number, packet in enumerate(self.packets)}

    @cached_property
    def _keys(self) -> list[tuple[int, int]]:
        """The packet number and the time of every key frame. Both rise."""
        packets = enumerate(self.packets)
        return [(number, p.time) for number, p in packets if p.is_key and p.time is not None]

    def by_key_frame(self, frames: Iterable[int]) -> dict[int, set[int]]:
        """Return the times of the frames, grouped by the number of the packet to decode from.

        A frame that is shown before its key frame (a leading picture of an open group) refers to
        frames before that one, so it belongs to the key frame before.
        """
        groups: dict[int, set[int]] = {}
        for time in (self.times[frame] for frame in sorted(frames)):
            in_file = bisect_right(self._keys, self.packet_at[time], key=lambda key: key[0])
            shown = bisect_right(self._keys, time, key=lambda key: key[1])
            packet, _ = self._keys[min(in_file, shown) - 1]
            groups.setdefault(packet, set()).add(time)
        return groups
