"""Frame mAP of action detections, class by class: a table, and a plot."""

import argparse
import csv
import io
import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from praxiscope.apps.plots import check_plot, new_figure, save_figure
from praxiscope.engine.results import check_writable
from praxiscope.metrics.ava import PROTOCOLS, evaluate
from praxiscope.metrics.ava_csv import read_boxes, read_excluded, read_label_map
from praxiscope.zoo.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = (".csv", ".json")


class Line(NamedTuple):
    """What the table says of a class."""

    number: int
    name: str
    precision: float  # NaN where the mean leaves the class out
    num_truth: int
    num_found: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the files, the protocol, and what is written."""
    add = parser.add_argument
    add("detections", type=Path, help="csv: video,second,x1,y1,x2,y2,class,score")
    add("--ground-truth", type=Path, required=True, metavar="CSV", help="the annotations")
    add("--label-map", type=Path, required=True, metavar="PBTXT", help="the classes that count")
    add_choices(parser)
    add("--out", type=Path, metavar="TABLE", help="write the table: .csv or .json")
    add("--plot", type=Path, help="write a bar for each class: .png, .pdf or .svg")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add what may be left out of every evaluation of detections."""
    add = parser.add_argument
    add("--excluded", type=Path, metavar="CSV", help="the timestamps that do not count")
    add(
        "--protocol",
        choices=list(PROTOCOLS),
        default="reference-1.x",
        help="whose mAP it is (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line a class, the best first, and the mAP; write what is asked for."""
    if args.out:
        check_writable(args.out, TABLES)
    if args.plot:
        check_plot(args.plot)
    names = read_label_map(args.label_map)
    excluded = read_excluded(args.excluded) if args.excluded else frozenset[str]()
    truth, found = read_boxes(args.ground_truth), read_boxes(args.detections)
    result = evaluate(found, truth, names, excluded, args.protocol)
    lines = [
        Line(
            number,
            name,
            result["AP"][name],
            *(int((boxes.classes == number).sum()) for boxes in (truth, found)),
        )
        for number, name in names.items()
    ]
    # NaN is no number to sort by: such classes come last
    lines.sort(key=lambda line: 1.0 if isnan(line.precision) else -line.precision)
    mean = result["mAP@0.5IOU"]
    _print(lines)
    print(f"mAP@0.5IOU: {mean:.4f} ({args.protocol})")
    if args.out:
        write_table(args.out, lines, mean, args.protocol)
    if args.plot:
        figure = new_figure(8, max(3.0, 1.2 + 0.2 * len(lines)))
        draw(figure, lines, f"AP at IoU 0.5 ({args.protocol}); mAP {100 * mean:.2f} %")
        save_figure(figure, args.plot)
        print(f"plot: {args.plot}")
    return 0


def write_table(path: Path, lines: list[Line], mean: float, protocol: str) -> None:
    """Write a row for each class; AP is empty (null in JSON) where the mean leaves it out."""
    header = ("class", "name", "AP", "boxes", "detections")
    rows = [(n, name, None if isnan(ap) else ap, *counts) for n, name, ap, *counts in lines]

    def write(file: BinaryIO) -> None:
        text = io.StringIO()
        if path.suffix == ".csv":
            csv.writer(text, lineterminator="\n").writerows([header, *rows])
        else:
            classes = [dict(zip(header, row, strict=True)) for row in rows]
            json.dump({"protocol": protocol, "mAP@0.5IOU": mean, "classes": classes}, text)
        file.write(text.getvalue().encode())

    write_atomically(path, write)


def draw(figure: "Figure", lines: list[Line], title: str) -> None:
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


def _print(lines: list[Line]) -> None:
    table = Table("class", "name", "AP", "boxes", "detections")
    for number, name, precision, num_truth, num_found in lines:
        text = "-" if isnan(precision) else f"{precision:.4f}"
        table.add_row(str(number), escape(name), text, str(num_truth), str(num_found))
    Console().print(table)
