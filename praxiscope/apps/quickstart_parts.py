"""What the quickstarts of both tasks share."""

import csv
import io
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO, TypeVar

import torch
from rich.console import Console

from praxiscope.apps.report import Curve
from praxiscope.progress import progress_bar

Written = TypeVar("Written")


def generate(write: Callable[[Callable[[int, int], None]], Written], console: Console) -> Written:
    """Return what ``write`` does, under a bar that it moves by calling (videos done, in all)."""
    with progress_bar(console) as bar:
        task = bar.add_task("generate videos", total=None, figures="")
        return write(lambda count, total: bar.update(task, completed=count, total=total))


def read_curves(path: Path, name: str, columns: Mapping[str, str]) -> tuple[Curve, ...]:
    """Return figures of each epoch, counted from 1.

    Args:
        name: Of the run.
        columns: What a figure is called, and its column of a run's csv file.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    curves = []
    for quantity, column in columns.items():
        own = [row for row in rows if row[column]]
        epochs = [int(row["epoch"]) + 1 for row in own]
        curves.append(Curve(f"{name}: {quantity}", epochs, [float(row[column]) for row in own]))
    return tuple(curves)


def machine() -> str:
    """Return what the figures were made on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{cores} CPU cores"
    return f"{device}, {platform.machine()}, torch {torch.__version__}"


def say(console: Console, *lines: str) -> None:
    """Print lines as they are: unbroken and uncoloured, so that they can be copied."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


class Lines(io.TextIOBase):
    """A terminal as one that only takes lines, so that several processes can write to it."""

    def __init__(self, target: TextIO) -> None:
        self.target = target

    def write(self, text: str) -> int:
        """Pass text on."""
        return self.target.write(text)

    def flush(self) -> None:
        """Pass it on at once."""
        self.target.flush()
