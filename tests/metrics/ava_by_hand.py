"""Frame mAP one frame, one class and one detection at a time: what the fast one is held against.

Only where no scores are equal: these loops have an order within equal scores.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from praxiscope.metrics.ava_csv import ActionBoxes

Floats = npt.NDArray[np.floating]
Rows = dict[str, list[int]]


def mean_precision_by_hand(
    detections: ActionBoxes,
    truth: ActionBoxes,
    classes: Mapping[int, str],
    excluded: Collection[str] = (),
    *,
    old: bool = False,
) -> tuple[float, dict[str, float]]:
    """Return mAP and AP by class name under ``reference-1.x``, or 0.x if it is ``old``."""
    kind: type[np.floating] = np.float64 if old else np.float32
    there, known = rows_of(detections, classes), rows_of(truth, classes)
    hits: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for frame in there if old else known:
        if frame in excluded:
            continue
        found = sorted(there.get(frame, []), key=lambda row: -detections.scores[row])
        for label in sorted({int(detections.classes[row]) for row in found}):
            own = [row for row in found if detections.classes[row] == label]
            targets = [row for row in known.get(frame, []) if truth.classes[row] == label]
            boxes = detections.boxes[own].astype(kind)
            wanted = truth.boxes[targets].astype(kind)
            taken: set[int] = set()
            for row, box in zip(own, boxes, strict=True):
                right = False
                if targets:
                    overlaps = overlaps_of(box, wanted)
                    best = int(np.argmax(overlaps))
                    right = bool(overlaps[best] >= 0.5) and best not in taken
                    taken |= {best} if right else set()
                hits[label].append((float(kind(detections.scores[row])), right))
    counts: dict[int, int] = defaultdict(int)
    for frame, rows in known.items():
        if not old or frame not in excluded:
            for row in rows:
                counts[int(truth.classes[row])] += 1
    precisions = {}
    for label, name in classes.items():
        nothing = not counts[label] or (not old and not hits[label])
        precisions[name] = float("nan") if nothing else area(hits[label], counts[label])
    left = [value for value in precisions.values() if not np.isnan(value)]
    return (float(np.mean(left)) if left else 0.0), precisions


def rows_of(boxes: ActionBoxes, classes: Mapping[int, str]) -> Rows:
    """Return the rows of each frame, of these classes alone."""
    rows: Rows = defaultdict(list)
    for row, (frame, label) in enumerate(zip(boxes.frames, boxes.classes.tolist(), strict=True)):
        if label in classes:
            rows[frame].append(row)
    return rows


def overlaps_of(box: Floats, others: Floats) -> Floats:
    """Return the IoU of a box (4,) with others (G, 4)."""
    corner = np.maximum(box[:2], others[:, :2])
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - corner, 0.0)
    common = sides[:, 0].astype(np.float64) * sides[:, 1]
    sizes = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return np.asarray(common / ((box[2] - box[0]) * (box[3] - box[1]) + sizes - common))


def area(hits: list[tuple[float, bool]], count: int) -> float:
    """Return the area under the best precision at each recall or a higher one."""
    right = np.array([hit for _, hit in sorted(hits, key=lambda hit: -hit[0])], dtype=np.float64)
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    total = 0.0
    for rank in np.flatnonzero(right):
        total += precision[rank:].max() / count
    return float(total)
