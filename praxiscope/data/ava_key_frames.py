"""Key frames with their persons, of which a list may have hundreds of thousands.

Letters: F key frames, n persons of a key frame, m proposed ones, K outputs, of which 0 is the
background; B, L and M: all persons, labels and proposals of a list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from praxiscope.data.ava_files import Source
from praxiscope.data.boxes import Boxes

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KeyFrame:
    """One moment of a video with the persons in it."""

    video: str
    timestamp: float  # seconds
    source: Source
    boxes: Boxes  # (n, 4) in the order of the file
    labels: tuple[tuple[int, ...], ...]  # n times the outputs that should be 1
    persons: tuple[int, ...]  # n numbers, as the file has them
    proposals: Boxes | None  # (m, 4); None: the list has no proposals
    scores: npt.NDArray[np.float32] | None  # (m,)

    def targets(self, num_classes: int) -> npt.NDArray[np.float32]:
        """Return the labels as zeros and ones, (n, K)."""
        targets = np.zeros((len(self.labels), num_classes), np.float32)
        for person, columns in enumerate(self.labels):
            targets[person, list(columns)] = 1
        return targets


class KeyFrames(Sequence[KeyFrame]):
    """The key frames of a list, in a few arrays: every loading process has a copy of them.

    180,000 with two persons and three labels each take about 20 MB, and no time to be copied.
    """

    def __init__(self, key_frames: Iterable[KeyFrame]) -> None:
        moments = list(key_frames)
        videos = {moment.video: moment.source for moment in moments}
        numbers = {video: number for number, video in enumerate(videos)}
        self._videos = tuple(videos.items())
        self._video = np.array([numbers[moment.video] for moment in moments], np.int32)
        self._timestamps = np.array([moment.timestamp for moment in moments], np.float64)
        self._persons_from = _ends(len(moment.boxes) for moment in moments)
        self._boxes = _joined(moment.boxes for moment in moments)
        self._persons = _compact(chain.from_iterable(moment.persons for moment in moments))
        labels = [outputs for moment in moments for outputs in moment.labels]
        self._labels_from = _ends(map(len, labels))
        self._labels = _compact(chain.from_iterable(labels))
        self._proposals_from: Integers | None = None
        if moments and moments[0].proposals is not None:
            proposals = [moment.proposals for moment in moments if moment.proposals is not None]
            scores = [moment.scores for moment in moments if moment.scores is not None]
            self._proposals_from = _ends(map(len, proposals))
            self._proposals, self._scores = _joined(proposals), np.concatenate(scores)

    def __len__(self) -> int:
        return len(self._video)

    @overload
    def __getitem__(self, place: int) -> KeyFrame: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[KeyFrame, ...]: ...

    def __getitem__(self, place: int | slice) -> KeyFrame | tuple[KeyFrame, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = range(len(self))[place]  # counts from the end as well, and knows the last one
        video, source = self._videos[self._video[number]]
        first, end = self._persons_from[number : number + 2].tolist()
        ends = self._labels_from[first : end + 1].tolist()
        labels = self._labels[ends[0] : ends[-1]].tolist()
        proposals = scores = None
        if self._proposals_from is not None:
            proposed = slice(*self._proposals_from[number : number + 2].tolist())
            proposals, scores = self._proposals[proposed].copy(), self._scores[proposed].copy()
        return KeyFrame(
            video=video,
            timestamp=float(self._timestamps[number]),
            source=source,
            boxes=self._boxes[first:end].copy(),
            labels=tuple(
                tuple(labels[begin - ends[0] : end - ends[0]]) for begin, end in pairwise(ends)
            ),
            persons=tuple(self._persons[first:end].tolist()),
            proposals=proposals,
            scores=scores,
        )

    @property
    def timestamps(self) -> npt.NDArray[np.float64]:
        """When every key frame is, in seconds (F,)."""
        return self._timestamps

    def by_video(self) -> dict[str, Integers]:
        """Return the places of each video's key frames, in the order of their timestamps."""
        order = np.lexsort((self._timestamps, self._video))
        ends = np.searchsorted(self._video[order], np.arange(1, len(self._videos)))
        parts = np.split(order, ends)
        return {video: part for (video, _), part in zip(self._videos, parts, strict=True)}

    def digest(self) -> str:
        """Return the SHA-256 of which persons are looked at where and when, in hexadecimal."""
        boxes_from, boxes = self._persons_from, self._boxes
        if self._proposals_from is not None:
            boxes_from, boxes = self._proposals_from, self._proposals
        found = sha256()
        sources = dict(self._videos)
        for video, places in sorted(self.by_video().items()):
            found.update(video.encode(errors="replace") + b"\0")
            begin = sources[video].fps, sources[video].first_timestamp
            found.update(np.array(begin, np.float64).tobytes())
            found.update(self._timestamps[places].tobytes())
            for place in places.tolist():
                found.update(boxes[slice(*boxes_from[place : place + 2].tolist())].tobytes())
                found.update(b"\0")
        return found.hexdigest()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the videos are, each once."""
        return tuple(source for _, source in self._videos)


def _ends(lengths: Iterable[int]) -> Integers:
    """Return where each of several parts begins, and where the last one ends."""
    return np.cumsum([0, *lengths], dtype=np.int64)


def _joined(boxes: Iterable[Boxes]) -> Boxes:
    return np.concatenate([np.empty((0, 4), np.float32), *boxes])


def _compact(numbers: Iterable[int]) -> npt.NDArray[np.signedinteger]:
    """Return whole numbers of any size in as few bytes as all of them fit into."""
    found = np.array(list(numbers), np.int64)
    least = np.result_type(
        *map(np.min_scalar_type, (-1, found.min(initial=0), found.max(initial=0)))
    )
    return found.astype(least)
