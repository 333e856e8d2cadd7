"""The pictures at the key frames of one video, at their full size, in one decode."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from praxiscope.data.frames import FrameFolder
from praxiscope.data.keyframes import key_frame_index
from praxiscope.data.video import Video
from praxiscope.errors import DataError
from praxiscope.types import Frame


def key_pictures(
    source: Video | FrameFolder,
    timestamps: Sequence[float],
    *,
    fps: float,
    first_timestamp: float,
    late: int = 0,
) -> Iterator[tuple[int, Frame]]:
    """Yield the place of each timestamp and the RGB picture (H, W, 3) that is the key frame there.

    They come in the order of the frames, so that a video is decoded once and memory holds one
    picture; see :meth:`praxiscope.data.video.Video.pictures` for the exception. What ``fps``,
    ``first_timestamp`` and ``late`` are: :func:`praxiscope.data.keyframes.key_frame_index`.

    Raises:
        DataError: A timestamp lies outside the video, which is then not decoded at all, or a frame
            is damaged.
    """
    places: dict[int, list[int]] = {}
    for place, timestamp in enumerate(timestamps):
        frame = key_frame_index(
            timestamp, source.num_frames, fps=fps, first_timestamp=first_timestamp, late=late
        )
        places.setdefault(frame, []).append(place)
    for frame, picture in source.pictures(places):
        for place in places[frame]:
            yield place, picture


def one_a_second(num_frames: int, *, fps: float, first_timestamp: float) -> tuple[float, ...]:
    """Return the timestamps of a video's key frames, of one at its start and at every second."""
    times: list[float] = []
    with suppress(DataError):  # by the very rule that finds the frames, also where it rounds
        while True:
            time = round(first_timestamp + len(times), 6)
            key_frame_index(time, num_frames, fps=fps, first_timestamp=first_timestamp)
            times.append(time)
    return tuple(times)
