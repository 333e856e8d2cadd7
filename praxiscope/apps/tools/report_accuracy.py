"""Accuracy of several streams, such as RGB and flow, fused by a weighted sum of their scores."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path, PurePath

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.list_formats import Form, parse_json, parse_lines, read_text
from praxiscope.engine.results import check_writable, write_results
from praxiscope.engine.scores import Labels, ScoreFile, as_truth, check_length, read_scores
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.metrics.classification import evaluate
from praxiscope.metrics.fusion import fuse_scores

_TITLES = {
    "mean_class_accuracy": "Mean Class Accuracy",
    "top1_acc": "Top 1 Accuracy",
    "top5_acc": "Top 5 Accuracy",
    "mmit_mean_average_precision": "MMit Average Precision",
    "mean_average_precision": "Mean Average Precision",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags of both generations."""
    add = parser.add_argument
    add(
        *("--scores", "--preds"),
        dest="scores",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="one file a stream: what tests wrote with --out or --dump",
    )
    add(
        "--coefficients",
        nargs="+",
        type=float,
        metavar="WEIGHT",
        help="the weight of each stream (default: 1)",
    )
    add("--datalist", type=Path, help="the test list; the last number of a line is its label")
    add("--apply-softmax", action="store_true", help="turn scores into probabilities first")
    add(
        "--multi-label",
        action="store_true",
        help="videos have several labels: all numbers that end a line",
    )
    add("--out", type=Path, help="write the fused scores too: .json, .pkl or .csv")


def run(args: argparse.Namespace) -> int:
    """Print the published lines."""
    weights = _weights(args.coefficients, args.scores)
    if args.out:
        check_writable(args.out)
    files = [read_scores(path) for path in args.scores]
    for other in files[1:]:
        _check_pair(files[0], other)
    known = [(str(file.path), file.labels) for file in files if file.labels]
    if args.datalist:
        known = [(str(args.datalist), _read_labels(args.datalist, args.multi_label)), *known]
    if not known:
        raise PraxiscopeError(
            f"{_named(args.scores)} hold no labels: name the test list with --datalist, or give "
            "what tests wrote with --dump."
        )
    source, labels = known[0]
    for file in files:
        check_length(file, labels, source)
    for other_source, other_labels in known[1:]:
        _check_labels(labels, source, other_labels, other_source)
    fused = fuse_scores([file.scores for file in files], weights, softmax=args.apply_softmax)
    if args.out:
        write_results(args.out, fused)
    truth = as_truth(labels, fused.shape[1], several=args.multi_label)
    names = ["mean_class_accuracy", "top_k_accuracy"]
    if args.multi_label:
        names = ["mmit_mean_average_precision", "mean_average_precision"]
    for name, value in evaluate(fused, truth, names).items():
        print(f"{_TITLES[name]}: {value:.4f}")
    return 0


def _weights(weights: Sequence[float] | None, paths: Sequence[Path]) -> list[float]:
    if weights is None:
        return [1.0] * len(paths)
    if len(weights) != len(paths):
        raise PraxiscopeError(
            f"--coefficients has {len(weights)} numbers for {len(paths)} score files "
            f"({_named(paths)}): give one for each, in the same order."
        )
    if not all(map(math.isfinite, weights)) or not any(weights):
        raise PraxiscopeError(
            f"--coefficients {' '.join(f'{w:g}' for w in weights)}: expected finite numbers, "
            "not all of them 0."
        )
    return list(weights)


def _check_pair(one: ScoreFile, other: ScoreFile) -> None:
    """Raise :class:`DataError` unless both score the same videos and classes in the same order."""
    pair = f"{one.path} and {other.path} cannot be fused"
    for axis, what in enumerate(("videos", "classes")):
        sizes = one.scores.shape[axis], other.scores.shape[axis]
        if sizes[0] != sizes[1]:
            raise DataError(
                f"{pair}: they have scores of {sizes[0]} and {sizes[1]} {what}. Test all streams "
                "on the same list."
            )
    names = [_stem(a) for a in one.videos or ()], [_stem(b) for b in other.videos or ()]
    for number, (a, b) in enumerate(zip(*names, strict=False)):
        if a != b:
            same = sorted(names[0]) == sorted(names[1])
            how = "the same videos in another order" if same else "different videos"
            raise DataError(
                f"{pair}: they have {how}; video {number} is '{a}' in the first and '{b}' in the "
                "other. Test all streams on lists of the same order."
            )


def _stem(video: str) -> str:
    """Return a video's own name: RGB may come from a file, flow from a folder of that name."""
    path = PurePath(video)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name


def _check_labels(one: Labels, source: str, other: Labels, other_source: str) -> None:
    """Raise :class:`DataError` at the first video whose labels differ."""
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        if sorted(a) != sorted(b):
            raise DataError(
                f"{source} and {other_source} do not belong together: video {number} has label "
                f"{', '.join(map(str, a))} in the first and {', '.join(map(str, b))} in the other. "
                "Are they of different lists, or of different orders?"
            )


def _read_labels(path: Path, multi_label: bool) -> Labels:
    """Return the labels of a list of any published format; only its last numbers are looked at."""
    form = Form(frames=False, with_offset=False, multi_label=multi_label)
    text = read_text(path, "list of videos")
    parse = parse_json if path.suffix == ".json" else parse_lines
    return tuple(entry.labels for entry in parse(text, form, path))


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))
