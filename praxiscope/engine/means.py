"""Means over the videos of an epoch: of one process while it runs, of all at its end."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import lightning
from torch import Tensor

from praxiscope.engine.trainer import from_all


@dataclass
class Means:
    """Sums over videos by name. They stay on their device until somebody wants to see a mean."""

    sums: dict[str, Tensor | float] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: Tensor | float, videos: int) -> None:
        """Count the mean ``value`` of so many videos."""
        self.sums[name] = self.sums.get(name, 0.0) + value * videos
        self.videos[name] = self.videos.get(name, 0) + videos

    def __iter__(self) -> Iterator[tuple[str, float]]:
        for name, total in self.sums.items():
            yield name, float(total) / self.videos[name]

    def of_all(self, trainer: lightning.Trainer) -> "Means":
        """Return the means over all processes, each of which has to call this."""
        joined = Means()
        plain = {name: (mean, self.videos[name]) for name, mean in self}
        for part in from_all(trainer, plain):
            for name, (mean, videos) in part.items():
                joined.add(name, mean, videos)
        return joined


class LogMeans(lightning.Callback):
    """Logs the means of an epoch. It comes before callbacks that show them."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Join the processes. They meet here once an epoch, whatever each of them has logged."""
        pl_module.means = pl_module.means.of_all(trainer)
        joined = {f"{name}_epoch": mean for name, mean in sorted(pl_module.means)}
        pl_module.log_dict(joined, sync_dist=True)  # equal everywhere
