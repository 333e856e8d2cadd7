"""Frame mAP of action detections, class by class: a table, and a plot."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from praxiscope.apps.class_table import (
    TABLE_SUFFIXES,
    class_lines,
    draw_classes,
    figure_height,
    print_class_table,
    write_class_table,
)
from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.plots import check_plot, new_figure, save_figure
from praxiscope.data.ava_lists import AvaList
from praxiscope.engine.detections import Truth, read_detections, truth_of
from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.metrics.ava import PROTOCOLS, MeanPrecision, evaluate
from praxiscope.metrics.ava_csv import ActionBoxes
from praxiscope.recipe import DetectionRecipe, load_recipe


@dataclass(frozen=True)
class Evaluation:
    """Detections, what they are held against, and how."""

    found: ActionBoxes
    truth: Truth
    protocol: str

    def result(self) -> MeanPrecision:
        """Return mAP and the AP of every class."""
        truth = self.truth
        return evaluate(self.found, truth.boxes, truth.names, truth.excluded, self.protocol)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the files, the protocol, and what is written."""
    add = parser.add_argument
    add("detections", type=Path, help="what a test wrote with --out (.csv) or --dump (.pkl)")
    add("--config", help="the recipe of the test, whose test list has the files")
    add_cfg_options(parser)
    add_truth(parser)
    add("--out", type=Path, metavar="TABLE", help="write the table: .csv or .json")
    add("--plot", type=Path, help="write a bar for each class: .png, .pdf or .svg")


def add_truth(parser: argparse.ArgumentParser) -> None:
    """Add what detections are held against, where it is not the recipe's."""
    add = parser.add_argument
    add("--ground-truth", type=Path, metavar="CSV", help="the annotations (default: the recipe's)")
    add("--label-map", type=Path, metavar="PBTXT", help="the classes that count (default: as well)")
    add("--excluded", type=Path, metavar="CSV", help="timestamps that do not count (default: also)")
    add(
        "--protocol",
        choices=list(PROTOCOLS),
        help="whose mAP it is (default: the recipe's; without a recipe reference-1.x)",
    )


def read_evaluation(
    detections: Path, recipe: DetectionRecipe | None, args: argparse.Namespace
) -> Evaluation:
    """Read the files that the options of :func:`add_truth` name, and for the rest the recipe.

    Raises:
        PraxiscopeError: A file is missing or malformed, or not named.
    """
    given = {
        "annotations": args.ground_truth,
        "label_map": args.label_map,
        "excluded": args.excluded,
    }
    given = {name: path for name, path in given.items() if path is not None}
    if recipe is not None:
        ava = replace(recipe.test or recipe.val, **given)
        protocol = args.protocol or recipe.protocol
        min_score, labels = recipe.min_score, ava.labels
    elif args.ground_truth and args.label_map:
        ava = AvaList(root=Path(), **given)
        protocol = args.protocol or "reference-1.x"
        min_score, labels = DetectionRecipe.min_score, None
    else:
        raise PraxiscopeError(
            "mAP needs --ground-truth, a csv file, and --label-map, a pbtxt file; or the recipe of "
            "the test, whose list has them."
        )
    found = read_detections(
        detections, min_score=min_score, labels=labels, digits=PROTOCOLS[protocol].digits
    )
    return Evaluation(found, truth_of(ava), protocol)


def run(args: argparse.Namespace) -> int:
    """Print a line a class, the best first, and the mAP; write what is asked for."""
    if args.out:
        check_writable(args.out, TABLE_SUFFIXES)
    if args.plot:
        check_plot(args.plot)
    recipe = None
    if args.config is not None:
        recipe = load_recipe(args.config, args.cfg_options, kind=DetectionRecipe)
    evaluation = read_evaluation(args.detections, recipe, args)
    result, protocol = evaluation.result(), evaluation.protocol
    mean = result["mAP@0.5IOU"]
    lines = class_lines(result["AP"], evaluation.truth, evaluation.found)
    print_class_table(Console(), lines)
    print(f"mAP@0.5IOU: {mean:.4f} ({protocol})")
    if args.out:
        write_class_table(args.out, lines, mean, protocol)
    if args.plot:
        figure = new_figure(8, figure_height(lines))
        draw_classes(figure, lines, f"AP at IoU 0.5 ({protocol}); mAP {100 * mean:.2f} %")
        save_figure(figure, args.plot)
        print(f"plot: {args.plot}")
    return 0
