"""A feature bank in use: the window of features around a second.

Letters: S seconds of a window, P places a second, C channels.
Source: Long-Term Feature Banks, arXiv:1812.05038, Section 3.2.
"""

from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.banks.layout import Array, Rows, name_bytes, read_layout
from praxiscope.errors import DataError

Integers = npt.NDArray[np.int64]

_PLACES_AT_ONCE = 50  # so many features stay in a processor's cache until they are converted


class Bank:
    """A bank on disk, of which opening reads a few hundred bytes, and a window its rows.

    Processes that have one bank open share what of it is in memory, and one that is sent to another
    process is opened there.

    Args:
        path: The file.
        channels: What the model at hand expects; None takes any.

    Raises:
        DataError: The file is missing, damaged or no bank, or has other channels.
    """

    def __init__(self, path: str | Path, channels: int | None = None) -> None:
        self.path = Path(path)
        layout = read_layout(self.path)
        self._layout = layout
        self._stored: torch.dtype = getattr(torch, layout.features.dtype.name)
        # A row as one number of C elements: numpy moves such a one by a single copy.
        self._record = np.dtype((np.void, self.channels * layout.features.itemsize))
        self._records = layout.features.view(self._record)[:, 0]
        if channels not in (None, self.channels):
            raise DataError(
                f"{path} holds features of {self.channels} channels, not the {channels} that the "
                "model expects: another network made it. Build the bank with the model's own."
            )

    def __reduce__(self) -> tuple[type["Bank"], tuple[Path]]:
        return Bank, (self.path,)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the maker says of the bank: model, checkpoint, recipe."""
        return self._layout.metadata

    @property
    def channels(self) -> int:
        """C: numbers in a feature."""
        return int(self._layout.features.shape[1])

    @property
    def dtype(self) -> str:
        """``float16`` or ``float32``."""
        return self._layout.features.dtype.name

    @property
    def num_videos(self) -> int:
        """Videos, those without any person included."""
        return len(self._layout.videos)

    @property
    def num_rows(self) -> int:
        """Features: persons of all seconds of all videos."""
        return len(self._layout.seconds)

    @property
    def arrays(self) -> tuple[Integers, npt.NDArray[np.int32], Array]:
        """``starts``, ``seconds`` and ``features`` of :mod:`praxiscope.banks.layout`, mapped."""
        return self._layout.starts, self._layout.seconds, self._layout.features

    def videos(self) -> tuple[str, ...]:
        """Return the names of all videos, in ascending order."""
        return tuple(name.decode(errors="replace") for name in self._layout.videos.tolist())

    def __contains__(self, video: str) -> bool:
        return self._place(video) is not None

    def rows(self, video: str) -> Rows:
        """Return all there is of a video, mapped; nothing if the bank does not have it."""
        begin, end = self._span(video)
        return Rows(self._layout.seconds[begin:end], self._layout.features[begin:end])

    def window(
        self,
        video: str,
        second: int,
        *,
        seconds: int = 60,
        per_second: int = 5,
        draw: np.random.Generator | None = None,
        as_stored: bool = False,
        out: Tensor | None = None,
    ) -> Tensor:
        """Features of the seconds from ``second - seconds // 2`` on -> (S * P, C) float32.

        Place ``s * per_second + k`` holds the k-th feature of second s. Places without a feature
        are zeros; so is all of a window in a video that is not there (see :meth:`missing`).

        Args:
            video: Its name, as in the lists.
            second: Of the key frame.
            seconds: S, of the window.
            per_second: P. A second with more features keeps as many.
            draw: Draws those at random, as published. None takes them evenly spread, the same ones
                every time.
            as_stored: The bank's own element type: half the memory of a bank of halves, for those
                who convert on the device.
            out: Filled and returned, instead of new memory: (S * P, C) on the CPU, contiguous, of
                float32 or the bank's own type. A part of a batch will do.

        Raises:
            DataError: The index is damaged.
        """
        rows, places = self.locate(video, second, seconds=seconds, per_second=per_second, draw=draw)
        shape = (seconds * per_second, self.channels)
        if out is None:
            out = torch.empty(shape, dtype=self._stored if as_stored else torch.float32)
        assert out.shape == shape and out.is_contiguous(), out.shape
        assert out.dtype in (self._stored, torch.float32), out.dtype
        if out.dtype is self._stored:
            self._copy(rows, places, out)
            return out
        stored = torch.empty(_PLACES_AT_ONCE, self.channels, dtype=self._stored)
        for begin in range(0, len(out), _PLACES_AT_ONCE):
            part = out[begin : begin + _PLACES_AT_ONCE]
            first, end = np.searchsorted(places, (begin, begin + len(part)))
            self._copy(rows[first:end], places[first:end] - begin, stored[: len(part)])
            part.copy_(stored[: len(part)])
        return out

    def _copy(self, rows: Integers, places: Integers, window: Tensor) -> None:
        """Write rows to their places of a window as stored, and zeros to all others."""
        target = window.numpy().view(self._record)[:, 0]
        empty = np.ones(len(target), np.bool_)
        empty[places] = False
        target[empty] = np.zeros((), self._record)
        if len(rows):
            begin, end = rows[0], rows[-1] + 1
            together = end - begin == len(rows)  # as all are, unless some second has too many
            target[places] = self._records[begin:end] if together else self._records[rows]

    def locate(
        self,
        video: str,
        second: int,
        *,
        seconds: int = 60,
        per_second: int = 5,
        draw: np.random.Generator | None = None,
    ) -> tuple[Integers, Integers]:
        """Return which rows of ``features`` make a window, and in which places: (m,) and (m,).

        No feature is read. Arguments and errors are those of :meth:`window`.
        """
        first = second - seconds // 2
        begin, end = self._within(video, first, seconds)
        offsets = self._layout.seconds[begin:end].astype(np.int64) - first  # (m,) seconds from 0
        if (offsets[1:] < offsets[:-1]).any():  # where they begin and end is as bisected
            raise self._damaged(video)
        kept, places = choose_places(offsets, per_second, draw)
        return kept + begin, places

    def missing(self, video: str, second: int, *, seconds: int = 60) -> int:
        """Return how many seconds of the window have no feature: all, if the video is not there."""
        begin, end = self._within(video, second - seconds // 2, seconds)
        return seconds - len(np.unique(self._layout.seconds[begin:end]))

    def _within(self, video: str, first: int, seconds: int) -> tuple[int, int]:
        """Return which rows belong to a video's ``seconds`` from ``first`` on."""
        assert seconds > 0, seconds
        start, stop = self._span(video)
        stored = self._layout.seconds
        begin = bisect_left(stored, first, start, stop)
        return begin, bisect_left(stored, first + seconds, begin, stop)

    def _span(self, video: str) -> tuple[int, int]:
        place = self._place(video)
        if place is None:
            return 0, 0
        begin, end = self._layout.starts[place : place + 2].tolist()
        if not 0 <= begin <= end <= self.num_rows:
            raise self._damaged(video)
        return begin, end

    def _damaged(self, video: str) -> DataError:
        return DataError(
            f"{self.path} is damaged: its index of '{video}' is in disorder. 'praxiscope bank "
            "check' says where; build it anew."
        )

    def _place(self, video: str) -> int | None:
        """Return the number of a video, or None."""
        names, name = self._layout.videos, name_bytes(video)
        place = bisect_left(names, name)
        return place if place < len(names) and names[place] == name else None


