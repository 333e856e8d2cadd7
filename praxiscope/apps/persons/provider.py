"""What a source of person boxes gives, and what all of them share. n: persons of a frame."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from praxiscope.errors import PraxiscopeError
from praxiscope.types import Frame

FloatArray = npt.NDArray[np.float32]

MOST_PERSONS = 500  # of a frame; no published detector gives more, a strange file might
_MOST_CANDIDATES = 5000  # among which overlaps are looked for, in time that grows with the square


@dataclass(frozen=True)
class Persons:
    """The persons of one frame, the surest first."""

    boxes: FloatArray  # (n, 4): x1, y1, x2, y2 as shares of the frame's width and height
    scores: FloatArray  # (n,), from 0 to 1

    def __post_init__(self) -> None:
        assert self.boxes.shape == (len(self.scores), 4), self.boxes.shape
        assert self.scores.ndim == 1, self.scores.shape

    def __len__(self) -> int:
        return len(self.scores)


class PersonProvider(Protocol):
    """Finds the persons of a frame."""

    @property
    def name(self) -> str:
        """What finds them, for messages and result files."""
        ...

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of an RGB frame, ``seconds`` after the first one of its video."""
        ...


def persons_above(min_score: float, boxes: npt.ArrayLike, scores: npt.ArrayLike) -> Persons:
    """Return boxes (n, 4) in shares of the frame as persons: clipped to it, the surest first.

    Left out are those below ``min_score``, those that are empty within the frame, numbers that are
    none, and those after the surest :data:`MOST_PERSONS`.
    """
    score = np.asarray(scores, np.float32).reshape(-1)
    box = np.asarray(boxes, np.float32).reshape(-1, 4)
    real = np.isfinite(box).all(axis=1) & np.isfinite(score)
    inside = np.clip(box[real], 0, 1)
    whole = (inside[:, 2:] > inside[:, :2]).all(axis=1) & (score[real] >= min_score)
    boxes, scores = inside[whole], np.clip(score[real][whole], 0, 1)
    order = np.argsort(-scores, kind="stable")[:MOST_PERSONS]
    return Persons(boxes[order], scores[order])


def shares(boxes: npt.ArrayLike, height: int, width: int) -> npt.NDArray[np.floating]:
    """Return boxes (n, 4) in pixels as shares of a frame of ``height`` x ``width``."""
    pixels = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.divide(pixels, [width, height, width, height])


def without_overlaps(
    boxes: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], max_iou: float
) -> npt.NDArray[np.intp]:
    """Return the rows of boxes (n, 4) that stay when each removes the weaker ones over it.

    Of very many boxes, only the surest thousands are looked at.
    """
    from cv2 import dnn

    surest = np.argsort(-scores, kind="stable")[:_MOST_CANDIDATES]
    boxes, scores = boxes[surest], scores[surest]
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, max_iou)
    return surest[np.asarray(kept, np.intp).reshape(-1)]


def cannot_import(library: str, extra: str, error: Exception) -> PraxiscopeError:
    """Build the error for a library that is not installed, or that fails to load."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == library:
        state = "is not installed"
    else:
        state = f"cannot be loaded ({first_sentence(error)})"
    return PraxiscopeError(
        f"the library {library}, which is to find the persons, {state}: run pip install "
        f"'praxiscope[{extra}]', or let something else find them with --persons."
    )


def first_sentence(error: Exception) -> str:
    """Return the first sentence of what an error of a library says, as part of another."""
    lines = str(error).strip().splitlines()
    return lines[0].split(". ")[0].strip(" .:")[:200] if lines else type(error).__name__
