"""Person proposals written: files that lists read, and the parts that a long search keeps.

Letters: M moments, n persons of a moment, N all persons of a video.
"""

import csv
import io
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from praxiscope.data.ava_files import Moment
from praxiscope.errors import DataError
from praxiscope.files import write_atomically

FloatArray = npt.NDArray[np.float32]

PROPOSAL_SUFFIXES = (".pkl", ".npz", ".csv")


def check_name(video: str) -> None:
    """Raise :class:`DataError` for the name of a video that some format cannot hold."""
    if not video.isprintable() or video != video.strip():
        raise DataError(
            f"{video!a} is no name for a video: expected characters that can be printed, and "
            "no space at its ends; rename the file."
        )


def moment_name(moment: Moment) -> str:
    """Return how published files name a moment: ``video,0902``; parts of a second stay exact."""
    video, seconds = moment
    return f"{video},{int(seconds):04d}" if seconds == int(seconds) else f"{video},{seconds!r}"


def write_proposals(path: Path, proposals: Mapping[Moment, FloatArray]) -> None:
    """Write boxes and scores (n, 5) as :func:`praxiscope.data.ava_files.read_proposals` reads them.

    The suffix decides which of its formats it is. Moments without persons are left out: there,
    lists take the whole frame, and published readers of an empty array stop.

    Raises:
        PraxiscopeError: The disk refuses.
    """
    found = {moment_name(moment): boxes for moment, boxes in proposals.items() if len(boxes)}
    match path.suffix:
        case ".pkl":
            content = pickle.dumps(found, protocol=4)
            write_atomically(path, lambda file: file.write(content))
        case ".npz":
            write_atomically(path, lambda file: _save(file, found))
        case ".csv":
            text = io.StringIO()
            lines = csv.writer(text, lineterminator="\n")
            for name, boxes in found.items():
                # The shortest digits that give the same single precision.
                lines.writerows([*name.rsplit(",", 1), *map(str, row)] for row in boxes)
            data = text.getvalue().encode(errors="surrogateescape")
            write_atomically(path, lambda file: file.write(data))
        case suffix:
            raise AssertionError(suffix)


def write_part(path: Path, found: Sequence[FloatArray], made_by: str) -> None:
    """Write the persons of a video, of each moment (n, 5), and what found them.

    Raises:
        PraxiscopeError: The disk refuses.
    """
    arrays = {
        "made_by": np.array(made_by),
        "counts": np.array([len(boxes) for boxes in found], np.int64),  # (M,)
        "boxes": np.concatenate([np.empty((0, 5), np.float32), *found]),  # (N, 5)
    }
    write_atomically(path, lambda file: _save(file, arrays))


def read_part(path: Path, moments: int, made_by: str | None) -> list[FloatArray] | None:
    """Return what :func:`write_part` wrote for so many moments.

    None stands for a part that is missing, damaged, or, unless ``made_by`` is None, by another.
    """
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as arrays:
            counts, boxes, by = arrays["counts"], arrays["boxes"], str(arrays["made_by"])
    except Exception:  # a damaged file can raise nearly anything; it is made anew
        return None
    if (
        counts.shape != (moments,)
        or counts.dtype != np.int64
        or boxes.dtype != np.float32
        or (counts < 0).any()
        or boxes.shape != (counts.sum(), 5)
        or made_by not in (None, by)
    ):
        return None
    return list(np.split(boxes, np.cumsum(counts)[:-1])) if moments else []


def _save(file: BinaryIO, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Write an npz file. NumPy's own function takes names as keywords, and types them narrowly."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