def choose_places(
    offsets: Integers, per_second: int, draw: np.random.Generator | None
) -> tuple[Integers, Integers]:
    """Return which of m features make a window, and in which places: (k,) and (k,).

    Args:
        offsets: (m,) ascending: the second of each feature, from the window's first.
        per_second: See :meth:`Bank.window`, as for ``draw``.
    """
    chosen = np.arange(len(offsets))
    places = chosen - np.searchsorted(offsets, offsets)  # within a second
    if len(offsets) and places.max() >= per_second:
        chosen = np.flatnonzero(_chosen(offsets, per_second, draw))
        offsets = offsets[chosen]
        places = np.arange(len(chosen)) - np.searchsorted(offsets, offsets)
    return chosen, offsets * per_second + places


def _chosen(
    offsets: Integers, most: int, draw: np.random.Generator | None
) -> npt.NDArray[np.bool_]:
    """Return which rows are kept, at most ``most`` of each second: (m,) ascending -> (m,)."""
    first = np.searchsorted(offsets, offsets)
    places = np.arange(len(offsets)) - first  # of a row within its second
    if draw is None:  # where a line of slope most / number comes to a new whole number
        number = np.searchsorted(offsets, offsets, "right") - first
        line = places * most + number // 2
        return np.asarray((line + most) // number > line // number)
    shuffled = np.lexsort((draw.random(len(offsets)), offsets))  # within each second
    kept = np.empty(len(offsets), np.bool_)
    kept[shuffled] = places < most
    return kept
