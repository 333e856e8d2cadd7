"""How far long work is, and how long it will still take."""

import time
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 60.0  # where there is no terminal to draw on


def progress_bar(console: Console | None = None) -> Progress:
    """Return a bar with a description, counts, time taken, time left and a free text."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console or Console(stderr=True),
    )


class CountProgress:
    """Counts items of ``total`` on a bar with their number a second; without a terminal, in lines.

    Args:
        unit: What the items are called.
        shown: Of several processes, one should show what is done.
    """

    def __init__(
        self,
        name: str,
        total: int,
        *,
        unit: str,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, 0.0
        self.console = console or Console(stderr=True)
        self._shown, self._bar = shown, progress_bar(self.console)
        self._task = self._bar.add_task(escape(name), total=total, figures="")

    def __enter__(self) -> Self:
        self._started = self._said = time.monotonic()
        if self._shown and self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def advance(self, count: float) -> None:
        """Add ``count`` items that are done; parts of one may add up to it."""
        self.done = round(self.done + count, 6)
        now = time.monotonic()
        rate = self.done / max(now - self._started, 1e-9)
        self._bar.update(self._task, completed=self.done, figures=f"{rate:.1f} {self.unit}/s")
        if (
            self._shown
            and not self.console.is_terminal
            and now - self._said > SECONDS_BETWEEN_LINES
        ):
            self._said = now
            left = timedelta(seconds=round((self.total - self.done) / max(rate, 1e-9)))
            done = f"{int(self.done)} of {self.total} {self.unit}"
            self.console.print(
                f"{self.name}: {done}, {rate:.1f}/s, {left} left",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
