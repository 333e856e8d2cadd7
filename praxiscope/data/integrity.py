"""Whether a video of a list can be read."""

from contextlib import closing
from pathlib import Path

import numpy as np

from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import open_record
from praxiscope.errors import DataError
from praxiscope.types import Frame

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
            if every_frame:
                numbers = np.arange(count)
            else:
                numbers = np.unique(np.linspace(0, count - 1, NUM_PROBES).astype(np.int64))
            source.frames_at(numbers, each=_forget)
    except DataError as error:
        problem = str(error)
        return problem if str(path) in problem else f"{path}: {problem}"
    return None


def _forget(frame: Frame) -> Frame:
    return frame[:0, :0]
