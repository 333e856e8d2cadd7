"""Videos made of numbers: pixel (y, x) of frame k is (k, x, y), so a view tells its place."""

from collections.abc import Callable, Sequence

import numpy as np

from praxiscope.data.lists import Record, VideoList
from praxiscope.errors import VideoError
from praxiscope.types import Frame, Frames, FrameSource, Indices


def numbered_frame(k: int, height: int, width: int, channels: int = 3) -> Frame:
    y, x = np.mgrid[:height, :width]
    return np.stack([np.full_like(x, k), x, y][:channels], axis=-1).astype(np.uint8)


class FakeSource:
    """A :class:`FrameSource` that keeps count of what was asked for."""

    def __init__(
        self, num_frames: int, height: int = 32, width: int = 48, channels: int = 3
    ) -> None:
        self.num_frames, self.height, self.width = num_frames, height, width
        self.channels, self.decoded, self.closed = channels, [0] * num_frames, False

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        results = []
        for k in indices:
            self.decoded[k] += 1
            frame = numbered_frame(int(k), self.height, self.width, self.channels)
            results.append(each(frame) if each else frame)
        return np.stack(results)

    def close(self) -> None:
        self.closed = True


def open_fake(videos: VideoList, record: Record, threads: int) -> FrameSource:
    """Open ``<frames>.fake``: the file's name is its length; ``broken.fake`` cannot be opened."""
    if record.path == "broken.fake":
        raise VideoError(f"{videos.root / record.path} is no video.")
    channels = 2 if videos.kind == "flow" else 3
    return FakeSource(int(record.path.removesuffix(".fake")), channels=channels)
