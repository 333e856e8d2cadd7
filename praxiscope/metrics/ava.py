"""Frame mAP of action detection at IoU 0.5, the metric of AVA, under three protocols.

A detection goes to the box of its class in its frame that it overlaps most. It is right if their
IoU is 0.5 or more and no detection of a higher score went there. So a box is found once, at the
highest of its scores, which needs no order: everything below is over all frames at once.
Letters: D detections, G ground-truth boxes, K classes.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from heapq import heappush, heapreplace
from math import isnan
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from praxiscope.errors import DataError, PraxiscopeError, unknown_name
from praxiscope.label_map import read_label_map
from praxiscope.metrics.ava_csv import (
    ActionBoxes,
    read_boxes,
    read_excluded,
    read_truth,
)
from praxiscope.metrics.average_precision import interpolated_average_precision

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Class names by number. AP is NaN for a class that the mean leaves out.
MeanPrecision = TypedDict("MeanPrecision", {"mAP@0.5IOU": float, "AP": dict[str, float]})


@dataclass(frozen=True)
class Protocol:
    """What published evaluations do differently with the same boxes."""

    annotated_frames_only: bool  # detections in frames without ground truth are not looked at
    excluded_stay_missing: bool  # boxes of excluded frames count as ground truth never found
    undetected_are_left_out: bool  # the mean is over classes with detections; else they are 0
    single_precision: bool  # boxes and scores are rounded to float32
    flat_count: bool  # detections without an area are wrong, not ignored
    digits: int  # decimals of boxes and scores in the csv file that a test writes, and counts
    num_per_frame: int | None = None  # the best detections of a frame that count


PROTOCOLS: Mapping[str, Protocol] = {
    "reference-1.x": Protocol(True, True, True, True, True, digits=4),
    "reference-0.x": Protocol(False, False, False, False, False, digits=3),
    "activitynet": Protocol(False, False, False, False, False, digits=4, num_per_frame=50),
}


def evaluate_files(
    detections_csv: str | Path,
    ground_truth_csv: str | Path,
    label_map: str | Path | Mapping[int, str],
    excluded_csv: str | Path | None = None,
    protocol: str = "reference-1.x",
) -> MeanPrecision:
    """Return the mAP, and the AP of each class by its name, of files in AVA's formats.

    See :func:`evaluate`. The official evaluation is ``activitynet`` with the label map of its 60
    classes. ``label_map`` may also be names by number.

    Raises:
        DataError: A file is missing or malformed, or the ground truth holds no box.
        RecipeError: There is no such protocol.
    """
    check_protocol(protocol)
    names = label_map if isinstance(label_map, Mapping) else read_label_map(label_map)
    excluded = read_excluded(excluded_csv) if excluded_csv is not None else frozenset[str]()
    truth = read_truth(ground_truth_csv)
    check_truth(truth, names, str(ground_truth_csv))
    return evaluate(read_boxes(detections_csv), truth, names, excluded, protocol)


def check_protocol(name: str) -> None:
    """Raise :class:`RecipeError` unless ``name`` is one of :data:`PROTOCOLS`."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, "the AVA metric")


def check_truth(
    truth: ActionBoxes, class_names: Mapping[int, str], source: str = "The ground truth"
) -> None:
    """Raise :class:`DataError` unless ground truth can be found at all."""
    wrong = np.flatnonzero((truth.boxes[:, :2] > truth.boxes[:, 2:]).any(axis=1))
    if len(wrong):
        raise DataError(
            f"{source}: the box {truth.boxes[wrong[0]].tolist()} of frame {truth.frames[wrong[0]]} "
            "ends before it begins; expected x1, y1, x2, y2."
        )
    if not np.isin(truth.classes, list(class_names)).any():
        raise DataError(
            f"{source} holds no box of a class in the label map, so there is no mAP: are both of "
            "the same dataset?"
        )


