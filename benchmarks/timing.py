"""Two ways to do the same work, run in turn, so that both meet the same machine."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One line of a table: medians of several runs."""

    work: str
    peer: str
    ours: float
    theirs: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Our figure over the peer's: below 1 we need less."""
        return self.ours / self.theirs


def side_by_side(
    work: str, peer: str, ours: Callable[[], Any], theirs: Callable[[], Any], *, runs: int = 5
) -> Row:
    """Return the medians of both sides, run in turn after one run of each that is not counted."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for side, function in zip(seconds, (ours, theirs), strict=True):
            begin = time.perf_counter()
            function()
            if run:
                side.append(time.perf_counter() - begin)
    return Row(work, peer, statistics.median(seconds[0]), statistics.median(seconds[1]))


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
