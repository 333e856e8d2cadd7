"""One bar for a whole run: what is done, what it gives, how long it will still take."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import lightning
from rich.console import Console
from rich.progress import Progress

from praxiscope.progress import progress_bar

T = TypeVar("T")

SECONDS_BETWEEN_FIGURES = 0.2  # reading them waits for the device


class RunProgress(lightning.Callback):
    """Shows the batches of all epochs as one bar with mean loss, accuracy and items per second.

    Without a terminal it prints one line an epoch instead.
    """

    def __init__(self, name: str = "train", console: Console | None = None) -> None:
        self.name, self.console = name, console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._shown = 0.0
        self._begin_epoch()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the bar at the batch where the run begins or goes on."""
        self._begin_epoch()  # a run that goes on within an epoch does not begin one
        done = trainer.current_epoch * trainer.num_training_batches
        self._open(trainer, self.name, trainer.max_epochs * trainer.num_training_batches, done)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to count the epoch's videos."""
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._videos, self._started = 0, time.monotonic()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by a batch."""
        self._videos += len(batch)
        if self._bar is None or time.monotonic() - self._shown < SECONDS_BETWEEN_FIGURES:
            return
        self._shown = time.monotonic()
        done = trainer.current_epoch * trainer.num_training_batches + batch_idx + 1
        self._update(self._epoch(trainer), done, self._figures(trainer, pl_module))

    def _epoch(self, trainer: Any) -> str:
        return f"{self.name} epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"

    def _figures(self, trainer: Any, pl_module: Any) -> str:
        """Return what there is: videos with several labels have no top-1."""
        names = {"train/loss": "loss", "train/top1_acc": "top-1", "train/recall@top3": "recall@3"}
        figures = [f"{names[name]} {mean:.3f}" for name, mean in pl_module.means if name in names]
        rate = self._videos * trainer.world_size / max(time.monotonic() - self._started, 1e-9)
        return "  ".join([*figures, f"{rate:.1f} {pl_module.items}/s"])

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Print the epoch's line; it stays above the bar."""
        if not trainer.is_global_zero:
            return
        line = f"{self._epoch(trainer)}  {self._figures(trainer, pl_module)}"
        for name in ("top1_acc", "mean_class_accuracy", "mAP@0.5IOU"):
            value = trainer.callback_metrics.get(f"val/{name}")
            if value is not None:
                line += f"  val {name} {float(value):.4f}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the bar of a pass over the test list."""
        self._videos, self._started = 0, time.monotonic()
        self._open(trainer, self.name, sum(trainer.num_test_batches), 0)

    def on_test_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move on by a batch."""
        self._videos += len(batch) * trainer.world_size
        rate = self._videos / max(time.monotonic() - self._started, 1e-9)
        self._update(self.name, batch_idx + 1, f"{rate:.1f} {pl_module.items}/s")

    def track(self, items: Iterable[T], name: str, total: int) -> Iterator[T]:
        """Yield ``items`` while a bar of their own stands below the run's."""
        if self._bar is None:
            yield from items
            return
        task = self._bar.add_task(name, total=total, figures="")
        for item in items:
            yield item
            self._bar.advance(task)
        self._bar.remove_task(task)

    def _open(self, trainer: Any, name: str, total: int, done: int) -> None:
        if trainer.is_global_zero and self.console.is_terminal:
            self._bar = progress_bar(self.console)
            self._task = self._bar.add_task(name, total=total, completed=done, figures="")
            self._bar.start()

    def _update(self, name: str, done: int, figures: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=name, completed=done, figures=figures)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Close the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
