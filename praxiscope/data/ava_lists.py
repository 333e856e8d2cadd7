"""AVA and datasets in its format: which key frames there are, and who does what in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from praxiscope.checks import check_choice, check_number, check_whole
from praxiscope.data.ava_checks import check_box, check_proposals, check_time
from praxiscope.data.ava_files import (
    Moment,
    Proposals,
    Row,
    Source,
    read_annotations,
    read_excluded,
    read_proposals,
    read_sources,
)
from praxiscope.data.ava_key_frames import KeyFrame, KeyFrames
from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.frames import FrameFolder, open_frames
from praxiscope.data.sampling import Convention
from praxiscope.data.video import Video, open_video
from praxiscope.data.video_index import Layout
from praxiscope.errors import DataError, RecipeError, did_you_mean
from praxiscope.label_map import read_label_map

__all__ = ["AvaList", "KeyFrame", "Span", "open_source", "read_key_frames", "source_path"]

_TRIMMED = re.compile(r"(.+)_([0-9]{6})_([0-9]{6})")  # ID_000012_000022


class Span(NamedTuple):
    """Which seconds of which untrimmed video a video is."""

    of: str  # the name by which proposals are looked up
    first: float  # the time of the first frame
    end: float | None  # not included; None: that of the video


@dataclass(frozen=True, kw_only=True)
class AvaList:
    """Key frames of videos under ``root``, as files in AVA's format describe them.

    A video is a folder of frame images or a file of its name, whose first frame is at
    ``first_timestamp`` seconds; or what ``sources`` says, a csv of ``video,path,fps,
    first_timestamp`` for datasets of mixed videos. With ``trimmed``, as in AVA-Kinetics, a video
    named ``ID_000012_000022`` is the seconds 12 to 22 of ``ID``, whose proposals it has; others are
    as above. The values given are AVA's.

    ``num_classes`` counts outputs, the background (0) among them. ``label_base`` is the first label
    in the file. ``classes`` takes a part of them, in this order: the k-th, from 0, becomes output
    k + 1. Of the ``proposals`` of a key frame those that score ``min_score`` or more are taken, or,
    where none does, the best; at most ``max_proposals``, in the file's order; where the file has
    none, the whole frame. ``convention`` decides which frame is at a timestamp, see :attr:`late`.
    """

    root: Path
    annotations: Path
    excluded: Path | None = None
    label_map: Path | None = None
    proposals: Path | None = None
    sources: Path | None = None
    num_classes: int = 81
    classes: tuple[int, ...] | None = None
    label_base: Literal[0, 1] = 1
    multi_label: bool = True  # whether a person may do several things at once
    kind: Literal["frames", "video"] = "frames"
    template: str | None = None
    first_frame: int = 1  # the images' first number
    fps: float = 30.0
    first_timestamp: float = 900.0
    last_timestamp: float | None = 1800.0  # the end, not included; None: that of each video
    trimmed: bool = False  # whether names may end in the seconds that a video is cut from
    convention: Convention = "1.x"
    start_index: Literal[0, 1] | None = None  # of the published 1.x dataset; None: first_frame
    min_score: float = 0.9
    max_proposals: int = 1000

    def __post_init__(self) -> None:
        check_whole(self.num_classes, "AvaList.num_classes", least=2)
        check_choice(self.label_base, "AvaList.label_base", (0, 1))
        check_choice(self.kind, "AvaList.kind", ("frames", "video"))
        check_choice(self.convention, "AvaList.convention", ("0.x", "1.x"))
        check_whole(self.first_frame, "AvaList.first_frame", least=0)
        check_choice(self.start_index, "AvaList.start_index", (None, 0, 1))
        check_number(self.fps, "AvaList.fps", 1e-3, 1e4)
        check_number(self.min_score, "AvaList.min_score", 0, 1)
        check_whole(self.max_proposals, "AvaList.max_proposals")
        if self.classes is not None:
            if len(set(self.classes)) != len(self.classes) or min(self.classes, default=0) < (
                self.label_base
            ):
                raise RecipeError(
                    f"AvaList.classes must be different labels, from {self.label_base} on, not "
                    f"{self.classes!r}."
                )
            if self.num_classes != len(self.classes) + 1:
                raise RecipeError(
                    f"AvaList.num_classes must be {len(self.classes) + 1}, one more than there are "
                    f"AvaList.classes (the background), not {self.num_classes}."
                )

    @property
    def labels(self) -> tuple[int, ...]:
        """The files' labels of the outputs, from output 1 on."""
        if self.classes is not None:
            return self.classes
        return tuple(range(self.label_base, self.num_classes - 1 + self.label_base))

    @property
    def late(self) -> int:
        """Frames that a clip's centre lies after the frame at its timestamp, as published.

        In videos, and in the 0.x convention of numbered images, none. There 1.x took the image with
        the number ``fps * (timestamp - first second) + 2 * start_index``. Where images count from 1
        that is a frame late for AVA, whose start index was 1, and a frame early for AVA-Kinetics,
        films and Kinetics clips alike, whose start index was 0.

        Source: ``SampleAVAFrames``, ``AVADataset`` and ``AVAKineticsDataset`` of OpenMMLab's 1.2.
        """
        if self.convention == "0.x" or self.kind == "video":
            return 0
        start_index = self.first_frame if self.start_index is None else self.start_index
        return 2 * start_index - self.first_frame

    def span(self, video: str) -> Span:
        """Return the seconds that a video without an entry in ``sources`` shows."""
        match = _TRIMMED.fullmatch(video) if self.trimmed else None
        if match is None:
            return Span(video, self.first_timestamp, self.last_timestamp)
        return Span(match[1], float(match[2]), float(match[3]))

    def takes_part(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return which of m > 0 proposals take part, by their scores: (m,) -> (k,)."""
        enough = min(np.float32(self.min_score), scores.max())
        return np.flatnonzero(scores >= enough)[: self.max_proposals]


def read_key_frames(ava: AvaList) -> KeyFrames:
    """Return the key frames of a list with their persons, in the order in which they first appear.

    Those without persons and the excluded ones are left out. Lines with the same box at the same
    moment are one person. Whether the videos exist is not checked.

    Raises:
        DataError: A file is missing or malformed; a label is no class, a timestamp lies outside the
            videos, a box outside the frame or inside out; a person has several labels where one is
            expected; no key frame is left; the proposals are of other videos.
    """
    columns = _columns(ava)
    sources = None if ava.sources is None else read_sources(ava.sources)
    excluded = frozenset[Moment]() if ava.excluded is None else read_excluded(ava.excluded)
    found: dict[Moment, dict[tuple[float, ...], list[Row]]] = {}
    ranges: dict[str, tuple[float, float | None]] = {}
    for row in read_annotations(ava.annotations):
        moment, where = (row.video, row.timestamp), f"{ava.annotations}:{row.line}"
        if row.video not in ranges:
            ranges[row.video] = _range(row.video, where, ava, sources)
        check_time(row.timestamp, *ranges[row.video], where)
        check_box(row.box, where)
        if row.label is not None and row.label not in columns:
            if ava.classes is not None:
                continue
            raise DataError(
                f"{where}, column 7 (label): {row.label!s:.40} is no class; the "
                f"list's are {min(columns)} to {max(columns)}: correct the line, label_base or "
                "num_classes."
            )
        if moment not in excluded:
            found.setdefault(moment, {}).setdefault(row.box, []).append(row)
    if not found:
        why = "all its timestamps are excluded" if excluded and ranges else "it names no person"
        if ranges and ava.classes is not None:
            why = "none of its persons does any of AvaList.classes outside excluded timestamps"
        raise DataError(f"{ava.annotations} gives no key frames: {why}.")
    proposals = None if ava.proposals is None else read_proposals(ava.proposals)
    if ava.proposals is not None and proposals is not None:
        check_proposals(
            proposals,
            (_untrimmed(moment, ava) for moment in found),
            {ava.span(video).of for video in ranges},
            path=ava.proposals,
            annotations=ava.annotations,
        )
    return KeyFrames(
        _key_frame(moment, persons, columns, sources, proposals, ava)
        for moment, persons in found.items()
    )


def source_path(ava: AvaList, source: Source) -> Path:
    """Return the folder or the file of a key frame's video, with its suffix; it may not exist."""
    path = Path(ava.root) / source.path
    if ava.kind == "frames":
        return path
    files = [path, *(path.parent / (path.name + suffix) for suffix in sorted(VIDEO_SUFFIXES))]
    return next((file for file in files if file.is_file()), path)


def open_source(
    ava: AvaList, source: Source, *, threads: int = 1, layout: Layout | None = None
) -> Video | FrameFolder:
    """Open the folder of frame images or the video file, of any known suffix, of a key frame.

    ``layout`` is what it was when it was opened before: long videos are read through for it.

    Raises:
        DataError: There is none, or it cannot be read.
    """
    path = source_path(ava, source)
    if ava.kind == "frames":
        count = None if layout is None else layout.num_frames
        return open_frames(path, template=ava.template, first=ava.first_frame, num_frames=count)
    return open_video(path, threads=threads, layout=layout)


def _columns(ava: AvaList) -> dict[int, int]:
    """Return the output of every label; the labels of the label map must be among them."""
    columns = {label: output for output, label in enumerate(ava.labels, start=1)}
    if ava.label_map is None:
        return columns
    names = read_label_map(ava.label_map)
    if ava.classes is not None:
        unnamed = [label for label in ava.classes if label not in names]
        if unnamed:
            raise DataError(
                f"{ava.label_map} has no class {unnamed[0]}, which AvaList.classes names; its "
                f"numbers, with gaps, are {', '.join(map(str, names))}."
            )
    else:
        beyond = [label for label in names if label not in columns]
        if beyond:
            raise DataError(
                f"{ava.label_map}: id {beyond[0]} ('{names[beyond[0]]}') is no class; the list's "
                f"are {min(columns)} to {max(columns)}: correct label_base or num_classes."
            )
    return columns


def _range(
    video: str, where: str, ava: AvaList, sources: Mapping[str, Source] | None
) -> tuple[float, float | None]:
    """Return the time of a video's first frame, and the first one after it, if that is known."""
    if sources is None:
        return ava.span(video)[1:]
    if video not in sources:
        hint = did_you_mean(video, sources)
        raise DataError(f"{where}, column 1 (video): {ava.sources} has no '{video}'.{hint}")
    return sources[video].first_timestamp, None


def _key_frame(
    moment: Moment,
    persons: Mapping[tuple[float, ...], list[Row]],
    columns: Mapping[int, int],
    sources: Mapping[str, Source] | None,
    proposals: Proposals | None,
    ava: AvaList,
) -> KeyFrame:
    labels = []
    for rows in persons.values():
        labels.append(tuple(sorted({columns[row.label] for row in rows if row.label is not None})))
        if len(labels[-1]) > 1 and not ava.multi_label:
            raise DataError(
                f"{ava.annotations}:{rows[1].line}: this person has {len(labels[-1])} labels where "
                "the list has one each: correct the line or set multi_label."
            )
    source = Source(moment[0], ava.fps, ava.span(moment[0]).first)
    proposed = None if proposals is None else _chosen(proposals.get(_untrimmed(moment, ava)), ava)
    return KeyFrame(
        video=moment[0],
        timestamp=moment[1],
        source=source if sources is None else sources[moment[0]],
        boxes=np.array(list(persons), np.float32),
        labels=tuple(labels),
        persons=tuple(rows[0].person for rows in persons.values()),
        proposals=None if proposed is None else proposed[:, :4],
        scores=None if proposed is None else proposed[:, 4],
    )


def _untrimmed(moment: Moment, ava: AvaList) -> Moment:
    """Return the moment by which its proposals are found."""
    video, timestamp = moment
    return ava.span(video).of, timestamp


def _chosen(boxes: npt.NDArray[np.float32] | None, ava: AvaList) -> npt.NDArray[np.float32]:
    """Return the proposals (m, 5) that take part, as published."""
    if boxes is None or not len(boxes):
        return np.array([[0, 0, 1, 1, 1]], np.float32)
    return boxes[ava.takes_part(boxes[:, 4])]
