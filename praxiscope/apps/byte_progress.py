"""How many bytes of many files are here, and how long the others will take."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from praxiscope.data.download import Outcome
from praxiscope.data.download_list import Wanted
from praxiscope.progress import SECONDS_BETWEEN_LINES


class BytesProgress:
    """The bytes of all files on one bar with the time left; without a terminal, in lines.

    Files whose size nobody has said yet count as much as the others on average.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
        )
        self._task = self._bar.add_task("download", total=None, figures="")
        self.console, self._clock, self._count = console, clock, len(wanted)
        self._sizes = {one.name: one.size for one in wanted if one.size is not None}
        self._known = sum(self._sizes.values())
        self._here: dict[str, int] = {}
        self._sum = self._fetched = self._ended = self._failed = 0
        self._lock = threading.Lock()
        self._started = self._said = clock()

    def __enter__(self) -> Self:
        self._started = self._said = self._clock()
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    @property
    def total(self) -> float:
        """Of all files, in bytes."""
        unknown = self._count - len(self._sizes)
        return self._known + unknown * self._known / max(len(self._sizes), 1)

    @property
    def done(self) -> int:
        """The bytes that are here."""
        return self._sum

    def tell(self, wanted: Wanted, done: int, total: int | None) -> None:
        """Take note of how much of a file is here; called in any thread."""
        with self._lock:
            before = self._here.get(wanted.name)
            self._here[wanted.name] = done
            self._sum += done - (before or 0)
            if before is not None:  # else they are from an earlier run
                self._fetched += max(done - before, 0)
            self._set_size(wanted.name, total)
            self._show()

    def end(self, wanted: Wanted, outcome: Outcome) -> None:
        """Take note of a file that will not change any more; name it if it failed."""
        with self._lock:
            failed = outcome.how == "failed"
            self._sum += outcome.size - self._here.get(wanted.name, 0)
            self._here[wanted.name] = outcome.size
            self._set_size(wanted.name, outcome.size)
            self._ended += 1
            self._failed += failed
            self._show()
        if failed:
            self._print(f"failed: {outcome.problem}")

    def _set_size(self, name: str, size: int | None) -> None:
        if size is not None:
            self._known += size - self._sizes.get(name, 0)
            self._sizes[name] = size

    def _show(self) -> None:
        figures = f"{self._ended}/{self._count} files"
        figures += f", {self._failed} failed" if self._failed else ""
        total = self.total or None
        self._bar.update(self._task, completed=self._sum, total=total, figures=figures)
        now = self._clock()
        if self.console.is_terminal or now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        rate = self._fetched / max(now - self._started, 1e-9)
        left = round(max(self.total - self._sum, 0) / max(rate, 1.0))
        self._print(
            f"download: {figures}, {in_bytes(self._sum)} of {in_bytes(self.total)}, "
            f"{in_bytes(rate)}/s, {left} s left"
        )

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)


def in_bytes(count: float) -> str:
    """Return a number of bytes in words, as ``1.5 GB``."""
    units = iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while count >= 1000 and unit != "TB":
        count, unit = count / 1000, next(units)
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
