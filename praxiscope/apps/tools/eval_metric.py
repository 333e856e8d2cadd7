"""Metrics of a file that a test has written, of scores or of detections, without testing again."""

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.tools.report_map import add_truth, read_evaluation
from praxiscope.engine.scores import as_truth, read_test
from praxiscope.errors import PraxiscopeError, unknown_name
from praxiscope.metrics.classification import check_names, evaluate
from praxiscope.recipe import BankRecipe, DetectionRecipe, load_recipe


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags of both generations."""
    add = parser.add_argument
    add("config", help="the recipe of the test")
    add("results", type=Path, help="what the test wrote with --out or --dump")
    add(
        "--eval",
        nargs="+",
        metavar="METRIC",
        help="top_k_accuracy, mean_class_accuracy ... (default: the recipe's); mAP of detections",
    )
    add_cfg_options(parser)
    add("--eval-options", nargs="+", default=[], metavar="topk=1,5", help="of top_k_accuracy")
    add_truth(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line a metric. Labels are those of a dump, else of the recipe's test list."""
    complete = args.ground_truth and args.label_map  # detections need no recipe then
    recipe = None if complete else load_recipe(args.config, args.cfg_options)
    if recipe is None or isinstance(recipe, DetectionRecipe):
        return _detections(args, recipe)
    if isinstance(recipe, BankRecipe):
        raise PraxiscopeError(
            f"{args.config} fills a feature bank: give the recipe of the detector whose results "
            f"{args.results} holds."
        )
    if "mAP" in (args.eval or ()) or args.ground_truth or args.label_map or args.excluded:
        raise PraxiscopeError(
            f"{args.config} is a recipe of recognition, and mAP is for detections: give the recipe "
            "of that test, or --ground-truth, a csv file, and --label-map, a pbtxt file."
        )
    names = tuple(args.eval or recipe.metrics)
    check_names(names)
    ks = _ks(args.eval_options)
    file, labels = read_test(args.results, recipe)
    several = any(name.endswith("average_precision") for name in names)
    truth = as_truth(labels, file.scores.shape[1], several=several)
    for name, value in evaluate(file.scores, truth, names, ks=ks).items():
        print(f"{name}: {value:.4f}")
    return 0


def _detections(args: argparse.Namespace, recipe: DetectionRecipe | None) -> int:
    if args.eval and args.eval != ["mAP"]:
        raise PraxiscopeError("detections have --eval mAP, and no other metric.")
    evaluation = read_evaluation(args.results, recipe, args)
    print(f"mAP@0.5IOU: {evaluation.result()['mAP@0.5IOU']:.4f}")
    return 0


def _ks(options: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of ``topk=1,5`` or ``topk=(1,5)``, the one option metrics have."""
    ks: tuple[int, ...] = (1, 5)
    for option in options:
        name, _, value = option.partition("=")
        if name.rpartition(".")[2] != "topk":  # published as metric_options.top_k_accuracy.topk too
            raise unknown_name("option", name, ["topk"], "--eval-options")
        try:
            given = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given = ()
        ks = tuple(given) if isinstance(given, tuple | list) else (given,)
        if not ks or not all(type(k) is int and k > 0 for k in ks):
            raise PraxiscopeError(f"--eval-options {option}: expected numbers, as topk=1,5.")
    return ks
