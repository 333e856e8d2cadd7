"""How many of a list's true persons the boxes of a proposals file meet."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.doctor.recall import best_overlaps

IOUS = (0.5, 0.9)


class Recall(NamedTuple):
    """How well a proposals file meets a list's persons."""

    path: Path
    min_score: float
    per_frame: float  # boxes
    shares: tuple[float, ...]  # of the persons that are met at each of IOUS


def recall_of(ava: AvaList, path: Path) -> list[Recall]:
    """Return the recall of a file's proposals as the list takes them, and of all of them."""
    return [_recall_above(ava, path, least) for least in sorted({ava.min_score, 0.0})][::-1]


def _recall_above(ava: AvaList, path: Path, min_score: float) -> Recall:
    key_frames = read_key_frames(replace(ava, proposals=path, min_score=min_score))
    truth, given = [], []
    for moment in key_frames:
        assert moment.proposals is not None
        truth.append(moment.boxes)
        given.append(moment.proposals)
    numbers = np.arange(len(truth))
    overlaps = best_overlaps(
        np.concatenate(truth).astype(np.float64),
        np.repeat(numbers, [len(boxes) for boxes in truth]),
        np.concatenate(given).astype(np.float64),
        np.repeat(numbers, [len(boxes) for boxes in given]),
    )
    per_frame = sum(map(len, given)) / len(given)
    shares = tuple(float((overlaps >= least).mean()) for least in IOUS)
    return Recall(path, min_score, per_frame, shares)


def show_recalls(console: Console, recalls: Sequence[Sequence[Recall]]) -> None:
    """Print the recalls of some files as a table."""
    table = Table("proposals", "score from", "a key frame", *(f"at IoU {iou:g}" for iou in IOUS))
    table.title, table.title_justify = "true persons that a proposal meets", "left"
    for recall in (one for of_file in recalls for one in of_file):
        shares = (f"{share:.1%}" for share in recall.shares)
        figures = (f"{recall.min_score:g}", f"{recall.per_frame:.1f}", *shares)
        table.add_row(Text(recall.path.name), *figures)
    console.print(table)
