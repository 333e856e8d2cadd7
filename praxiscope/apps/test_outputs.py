"""What a test of detection leaves: a csv file, a dump, a table of classes, the mAP."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from praxiscope.apps.class_table import class_lines, print_class_table
from praxiscope.apps.printing import print_metrics
from praxiscope.data.ava_lists import AvaList
from praxiscope.engine.detections import (
    dump_detections,
    list_detections,
    truth_of,
    write_detections,
)
from praxiscope.engine.results import DETECTION_SUFFIXES, DUMP_SUFFIXES, check_writable
from praxiscope.metrics.ava import evaluate
from praxiscope.types import ScoredFrame


def check_outputs(out: Path | None, dump: Path | None) -> None:
    """Raise :class:`PraxiscopeError`, before a test begins, if its files cannot be written."""
    if out:
        check_writable(out, DETECTION_SUFFIXES)
    if dump:
        check_writable(dump, DUMP_SUFFIXES)


def show_detections(
    console: Console,
    frames: Sequence[ScoredFrame],
    ava: AvaList,
    *,
    min_score: float,
    protocol: str,
    out: Path | None,
    dump: Path | None,
) -> None:
    """Write the detections of a test on ``ava``, and print the AP of every class and their mean."""
    found = list_detections(frames, ava, min_score=min_score, protocol=protocol)
    if out:
        write_detections(out, found)
    if dump:
        dump_detections(dump, frames)
    truth = truth_of(ava)
    metrics = evaluate(found, truth.boxes, truth.names, truth.excluded, protocol)
    print_class_table(console, class_lines(metrics["AP"], truth, found))
    print_metrics(console, f"{len(frames)} key frames", {"mAP@0.5IOU": metrics["mAP@0.5IOU"]})
