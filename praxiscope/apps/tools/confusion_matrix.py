"""Which classes are taken for which others: a plot, and the numbers as a table.

Letters: K classes.
"""

import argparse
import csv
import io
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.plots import check_plot, new_figure, save_figure, show
from praxiscope.data.list_formats import read_text
from praxiscope.data.lists import class_names
from praxiscope.engine.results import check_writable
from praxiscope.engine.scores import SUFFIXES, as_truth, read_test
from praxiscope.errors import DataError, PraxiscopeError, unknown_name
from praxiscope.files import write_atomically
from praxiscope.metrics.classification import Integers, confusion_matrix
from praxiscope.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = (".csv", ".npz", ".json", ".pkl")
SMALLEST, LARGEST = 5.0, 9.0  # points: letters that can be read
LEFT, BELOW, SIDE = 0.22, 0.2, 0.68  # where the matrix stands in the figure
NUM_PAIRS = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("config", help="the recipe of the test")
    add("ckpt_or_result", help="a score file of a test, or a checkpoint, which is tested now")
    add("--out", type=Path, help="write the counts: .csv, .npz, .json or .pkl")
    add("--show", action="store_true", help="show the plot in a window")
    add("--show-path", type=Path, metavar="PLOT", help="write the plot: .png, .pdf or .svg")
    add("--show-dir", type=Path, metavar="DIR", help="write it to DIR/confusion_matrix.png")
    add("--include-values", action="store_true", help="write the counts into the cells")
    add("--label-file", type=Path, help="class names, one a line (default: those of the list)")
    add("--target-classes", type=int, nargs="+", default=[], help="show these classes only")
    add("--cmap", default="viridis", help="a colour map of matplotlib (default: viridis)")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the most frequent mix-ups; draw and write what is asked for."""
    from matplotlib import colormaps

    plots = [args.show_path] if args.show_path else []
    plots += [args.show_dir / "confusion_matrix.png"] if args.show_dir else []
    for plot in plots:
        check_plot(plot)
    if args.out:
        check_writable(args.out, TABLES)
    if args.cmap not in colormaps:
        raise unknown_name(
            "colour map", args.cmap, [c for c in colormaps if c[-2:] != "_r"], "--cmap"
        )
    recipe = load_recipe(args.config, args.cfg_options, kind=Recipe)
    windows = [new_figure(9, 9, window=True)] if args.show else []
    if Path(args.ckpt_or_result).suffix in SUFFIXES:
        file, labels = read_test(args.ckpt_or_result, recipe)
        truth = as_truth(labels, file.scores.shape[1], several=False)
        counts = confusion_matrix(file.scores, truth)
    else:
        counts = _tested(args.ckpt_or_result, args.config, recipe)
    num_classes = len(counts)
    names = _names(args.label_file, recipe, num_classes)
    if args.target_classes:
        chosen = _chosen(args.target_classes, num_classes)
        counts, names = counts[np.ix_(chosen, chosen)], [names[number] for number in chosen]
    _print(counts, names)
    if args.out:
        write_counts(args.out, counts, names)
    for figure, plot in [*((new_figure(*2 * (_inches(len(names)),)), p) for p in plots),
                         *((figure, None) for figure in windows)]:  # fmt: skip
        drawn = draw(figure, counts, names, values=args.include_values, colours=args.cmap)
        if args.include_values and not drawn:
            print(f"{len(names)} classes leave no room for values: --target-classes chooses some.")
        if plot:
            save_figure(figure, plot)
            print(f"plot: {plot}")
    if windows:
        show()
    return 0


def write_counts(path: Path, counts: Integers, names: Sequence[str]) -> None:
    """Write counts (K true, K predicted) and class names.

    ``.csv``: a head row of names, then a row for each true class; ``.npz``: ``counts`` and
    ``classes``; ``.json``: the same as lists; ``.pkl``: the counts alone, as published.
    """

    def write(file: BinaryIO) -> None:
        match path.suffix:
            case ".csv":
                text = io.StringIO()
                rows = csv.writer(text, lineterminator="\n")
                rows.writerow(["true class", *names])
                rows.writerows([n, *row] for n, row in zip(names, counts.tolist(), strict=True))
                file.write(text.getvalue().encode())
            case ".npz":
                np.savez_compressed(file, counts=counts, classes=np.array(names))
            case ".json":
                content = {"classes": list(names), "counts": counts.tolist()}
                file.write(json.dumps(content).encode())
            case ".pkl":
                pickle.dump(counts, file)

    write_atomically(path, write)


def draw(
    figure: "Figure", counts: Integers, names: Sequence[str], *, values: bool, colours: str
) -> bool:
    """Draw counts (K true, K predicted) as shares of each true class; return if values fitted.

    Where not every class has room for its name in letters that can be read, every n-th has one.
    """
    from matplotlib import colormaps

    number = len(names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = figure.add_axes((LEFT, BELOW, SIDE, SIDE))
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, cax=figure.add_axes((LEFT + SIDE + 0.02, BELOW, 0.02, SIDE)))
    videos = int(counts.sum())
    accuracy = counts.trace() / max(videos, 1)
    axes.set_title(
        f"Rows: true class. Columns: what it was taken for.\nColour: share of the true class. "
        f"{videos} videos, {100 * accuracy:.1f} % right.",
        fontsize=10,
    )
    cell = float(figure.get_figheight()) * SIDE * 72 / number  # points
    size = min(max(0.75 * cell, SMALLEST), LARGEST)
    step = max(1, int(np.ceil(1.3 * size / cell)))
    room = int(float(figure.get_figheight()) * BELOW * 72 / (0.62 * size))  # letters
    ticks = range(0, number, step)
    texts = [_shortened(names[n] if step == 1 else f"{names[n]} ({n})", room) for n in ticks]
    axes.set_yticks(ticks, texts, fontsize=size, parse_math=False)  # "$" is a sign like others
    axes.set_xticks(ticks, texts, fontsize=size, parse_math=False, rotation=90)
    digits = len(str(counts.max(initial=0)))
    value_size = min(LARGEST, 0.9 * cell / (0.62 * digits))
    if not values or value_size < SMALLEST:
        return False
    shades = colormaps[colours](shares)[..., :3] @ (0.3, 0.59, 0.11)  # how bright a cell looks
    for row, column in np.argwhere(counts).tolist():  # a cell without a number is 0
        ink = "black" if shades[row, column] > 0.5 else "white"
        axes.text(
            column,
            row,
            str(counts[row, column]),
            size=value_size,
            color=ink,
            ha="center",
            va="center",
        )
    return True


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 2]}.."


def _inches(number: int) -> float:
    """Return the side of a figure of so many classes."""
    return float(min(max(4 + 0.3 * number, 7), 18))


def _tested(checkpoint: str, config: str, recipe: Recipe) -> Integers:
    """Test a checkpoint and return its counts (K true, K predicted)."""
    from praxiscope.engine.testing import ScoreOptions, run_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.zoo.create import find_checkpoint, load_model

    model, report = load_model(recipe.model, find_checkpoint(checkpoint, config), clip=recipe.clip)
    print(report)
    average = "prob" if recipe.average == "none" else recipe.average
    # One device: several would be several processes, each of which runs this script.
    options = ScoreOptions(average=average, metrics=(), devices=Devices(count=1))
    scored = run_test(model, recipe, options).scored
    return confusion_matrix(scored.scores, scored.labels)


def _names(label_file: Path | None, recipe: Recipe, num_classes: int) -> list[str]:
    """Return the names of all classes; their numbers where nobody knows names."""
    if label_file:
        names = [n.strip() for n in read_text(label_file, "list of classes").strip().split("\n")]
        if len(names) != num_classes:
            raise DataError(
                f"{label_file} names {len(names)} classes, one a line, but there are {num_classes}."
            )
        return names
    try:
        found = class_names(recipe.test or recipe.val)
    except DataError:  # the numbers can be drawn without the dataset
        found = None
    return list(found or map(str, range(num_classes)))


def _chosen(classes: Sequence[int], num_classes: int) -> list[int]:
    wrong = [number for number in classes if not 0 <= number < num_classes]
    if wrong:
        raise PraxiscopeError(f"--target-classes: no class {wrong[0]} of 0 .. {num_classes - 1}.")
    if len(set(classes)) < 2 or len(set(classes)) < len(classes):
        raise PraxiscopeError("--target-classes: give at least two classes, each once.")
    return list(classes)


def _print(counts: Integers, names: Sequence[str]) -> None:
    """Print the pairs of classes that are mixed up most often."""
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    table = Table("true class", "taken for", "videos", title="most frequent mix-ups")
    for cell in np.argsort(-mistakes, axis=None, kind="stable")[:NUM_PAIRS]:
        true, other = np.unravel_index(cell, mistakes.shape)
        if mistakes[true, other]:
            text = f"{mistakes[true, other]} of {counts[true].sum()}"
            table.add_row(escape(names[int(true)]), escape(names[int(other)]), text)
    if table.row_count:
        Console().print(table)
    else:
        print("no video was taken for another class")
