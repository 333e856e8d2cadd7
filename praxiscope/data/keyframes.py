"""Which frames surround a key frame. Frames count from 0; T is the frames of a clip."""

import numpy as np

from praxiscope.data.sampling import Clip
from praxiscope.errors import DataError
from praxiscope.types import Indices


def key_frame_index(
    timestamp: float, num_frames: int, *, fps: float, first_timestamp: float = 0, late: int = 0
) -> int:
    """Return the frame at ``timestamp`` seconds of a video that begins at ``first_timestamp``.

    ``late`` frames are added afterwards, as far as the video goes: the published 1.x runs took a
    neighbour in folders of images, see :attr:`praxiscope.data.ava_lists.AvaList.late`.

    Raises:
        DataError: The timestamp lies before the first frame or after the last one.
    """
    frame = int(np.floor((timestamp - first_timestamp) * fps + 0.5))
    if not 0 <= frame < num_frames:
        last = first_timestamp + (num_frames - 1) / fps
        raise DataError(
            f"timestamp {timestamp:g} lies outside its video, whose {num_frames} frames at "
            f"{fps:g} a second are from {first_timestamp:g} to {last:g} seconds: correct the "
            "timestamp, the fps, or the time of the first frame."
        )
    return min(max(frame + late, 0), num_frames - 1)


def key_frame_clip(
    centre: int, num_frames: int, clip: Clip, rng: np.random.Generator | None = None
) -> Indices:
    """Return the clip around a key frame -> (T,). The key frame is number T // 2 of it.

    In training (with ``rng``) every frame, also the key frame, is replaced by one nearby, each by
    its own draw, uniform within the stride. Frames before the start and after the end are the first
    and the last one. The published 0.x runs named image 0 instead of 1 there, which does not exist,
    and image N - 1 instead of N, for timestamps that AVA does not have.
    """
    assert 0 <= centre < num_frames
    indices = centre + (np.arange(clip.frames) - clip.frames // 2) * clip.stride
    if rng is not None:
        least = -(clip.stride // 2)
        indices = indices + rng.integers(least, least + clip.stride, size=clip.frames)
    clipped: Indices = np.clip(indices, 0, num_frames - 1)
    return clipped
