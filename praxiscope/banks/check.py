"""What a bank holds, counted, and whether all of it is sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from praxiscope.banks.bank import Bank

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Counts:
    """Seconds of a bank."""

    stored: int  # with a feature or more
    missing: int  # between the first and the last stored one of a video
    empty_videos: int  # without any feature


def count_seconds(bank: Bank) -> Counts:
    """Return how many seconds a bank has, and how many are missing within its videos."""
    starts, seconds, _ = bank.arrays
    lengths = np.diff(starts)
    first_rows = starts[:-1][lengths > 0]
    if not len(first_rows):
        return Counts(0, 0, bank.num_videos)
    new = np.diff(seconds, prepend=0) != 0
    new[first_rows] = True
    last_rows = starts[1:][lengths > 0] - 1
    spans = seconds[last_rows].astype(np.int64) - seconds[first_rows] + 1
    stored = int(new.sum())
    return Counts(stored, int(spans.sum()) - stored, int((lengths == 0).sum()))


def find_faults(bank: Bank) -> Iterator[str]:
    """Yield a sentence for everything that is wrong with a bank; reads all of it, piece by piece.

    Opening the bank has checked its sizes. An index in disorder ends the search: it does not tell
    whose the features are.
    """
    starts, seconds, features = bank.arrays
    names = [name.encode(errors="replace") for name in bank.videos()]
    if any(a >= b for a, b in pairwise(names)):
        yield "The names of its videos are not in order, or stand there twice."
        return
    if (np.diff(starts) < 0).any():
        yield "Its index is in disorder: a video ends before it begins."
        return
    back = np.flatnonzero(np.diff(seconds) < 0) + 1
    back = back[~np.isin(back, starts)]
    if len(back):
        yield f"Its index is in disorder: seconds run backwards in '{_video(bank, back[0])}'."
        return
    broken, first = 0, -1
    for begin in range(0, len(features), _ROWS_AT_ONCE):
        bad = np.flatnonzero(~np.isfinite(features[begin : begin + _ROWS_AT_ONCE]).all(axis=1))
        broken += len(bad)
        first = begin + int(bad[0]) if first < 0 and len(bad) else first
    if broken:
        yield (
            f"{broken} of {len(features)} features have NaN or infinity; the first is in "
            f"'{_video(bank, first)}', second {seconds[first]}."
        )


def _video(bank: Bank, row: int) -> str:
    starts, _, _ = bank.arrays
    return bank.videos()[int(np.searchsorted(starts, row, "right")) - 1]
