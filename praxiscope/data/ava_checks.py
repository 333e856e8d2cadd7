"""What is wrong with well-formed boxes and times of files in AVA's format, as errors."""

import logging
from collections.abc import Iterable
from math import inf
from pathlib import Path

from praxiscope.data.ava_files import Moment, Proposals
from praxiscope.errors import DataError

# Shares of the frame that are taken for such: boxes may reach beyond it, as published ones may, and
# stay as they are. What lies further away is in pixels.
NEAREST, FARTHEST = -1.0, 2.0


def check_time(timestamp: float, first: float, end: float | None, where: str) -> None:
    """Raise :class:`DataError` for a moment outside its video; ``end`` is the first one after it.

    ``where`` is the file and the line.
    """
    if first <= timestamp < (inf if end is None else end):
        return
    until = "" if end is None else f" and end before {end:g}"
    raise DataError(
        f"{where}, column 2 (timestamp): {timestamp:g} lies outside its video; the list's "
        f"begin at {first:g} seconds{until}: correct the line, or first_timestamp and "
        "last_timestamp."
    )


def check_box(box: tuple[float, float, float, float], where: str) -> None:
    """Raise :class:`DataError` for a person's box that is in pixels or inside out."""
    for column, share in enumerate(box, start=3):
        if not NEAREST <= share <= FARTHEST:
            raise DataError(
                f"{where}, column {column} ({('x1', 'y1', 'x2', 'y2')[column - 3]}): expected a "
                f"share of the frame, from 0 to 1, not {share:g}; pixels have to be divided by the "
                "frame's width and height."
            )
    if box[0] > box[2] or box[1] > box[3]:
        raise DataError(
            f"{where}, columns 3 to 6: expected x1 <= x2 and y1 <= y2, not "
            f"{', '.join(f'{share:g}' for share in box)}."
        )


def check_proposals(
    proposals: Proposals,
    moments: Iterable[Moment],
    videos: set[str],
    *,
    path: Path,
    annotations: Path,
) -> None:
    """Raise :class:`DataError` where no proposal is of use; say which are of unknown videos.

    Args:
        proposals: What the file ``path`` holds.
        moments: The key frames that ``annotations`` gives.
        videos: All videos that it names.
    """
    for (video, time), boxes in proposals.items():
        if ((boxes[:, :4] < NEAREST) | (boxes[:, :4] > FARTHEST)).any():
            raise DataError(
                f"{path}, '{video},{time:04g}': expected boxes as shares of the frame, "
                "from 0 to 1; pixels have to be divided by its width and height."
            )
    unknown = sorted({video for video, _ in proposals} - videos)
    hint = f" The first of its videos is '{unknown[0]}'." if unknown else ""
    if not any(moment in proposals for moment in moments):
        raise DataError(
            f"{path} has proposals for none of the key frames of {annotations}: they do not "
            f"belong together.{hint}"
        )
    if unknown:
        logging.getLogger(__name__).warning(
            "%s has proposals for %d videos that %s does not name, such as '%s': not used.",
            path,
            len(unknown),
            annotations,
            unknown[0],
        )
