"""All that can be said of a list in AVA's format without training on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import numpy as np

from praxiscope.data.ava_files import (
    Moment,
    Source,
    parse_excluded,
    parse_sources,
)
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.boxes import check_boxes
from praxiscope.data.doctor.findings import Finding, Malformed, judge, judge_lines
from praxiscope.data.doctor.labels import check_label_map, check_labels
from praxiscope.data.doctor.moments import check_excluded, check_timestamps, not_excluded
from praxiscope.data.doctor.proposals import check_proposals
from praxiscope.data.doctor.rates import check_rates
from praxiscope.data.doctor.rows import NO_LABEL, Rows, read_rows
from praxiscope.data.doctor.videos import Track, check_videos
from praxiscope.errors import DataError
from praxiscope.label_map import read_label_map

T = TypeVar("T")


@dataclass(frozen=True)
class Examined:
    """A list, what its annotation file says, and what is to be said about it."""

    ava: AvaList
    rows: Rows | None  # None: the file cannot be read
    findings: tuple[Finding, ...]


@np.errstate(over="ignore", invalid="ignore")  # of numbers that are too large for a box
def examine(ava: AvaList, *, num_videos: int | None = None, track: Track = iter) -> Examined:
    """Return what is wrong with a list's files and videos, and what was found in order.

    Nothing that a file holds raises an error: it becomes a finding, and the rest is examined.

    Args:
        ava: the list.
        num_videos: how many videos to open at most; None opens all.
        track: yields the names that it is given, and shows how many there are left.
    """
    try:
        rows, malformed = read_rows(ava.annotations)
    except DataError as error:
        return Examined(ava, None, (_unreadable("annotation files", error),))
    findings = [
        judge_lines("malformed lines", malformed),
        judge(
            "error",
            "annotation files that name no person",
            int(not len(rows)),
            str(ava.annotations),
            "A line is video,timestamp,x1,y1,x2,y2,label,person_id.",
        ),
    ]
    names, said = _label_map(ava)
    findings += said
    if not len(rows):
        return Examined(ava, rows, tuple(findings))
    findings += [*check_labels(ava, rows, names), *check_boxes(rows)]
    sources, said = _sources(ava, rows)
    findings += said
    end = np.array([_end(ava, video) for video in rows.videos])
    first = np.array([-inf if source is None else source.first_timestamp for source in sources])
    findings += check_timestamps(rows, first, end)
    excluded, said = _excluded(ava)
    findings += said
    left = not_excluded(rows, (moment for _, moment in excluded))
    if ava.excluded is not None:
        findings += check_excluded(rows, ava.excluded, excluded, left)
    said, looks = check_videos(ava, rows, sources, num_videos, track)
    findings += [*said, *check_rates(ava, rows, sources, end, looks)]
    if ava.proposals is not None:
        if ava.classes is not None:
            left = left & np.isin(rows.label, [*ava.classes, NO_LABEL])
        findings += check_proposals(ava, rows, left, ava.proposals)
    return Examined(ava, rows, tuple(findings))


def _unreadable(what: str, error: DataError) -> Finding:
    return judge("error", f"{what} that cannot be read", 1, str(error), "Training would stop.")


def _gather(items: Iterable[T | DataError]) -> tuple[list[T], Malformed]:
    good, malformed = [], Malformed()
    for item in items:
        if isinstance(item, DataError):
            malformed.add(item)
        else:
            good.append(item)
    return good, malformed


def _label_map(ava: AvaList) -> tuple[Mapping[int, str], list[Finding]]:
    if ava.label_map is None:
        return {}, []
    try:
        names = read_label_map(ava.label_map)
    except DataError as error:
        return {}, [_unreadable("label maps", error)]
    return names, check_label_map(ava, names)


def _excluded(ava: AvaList) -> tuple[list[tuple[int, Moment]], list[Finding]]:
    if ava.excluded is None:
        return [], []
    try:
        moments, malformed = _gather(parse_excluded(ava.excluded))
    except DataError as error:
        return [], [_unreadable("files of excluded timestamps", error)]
    return moments, [judge_lines("malformed lines of excluded timestamps", malformed)]


def _sources(ava: AvaList, rows: Rows) -> tuple[list[Source | None], list[Finding]]:
    """Return where each video of the rows is, (V,); None where a csv of sources does not say."""
    if ava.sources is None:
        return [Source(video, ava.fps, ava.span(video).first) for video in rows.videos], []
    try:
        found, malformed = _gather(parse_sources(ava.sources))
    except DataError as error:
        return [None] * len(rows.videos), [_unreadable("files of video sources", error)]
    known = dict(found)
    lacking = [video for video, name in enumerate(rows.videos) if name not in known]
    return [known.get(video) for video in rows.videos], [
        judge_lines("malformed lines of video sources", malformed),
        judge(
            "error",
            "videos that the sources do not name",
            len(lacking),
            lambda: (
                f"{rows.place(int((rows.video == lacking[0]).argmax()))}: {rows.videos[lacking[0]]}"
            ),
            f"Add them to {ava.sources}, or remove their lines.",
        ),
    ]


def _end(ava: AvaList, video: str) -> float:
    """Return the time before which a video ends, as far as the list says."""
    end = None if ava.sources is not None else ava.span(video).end
    return inf if end is None else end
