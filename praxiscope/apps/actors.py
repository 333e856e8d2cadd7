"""What a detector finds: who does what in a moment of a video. A classes, without background."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from praxiscope.apps.persons import Persons

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Actor:
    """One person in one key frame."""

    box: FloatArray  # (4,) xyxy, shares of the frame
    score: float  # of being a person, as the provider has it
    track: int  # from 1; the same person in other key frames has the same number
    probabilities: FloatArray  # (A,) each by itself: a person does several things at once
    class_names: tuple[str, ...] = field(repr=False)  # A

    @property
    def scores(self) -> dict[str, float]:
        """The probability of every class, in the order of the classes."""
        return dict(zip(self.class_names, self.probabilities.tolist(), strict=True))

    def top(self, count: int = 5, threshold: float = 0.0) -> list[tuple[str, float]]:
        """Return at most ``count`` classes of ``threshold`` or more, best first."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        found = [(self.class_names[k], float(self.probabilities[k])) for k in best]
        return [(name, probability) for name, probability in found if probability >= threshold]


@dataclass(frozen=True, eq=False)
class Present:
    """Who is in a key frame, before it is known what they do."""

    persons: Persons  # n
    tracks: npt.NDArray[np.int64]  # (n,)
    boxes: FloatArray  # (n, 4) xyxy, pixels of the clip


@dataclass(frozen=True)
class Moment:
    """One key frame of a video and everybody in it; nobody is an answer as well."""

    seconds: float
    frame: int  # its number, from 0
    actors: tuple[Actor, ...]
