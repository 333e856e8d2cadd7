"""Whether the times of an annotation file lie in its videos, and which are excluded."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from praxiscope.data.ava_files import Moment
from praxiscope.data.doctor.findings import Finding, Flags, judge_each
from praxiscope.data.doctor.rows import Floats, Rows


def check_timestamps(rows: Rows, first: Floats, end: Floats) -> list[Finding]:
    """Judge the times of rows by the first second and the end, not included, of V videos."""
    outside = (rows.timestamp < first[rows.video]) | (rows.timestamp >= end[rows.video])

    def limits(row: int) -> str:
        video = rows.video[row]
        return f"{rows.show_time(row)}, not in {first[video]:g} to {end[video]:g}"

    return [
        judge_each(
            "error",
            "lines whose time the list's videos do not have",
            outside,
            limits,
            "Correct the lines, or first_timestamp and last_timestamp; frame numbers are no times.",
        ),
        judge_each(
            "warning",
            "lines whose time is no whole second",
            rows.timestamp % 1 != 0,
            rows.show_time,
            "AVA has one key frame a second. Harmless if the proposals have the same times.",
        ),
    ]


def check_excluded(
    rows: Rows, file: Path, excluded: Sequence[tuple[int, Moment]], left: Flags
) -> list[Finding]:
    """Judge a file of excluded moments, with the lines they stand on; ``left`` marks the others."""
    known = set(rows.videos)
    strange = np.array([video not in known for _, (video, _) in excluded], np.bool_)

    def show(number: int) -> str:
        line, (video, time) = excluded[number]
        return f"{file}:{line}: {video} at {time:g} s"

    return [
        judge_each(
            "warning",
            "excluded moments of videos without annotations",
            strange,
            show,
            "They have no effect: is it the file of another split, or are names spelt otherwise?",
        ),
        judge_each(
            "error",
            "lists of which everything is excluded",
            np.array([len(rows) > 0 and not left.any()]),
            lambda _: f"{rows.path} and {file}",
            "No key frame is left: check the file of excluded moments.",
        ),
    ]


def not_excluded(rows: Rows, excluded: Iterable[Moment]) -> Flags:
    """Return which rows are of moments that are not excluded: (N,)."""
    moments = set(excluded)
    if not moments:
        return np.ones(len(rows), np.bool_)
    _, first, moment = np.unique(rows.moment, return_index=True, return_inverse=True)
    left = [rows.moment_of(row) not in moments for row in first.tolist()]
    return np.array(left, np.bool_)[moment]
