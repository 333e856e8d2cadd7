"""Curves and iteration times out of training logs of OpenMMLab 0.x and 1.x, and our own."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev

from praxiscope.apps.plots import check_plot, new_figure, save_figure, show
from praxiscope.engine.logs import Log, read_log
from praxiscope.errors import DataError, PraxiscopeError, unknown_name

SEABORN = ("dark", "darkgrid", "white", "whitegrid", "ticks")  # the published names of styles
FEW = 50  # points that are marked one by one


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published tasks and flags."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    text = "plot what was logged over iterations"
    plot = tasks.add_parser("plot_curve", help=text, formatter_class=parser.formatter_class)
    text = "print seconds per iteration"
    time = tasks.add_parser("cal_train_time", help=text, formatter_class=parser.formatter_class)
    for task in (plot, time):
        task.add_argument(
            "json_logs", nargs="+", type=Path, metavar="LOG", help="a log, a work dir"
        )
    add = plot.add_argument
    add(
        "--keys",
        nargs="+",
        metavar="KEY",
        default=["top1_acc"],
        help="top1_acc, loss, lr, val/top1_acc ...",
    )
    add("--title", help="above the plot")
    add(
        "--legend",
        nargs="+",
        metavar="NAME",
        help="a name for each key of each log (default: LOG_KEY)",
    )
    add("--backend", help="who shows the plot, by matplotlib's names, where there is no --out")
    add("--style", default="dark", help="dark, whitegrid ..., or a style of matplotlib")
    add("--out", type=Path, help="write the plot: .png, .pdf or .svg (default: show it)")
    time.add_argument(
        "--include-outliers",
        action="store_true",
        help="count the first value of every epoch too, which holds the start of loaders",
    )


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    if args.task == "plot_curve":
        return _plot(args)
    for path in args.json_logs:
        _print_times(read_log(path), with_first=args.include_outliers)
    return 0


def _plot(args: argparse.Namespace) -> int:
    """Draw each key of each log as one curve over iterations."""
    from matplotlib.style import context

    legend = args.legend or [f"{log}_{key}" for log in args.json_logs for key in args.keys]
    wanted = len(args.json_logs) * len(args.keys)
    if len(legend) != wanted:
        raise PraxiscopeError(
            f"--legend has {len(legend)} names for {wanted} curves ({len(args.json_logs)} logs x "
            f"{len(args.keys)} keys): give one for each curve."
        )
    if args.out:
        check_plot(args.out)
    logs = [read_log(path) for path in args.json_logs]
    curves = [log.series(key) for log in logs for key in args.keys]
    with context(_style(args.style)):
        figure = new_figure(8, 5, window=args.out is None, backend=args.backend)
        axes = figure.add_subplot()
        for name, (steps, values) in zip(legend, curves, strict=True):
            marker = "." if len(steps) <= FEW else None
            axes.plot(steps, values, label=name, linewidth=1, marker=marker)
        axes.set_xlabel("iteration")
        if args.title:
            axes.set_title(args.title)
        axes.legend(fontsize="small")
        figure.tight_layout()
        if args.out:
            save_figure(figure, args.out)
            print(f"plot: {args.out}")
        else:
            show()
    return 0


def _style(name: str) -> str:
    """Return matplotlib's name of a style."""
    from matplotlib.style import available

    found = f"seaborn-v0_8-{name}" if name in SEABORN else name
    if found not in ("default", *available):
        raise unknown_name("style", name, [*SEABORN, "default", *available], "--style")
    return found


def _print_times(log: Log, *, with_first: bool) -> None:
    """Print the published four lines for a log."""
    epochs = log.times(with_first=with_first)
    if not epochs:
        hint = "" if with_first else "; --include-outliers counts the first one of an epoch too"
        raise DataError(f"{log.path} holds no times of training iterations{hint}.")
    means = {epoch: fmean(times) for epoch, times in epochs.items()}
    slowest, fastest = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    everything: Sequence[float] = [time for times in epochs.values() for time in times]
    print(f"-----Analyze train time of {log.path}-----")
    print(f"slowest epoch {slowest}, average time is {means[slowest]:.4f}")
    print(f"fastest epoch {fastest}, average time is {means[fastest]:.4f}")
    print(f"time std over epochs is {pstdev(means.values()):.4f}")
    print(f"average iter time: {fmean(everything):.4f} s/iter")
    print()
