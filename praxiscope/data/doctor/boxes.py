"""Whether boxes are shares of the frame, the right way round, and there once."""

import numpy as np

from praxiscope.data.ava_checks import FARTHEST, NEAREST
from praxiscope.data.doctor.findings import Finding, judge_each
from praxiscope.data.doctor.rows import Rows, equal_rows

TINY = 0.01  # of the frame's width or height: 2 to 3 pixels of a network's 256


def check_boxes(rows: Rows) -> list[Finding]:
    """Judge the boxes of an annotation file."""
    x1, y1, x2, y2 = rows.boxes.T
    width, height = x2 - x1, y2 - y1
    upright = (width >= 0) & (height >= 0)
    flat = upright & ((width == 0) | (height == 0))
    small = upright & ~flat & ((width < TINY) | (height < TINY))
    far = ((rows.boxes < NEAREST) | (rows.boxes > FARTHEST)).any(axis=1)
    return [
        judge_each(
            "error",
            f"boxes in pixels: coordinates below {NEAREST:g} or above {FARTHEST:g}",
            far,
            rows.show_box,
            "Divide by the frame's width and height: coordinates are shares of it.",
        ),
        judge_each(
            "warning",
            "boxes that reach beyond the frame",
            ((rows.boxes < 0) | (rows.boxes > 1)).any(axis=1) & ~far,
            rows.show_box,
            "They are taken as they are: clip them to 0 to 1 if they should not be.",
        ),
        judge_each(
            "error",
            "boxes that end before they begin",
            ~upright,
            rows.show_box,
            "Columns are x1, y1, x2, y2: not x, y, width, height, and not y before x.",
        ),
        judge_each(
            "error" if flat.all() else "warning",
            "boxes without an area",
            flat,
            rows.show_box,
            "No detection can meet them: leave them out.",
        ),
        judge_each(
            "warning",
            f"boxes narrower or lower than {TINY:.0%} of the frame",
            small,
            rows.show_box,
            "Networks hardly see them. Divided by the frame's size twice?",
        ),
        judge_each(
            "warning",
            "lines that repeat a box and its label",
            _repeats(rows),
            lambda row: f"{rows.show_box(row)}, label {rows.label[row]}",
            "Leave them out: training takes them as one, the metric looks for each.",
        ),
    ]


def _repeats(rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows say what one before says: (N,)."""
    said = equal_rows(np.column_stack((rows.person, rows.label)).astype(np.float64))
    repeats = np.ones(len(rows), np.bool_)
    repeats[np.unique(said, return_index=True)[1]] = False
    return repeats