def evaluate(
    detections: ActionBoxes,
    truth: ActionBoxes,
    class_names: Mapping[int, str],
    excluded: Collection[str] = (),
    protocol: str = "reference-1.x",
) -> MeanPrecision:
    """Return the mAP, and the AP of each class by its name: D and G boxes -> K numbers and a mean.

    Boxes of classes that ``class_names`` lacks are dropped first. ``excluded`` holds the keys of
    frames that do not count. AP is the area under the interpolated curve, in which equal scores
    stand as a random order has them on average: no figure depends on the order of the boxes. It is
    NaN for a class without ground truth, which every protocol leaves out of the mean, and under
    ``reference-1.x`` also for a class without detections. Without any detection mAP is 0.

    Source: AVA, arXiv:1705.08421, Section 5.

    Raises:
        RecipeError: There is no such protocol.
        DataError: The ground truth holds no box of these classes, or one that ends before it
            begins; or one side is in pixels and the other in shares of the frame.
        PraxiscopeError: A score is NaN.
    """
    check_protocol(protocol)
    check_truth(truth, class_names)
    if np.isnan(detections.scores).any():
        raise PraxiscopeError(
            "Some scores are NaN: the network has diverged; train with a lower learning rate or "
            "gradient clipping."
        )
    in_pixels = [bool(np.median(b.boxes.max(axis=1)) > 2) for b in (detections, truth) if len(b)]
    if len(set(in_pixels)) > 1:
        raise DataError(
            f"The {'detections' if in_pixels[0] else 'boxes of the ground truth'} are in pixels, "
            "the others in shares of the frame: divide by the frame's width and height."
        )
    rules = PROTOCOLS[protocol]
    detections, truth = (_of_classes(boxes, class_names) for boxes in (detections, truth))
    excluded = set(excluded)
    shown = _select(truth, np.array([f not in excluded for f in truth.frames], dtype=np.bool_))
    counted = truth if rules.excluded_stay_missing else shown
    visited = set(shown.frames) if rules.annotated_frames_only else set(detections.frames)
    keep = np.array([f in visited and f not in excluded for f in detections.frames], dtype=np.bool_)
    if rules.num_per_frame is not None:
        keep &= _best(detections, rules.num_per_frame)
    if not rules.flat_count:
        keep &= (detections.boxes[:, :2] < detections.boxes[:, 2:]).all(axis=1)
    detections = _select(detections, keep)
    kind: type[np.floating] = np.float32 if rules.single_precision else np.float64
    scores = detections.scores.astype(kind)
    right = _right(detections, shown, scores, kind)
    precisions: dict[str, float] = {}
    for number, name in class_names.items():
        own = detections.classes == number
        num_truth = int((counted.classes == number).sum())
        left_out = not num_truth or (rules.undetected_are_left_out and not own.any())
        precisions[name] = (
            float("nan")
            if left_out
            else interpolated_average_precision(scores[own], right[own], num_truth)
        )
    known = [value for value in precisions.values() if not isnan(value)]
    return {"mAP@0.5IOU": float(np.mean(known)) if known else 0.0, "AP": precisions}


def _right(
    detections: ActionBoxes,
    truth: ActionBoxes,
    scores: npt.NDArray[np.floating],
    kind: type[np.floating],
) -> Flags:
    """Return which detections are the first to find a box: (D,)."""
    numbers = {frame: number for number, frame in enumerate(dict.fromkeys(truth.frames))}
    span = 1 + max(detections.classes.max(initial=0), truth.classes.max(initial=0))
    groups = _frame_numbers(truth, numbers) * span + truth.classes  # one for a frame and a class
    order = np.argsort(groups, kind="stable")
    groups = groups[order]
    own = _frame_numbers(detections, numbers) * span + detections.classes
    first, end = np.searchsorted(groups, own), np.searchsorted(groups, own, side="right")
    boxes, targets = detections.boxes.astype(kind), truth.boxes[order].astype(kind)
    best = np.full(len(own), -1.0)
    place = np.zeros(len(own), dtype=np.int64)
    rows = np.flatnonzero(first < end)
    for step in range(int((end - first).max(initial=0))):  # the n-th box of every group at once
        rows = rows[first[rows] + step < end[rows]]
        there = first[rows] + step
        overlap = _iou(boxes[rows], targets[there])
        better = overlap > best[rows]
        best[rows[better]], place[rows[better]] = overlap[better], there[better]
    rows = np.flatnonzero(best >= 0.5)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    _, winners = np.unique(place[rows], return_index=True)
    right = np.zeros(len(own), dtype=np.bool_)
    right[rows[winners]] = True
    return right


def _frame_numbers(boxes: ActionBoxes, numbers: Mapping[str, int]) -> Integers:
    """Return the number of each box's frame; -1 where there is no ground truth."""
    return np.array([numbers.get(frame, -1) for frame in boxes.frames], dtype=np.int64)


def _iou(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the IoU of pairs: (R, 4), (R, 4) -> (R,); no number or 0 where there is no area."""
    areas = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (one, other)]
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    # Of float32 boxes too the product is float64 and the sum of areas is not: a pair at 0.5 to the
    # last digit falls on the published side.
    common = np.maximum(sides.astype(np.float64), 0).prod(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(common / (areas[0] + areas[1] - common), dtype=np.float64)


def _best(boxes: ActionBoxes, most: int) -> Flags:
    """Return which boxes are among the ``most`` of their frame with the highest scores: (D,).

    Of equal scores at the limit those that the official evaluation keeps, whose heap sees the rows
    one by one: an equal score never pushes another out, and the lowest class is pushed out first.
    """
    keep = np.ones(len(boxes), dtype=np.bool_)
    crowded = {frame for frame, number in Counter(boxes.frames).items() if number > most}
    heaps: dict[str, list[tuple[float, int, tuple[float, ...], int]]] = {f: [] for f in crowded}
    for row, frame in enumerate(boxes.frames):
        if frame not in crowded:
            continue
        x1, y1, x2, y2 = boxes.boxes[row].tolist()
        item = (float(boxes.scores[row]), int(boxes.classes[row]), (y1, x1, y2, x2), row)
        heap = heaps[frame]
        if len(heap) < most:
            heappush(heap, item)
        elif item[0] > heap[0][0]:
            keep[heapreplace(heap, item)[-1]] = False
        else:
            keep[row] = False
    return keep


def _of_classes(boxes: ActionBoxes, class_names: Mapping[int, str]) -> ActionBoxes:
    return _select(boxes, np.isin(boxes.classes, list(class_names)))


def _select(boxes: ActionBoxes, keep: Flags) -> ActionBoxes:
    if keep.all():
        return boxes
    frames = [frame for frame, kept in zip(boxes.frames, keep.tolist(), strict=True) if kept]
    return ActionBoxes(frames, boxes.boxes[keep], boxes.classes[keep], boxes.scores[keep])
