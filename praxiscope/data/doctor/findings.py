"""What an examination says: one finding for every kind of mistake, also for those not made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from praxiscope.errors import DataError

# With an error training stops, or mAP is 0 or near it; a warning is worth a look.
Severity = Literal["error", "warning", "ok"]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Finding:
    """One kind of mistake in one list."""

    severity: Severity
    what: str
    count: int  # how many lines, boxes, videos ... have it
    example: str = ""  # the first of them, with file and line
    advice: str = ""


def judge(
    severity: Severity, what: str, count: int, example: str | Callable[[], str], advice: str
) -> Finding:
    """Return the finding of ``count`` mistakes; of none, that this is in order."""
    if not count:
        return Finding("ok", what, 0)
    return Finding(
        severity, what, count, example if isinstance(example, str) else example(), advice
    )


def judge_each(
    severity: Severity,
    what: str,
    flags: Flags | np.bool_,
    describe: Callable[[int], str],
    advice: str,
) -> Finding:
    """Return the finding of the items flagged in (N,); ``describe`` tells about the first."""
    count = int(np.sum(flags))
    return judge(severity, what, count, lambda: describe(int(np.argmax(flags))), advice)


@dataclass
class Malformed:
    """The lines that could not be read: of a file of another form all, so that only one is kept."""

    count: int = 0
    first: str = ""  # what is wrong with it, and what to do

    def add(self, error: DataError) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or str(error)


def judge_lines(what: str, malformed: Malformed) -> Finding:
    """Return the finding of lines that could not be read."""
    advice = "Correct or remove these lines."
    return judge("error", what, malformed.count, malformed.first, advice)
