"""Whether proposals are of the list's key frames, and how many of its persons they meet.

Letters: G persons, P proposals. A frame is the number of a key frame's moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from praxiscope.data.ava_checks import FARTHEST, NEAREST
from praxiscope.data.ava_files import Moment, parse_proposals
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.findings import (
    Finding,
    Flags,
    Malformed,
    judge,
    judge_each,
    judge_lines,
)
from praxiscope.data.doctor.recall import best_overlaps, taken
from praxiscope.data.doctor.rows import Integers, Rows
from praxiscope.errors import DataError

IOUS = (0.5, 0.75, 0.9)
HARDLY_ANY, FEW = 0.05, 0.8  # shares of the persons


@dataclass(frozen=True)
class Proposed:
    """A proposals file as columns."""

    path: Path
    moments: tuple[Moment, ...]
    number: Integers  # how many each moment has
    boxes: npt.NDArray[np.float32]  # (P, 5): box and score, those of a moment together

    def show(self, proposal: int) -> str:
        """Return the place of a proposal, its box and its score."""
        moment = int(np.searchsorted(np.cumsum(self.number), proposal, side="right"))
        *box, score = self.boxes[proposal].tolist()
        shown = ", ".join(f"{share:g}" for share in box)
        return f"{self.path}, {_name(self.moments[moment])}: box {shown}, score {score:g}"


def check_proposals(ava: AvaList, rows: Rows, left: Flags, path: Path) -> list[Finding]:
    """Judge a proposals file by the rows of an annotation file that are ``left``, not excluded."""
    try:
        proposed, malformed = _read(path)
    except DataError as error:
        advice = "Without it there are no proposals: correct the path, or get the file again."
        return [judge("error", "proposals files that cannot be read", 1, str(error), advice)]
    videos = {ava.span(video).of for video in rows.videos}
    strange = {video: True for video, _ in proposed.moments if video not in videos}
    scores = proposed.boxes[:, 4]
    return [
        judge_lines("malformed proposals", malformed),
        judge(
            "warning",
            "videos of the proposals that have no annotations",
            len(strange),
            lambda: f"{path}: {next(iter(strange))}",
            "Not used: are they of another split, or are names spelt otherwise?",
        ),
        *_check_boxes(proposed),
        judge_each(
            "warning",
            "proposals whose score is not from 0 to 1",
            (scores < 0) | (scores > 1),
            proposed.show,
            f"min_score={ava.min_score:g} chooses among probabilities: bring them to 0 to 1.",
        ),
        *_check_key_frames(ava, rows, left, proposed),
    ]


def _check_boxes(proposed: Proposed) -> list[Finding]:
    x1, y1, x2, y2, _ = proposed.boxes.T
    shares = proposed.boxes[:, :4]
    far = ((shares < NEAREST) | (shares > FARTHEST)).any(axis=1)
    return [
        judge_each(
            "error",
            f"proposals in pixels: coordinates below {NEAREST:g} or above {FARTHEST:g}",
            far,
            proposed.show,
            "Divide by the frame's width and height: coordinates are shares of it.",
        ),
        judge_each(
            "warning",
            "proposals that reach beyond the frame",
            ((shares < 0) | (shares > 1)).any(axis=1) & ~far,
            proposed.show,
            "They are taken as they are: clip them to 0 to 1 if they should not be.",
        ),
        judge_each(
            "warning",
            "proposals without an area",
            (x1 >= x2) | (y1 >= y2),
            proposed.show,
            "Columns are x1, y1, x2, y2, score: not x, y, width, height.",
        ),
    ]


def _check_key_frames(ava: AvaList, rows: Rows, left: Flags, proposed: Proposed) -> list[Finding]:
    """Judge what the key frames have: proposals at all, of a high score, and where persons are."""
    frames = _frames(ava, rows, left)
    own = [frames.number.get(moment, -1) for moment in proposed.moments]
    at = np.repeat(np.array(own, np.int64), proposed.number)
    boxes, at = proposed.boxes[at >= 0], at[at >= 0]
    num_frames = len(frames.number)
    number = np.bincount(at, minlength=num_frames)
    best = np.full(num_frames, -np.inf, np.float32)
    np.maximum.at(best, at, boxes[:, 4])
    low = (number > 0) & (best < np.float32(ava.min_score))
    empty = np.flatnonzero(number == 0)
    whole = np.tile(np.array([0, 0, 1, 1, 1], np.float32), (len(empty), 1))

    def show(frame: int) -> str:
        return rows.show_time(frames.persons[int((frames.frame == frame).argmax())])

    findings = [
        judge_each(
            "error" if len(empty) == num_frames else "warning",
            "key frames without proposals",
            number == 0,
            show,
            "The whole frame is taken for a person. Are times and videos written as there?",
        ),
        judge_each(
            "warning",
            f"key frames without a proposal that scores {ava.min_score:g}",
            low,
            show,
            "The best one alone is taken: lower min_score if these are many.",
        ),
    ]
    truth = rows.boxes[frames.persons]
    recalls = []
    for min_score in sorted({ava.min_score, min(ava.min_score, 0.5), 0.0}, reverse=True):
        chosen = taken(boxes[:, 4], at, min_score, ava.max_proposals)
        overlap = best_overlaps(
            truth,
            frames.frame,
            np.concatenate((boxes[chosen], whole))[:, :4].astype(np.float64),
            np.concatenate((at[chosen], empty)),
        )
        shares = " / ".join(f"{(overlap >= iou).mean():.1%}" for iou in IOUS) if len(truth) else "-"
        per_frame = (chosen.sum() + len(empty)) / max(num_frames, 1)
        recalls.append((min_score, overlap, f"{shares} ({per_frame:.1f} boxes a key frame)"))
    (_, overlap, shares), *others = recalls
    missed = overlap < IOUS[0]
    found = 1 - float(missed.mean()) if len(truth) else 1.0
    finding = judge_each(
        "error" if found < HARDLY_ANY else "warning" if found < FEW else "ok",
        f"persons that no proposal meets at IoU {IOUS[0]}; recall at "
        f"{' / '.join(map(str, IOUS))}: {shares}",
        missed,
        lambda person: rows.show_box(frames.persons[person]),
        "; ".join(f"with min_score={least:g}: {what}" for least, _, what in others),
    )
    return [*findings, finding]


@dataclass(frozen=True)
class _Frames:
    """The persons of key frames that are not excluded, each once."""

    persons: Integers  # (G,) a row of each
    frame: Integers  # (G,)
    number: Mapping[Moment, int]  # of the frame with the proposals of a moment


def _frames(ava: AvaList, rows: Rows, left: Flags) -> _Frames:
    persons = np.flatnonzero(left)
    persons = np.sort(persons[np.unique(rows.person[persons], return_index=True)[1]])
    _, first, frame = np.unique(rows.moment[persons], return_index=True, return_inverse=True)
    number: dict[Moment, int] = {}  # parts of one untrimmed video may share a moment
    for person in persons[first].tolist():
        video, time = rows.moment_of(person)
        number.setdefault((ava.span(video).of, time), len(number))
    own = [number[ava.span(video).of, time] for video, time in map(rows.moment_of, persons[first])]
    return _Frames(persons, np.array(own, np.int64)[frame], number)


def _read(path: Path) -> tuple[Proposed, Malformed]:
    found: dict[Moment, npt.NDArray[np.float32]] = {}
    malformed = Malformed()
    for item in parse_proposals(path):
        if isinstance(item, DataError):
            malformed.add(item)
        else:
            found[item[0]] = item[1]
    boxes = [np.empty((0, 5), np.float32), *found.values()]
    number = np.array([len(one) for one in found.values()], np.int64)
    return Proposed(path, tuple(found), number, np.concatenate(boxes)), malformed


def _name(moment: Moment) -> str:
    return f"'{moment[0]},{moment[1]:04g}'"
