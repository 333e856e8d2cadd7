"""Average precision class by class: a table in print, in a file, and as a plot."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from praxiscope.engine.detections import Truth
from praxiscope.files import write_atomically
from praxiscope.metrics.ava_csv import ActionBoxes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_SUFFIXES = (".csv", ".json")
_HEADS = ("class", "name", "AP", "boxes", "detections")


class ClassLine(NamedTuple):
    """What the table says of a class."""

    number: int
    name: str
    precision: float  # NaN where the mean leaves the class out
    num_truth: int
    num_found: int


def class_lines(
    precisions: Mapping[str, float], truth: Truth, found: ActionBoxes
) -> tuple[ClassLine, ...]:
    """Return a line for each class that counts, the best first, those without AP last.

    ``precisions`` is the ``"AP"`` of :func:`praxiscope.metrics.ava.evaluate`.
    """
    lines = (
        ClassLine(
            number,
            name,
            precisions[name],
            *(int((boxes.classes == number).sum()) for boxes in (truth.boxes, found)),
        )
        for number, name in truth.names.items()
    )
    # NaN is no number to sort by
    return tuple(sorted(lines, key=lambda x: 1.0 if isnan(x.precision) else -x.precision))


def print_class_table(console: Console, lines: Sequence[ClassLine]) -> None:
    """Print a row for each class."""
    table = Table(*_HEADS)
    for number, name, precision, num_truth, num_found in lines:
        text = "-" if isnan(precision) else f"{precision:.4f}"
        table.add_row(str(number), escape(name), text, str(num_truth), str(num_found))
    console.print(table)


def write_class_table(path: Path, lines: Sequence[ClassLine], mean: float, protocol: str) -> None:
    """Write a row for each class, as .csv or .json; no AP (null) where the mean leaves it out."""
    rows = [(n, name, None if isnan(ap) else ap, *counts) for n, name, ap, *counts in lines]

    def write(file: BinaryIO) -> None:
        text = io.StringIO()
        if path.suffix == ".csv":
            csv.writer(text, lineterminator="\n").writerows([_HEADS, *rows])
        else:
            classes = [dict(zip(_HEADS, row, strict=True)) for row in rows]
            json.dump({"protocol": protocol, "mAP@0.5IOU": mean, "classes": classes}, text)
        file.write(text.getvalue().encode())

    write_atomically(path, write)


def figure_height(lines: Sequence[ClassLine]) -> float:
    """Return the inches that leave room for every name."""
    return max(3.0, 1.2 + 0.2 * len(lines))


def draw_classes(figure: "Figure", lines: Sequence[ClassLine], title: str) -> None:
    """Draw a bar for each class, from above in the order of ``lines``."""
    axes = figure.add_subplot()
    places = np.arange(len(lines))
    axes.barh(places, [0 if isnan(line.precision) else line.precision for line in lines])
    labels = [f"{_shortened(line.name)} ({line.num_truth})" for line in lines]
    axes.set_yticks(places, labels, fontsize=7, parse_math=False)  # "$" is a sign like others
    axes.set(ylim=(len(lines) - 0.4, -0.6), xlim=(0, 1))
    axes.set_xlabel("AP (in brackets: boxes in the ground truth)")
    axes.set_title(title, fontsize=10)
    figure.set_layout_engine("tight")


def _shortened(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:38]}.."
