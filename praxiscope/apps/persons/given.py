"""Person boxes that need no detector: those of a proposals file, and the whole frame."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from praxiscope.apps.persons.provider import FloatArray, Persons, persons_above
from praxiscope.data.ava_files import read_proposals
from praxiscope.errors import DataError, did_you_mean
from praxiscope.types import Frame

log = logging.getLogger(__name__)

NEAR_SECONDS = 0.5  # AVA's proposals are a second apart, so that every moment has one of them


@dataclass(frozen=True)
class WholeFrame:
    """One person as large as the frame."""

    name: str = "the whole frame"

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return one box: everything."""
        return Persons(np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32))


@dataclass(frozen=True)
class FileProvider:
    """The persons that a proposals file has of one video."""

    name: str
    times: npt.NDArray[np.float64]  # (M,): the moments that the file has, ascending, in its seconds
    boxes: tuple[FloatArray, ...]  # of each moment: (n, 5), box and score
    min_score: float
    first_timestamp: float  # seconds: what the file calls the video's beginning

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of the nearest moment; none if the file has none within half a second.

        Of two moments equally near the earlier one counts.
        """
        apart = np.abs(self.times - (seconds + self.first_timestamp))
        nearest = int(apart.argmin())
        if apart[nearest] > NEAR_SECONDS + 1e-6:  # 1 / 30 s times 15 is not quite a half
            return persons_above(self.min_score, [], [])
        boxes = self.boxes[nearest]
        return persons_above(self.min_score, boxes[:, :4], boxes[:, 4])


def from_file(
    path: str | Path, video_name: str | None, *, min_score: float, first_timestamp: float
) -> FileProvider:
    """Return the provider of one video's persons in a proposals file.

    Args:
        path: As :func:`~praxiscope.data.ava_files.read_proposals` reads them.
        video_name: The video as the file names it; None where the file has one video alone.
        min_score: Proposals below it are left out.
        first_timestamp: What the file calls the time of the video's first frame, in seconds; 900
            where the video begins where AVA's clips do.

    Raises:
        DataError: The file is missing, of no known form, or empty; it has nothing of this video, or
            has pixels where shares of the frame are expected.
    """
    path = Path(path)
    proposals = read_proposals(path)
    videos = sorted({video for video, _ in proposals})
    if not videos:
        raise DataError(f"{path} has no proposals: choose another file of persons.")
    if video_name is None and len(videos) > 1:
        raise DataError(
            f"{path} has persons of {len(videos)} videos, such as '{videos[0]}': say which of them "
            "the video is."
        )
    video = videos[0] if video_name is None else video_name
    if video not in videos:
        raise DataError(
            f"{path} has no persons of the video '{video}'.{did_you_mean(video, videos)} It has "
            f"{len(videos)} videos, such as '{videos[0]}': rename the video or correct the file."
        )
    found = sorted((time, boxes) for (name, time), boxes in proposals.items() if name == video)
    everything = np.concatenate([boxes for _, boxes in found])
    if len(everything) and (everything[:, :4].max() > 2 or everything[:, :4].min() < -1):
        raise DataError(
            f"{path}: the boxes of '{video}' are no shares of the frame, expected x1, y1, x2, y2 "
            "from 0 to 1: divide them by the frame's width and height."
        )
    if len(everything) and everything[:, 4].max() < min_score:
        log.warning(
            "%s has no person of '%s' with a score of %g or more, the best has %.3g: give a lower "
            "minimal score.",
            path,
            video,
            min_score,
            everything[:, 4].max(),
        )
    return FileProvider(
        name=path.name,
        times=np.array([time for time, _ in found], np.float64),
        boxes=tuple(boxes for _, boxes in found),
        min_score=min_score,
        first_timestamp=first_timestamp,
    )
