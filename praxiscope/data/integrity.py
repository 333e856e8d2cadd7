"""Whether a video of a list can be read."""

from contextlib import closing
from pathlib import Path

import numpy as np

from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import open_record
from praxiscope.errors import DataError
from praxiscope.types import Frame, FrameSource

NUM_PROBES = 5  # frames that are looked at, as published: the ends and three between


def find_damage(videos: VideoList, record: Record, *, every_frame: bool = False) -> str | None:
    """Return what is wrong with a video or folder of images, in one sentence; None if nothing is.

    Five frames from the first to the last are decoded, or all of them with ``every_frame``. Of a
    folder the images are counted, too: there must be as many as the list says.
    """
    path = Path(videos.root) / record.path
    try:
        # The number of images in the list is believed elsewhere; here it is what is checked.
        with closing(open_record(videos, record._replace(num_frames=None), 1)) as source:
            count = source.num_frames
            if record.num_frames is not None and count < record.num_frames:
                return f"{path} holds {count} frames, but the list says {record.num_frames}."
            decode(source, every_frame=every_frame)
    except DataError as error:
        problem = str(error)
        return problem if str(path) in problem else f"{path}: {problem}"
    return None


def decode(source: FrameSource, *, every_frame: bool) -> None:
    """Decode five frames from the first to the last, or all, and keep none.

    Raises:
        DataError: One of them is damaged.
    """
    last = source.num_frames - 1
    probes = np.unique(np.linspace(0, last, NUM_PROBES).astype(np.int64))
    source.frames_at(np.arange(last + 1) if every_frame else probes, each=_forget)


def is_readable(path: Path) -> bool:
    """Whether the bytes of a file can be read: if not, it may be sound, and its disk is not."""
    try:
        with path.open("rb") as file:
            while file.read(2**20):
                pass
    except OSError:
        return False
    return True


def _forget(frame: Frame) -> Frame:
    return frame[:0, :0]
