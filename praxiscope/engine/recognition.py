"""Recognition on Lightning: the step of training, and the scoring of every video once.

Letters: B videos, V views, K classes, N videos of the list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from praxiscope.engine.module import RunModule
from praxiscope.engine.trainer import from_all
from praxiscope.metrics.classification import evaluate
from praxiscope.models.recognizer import Recognizer, score_views
from praxiscope.recipe import Multigrid, Recipe
from praxiscope.types import Batch


@dataclass(frozen=True)
class Scored:
    """What a pass over a list gave, in list order, without the broken videos."""

    scores: Tensor  # (N, K), or (N, V, K) where views are not averaged
    labels: Tensor  # (N,) int64, or (N, K) float32
    videos: tuple[str, ...]


class RecognitionModule(RunModule):
    """A recogniser in training and testing; ``scored`` is of the last pass over a list.

    See :class:`praxiscope.engine.module.RunModule` for the arguments.
    """

    model: Recognizer

    def __init__(
        self,
        model: Recognizer,
        recipe: Recipe,
        *,
        base_lr: float,
        seed: int,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(model, recipe, base_lr=base_lr, seed=seed, class_names=class_names)
        self.recipe = recipe
        self.scored: Scored | None = None
        self._parts: list[tuple[tuple[int, ...], tuple[str, ...], Tensor, Tensor]] = []

    def see(self, batch: Batch) -> Tensor:
        """Return the logits of every view of a batch, (B * V, K)."""
        logits: Tensor = self.model(batch.clips.flatten(0, 1))
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss of a batch; the log has that of each list by itself."""
        self.note_broken(batch)
        if not len(batch):
            return self.no_loss()
        logits = self.see(batch)
        labels = batch.labels.repeat_interleave(batch.clips.shape[1], dim=0)
        loss = loss_of(logits, labels, self.recipe.label_smoothing)
        views = batch.clips.shape[1]
        for source, videos in runs(batch.sources):
            prefix = f"train/aux{source - 1}_" if source else "train/"
            part = slice(videos.start * views, videos.stop * views)
            self.log_part(prefix, self._figures(logits[part].detach(), labels[part]), len(videos))
        self.log_rate()
        return loss

    def _figures(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the loss and accuracy of the videos of one list."""
        figures = {"loss": loss_of(logits, labels, self.recipe.label_smoothing)}
        if labels.ndim == 1:
            figures["top1_acc"] = (logits.argmax(1) == labels).float().mean()
        return figures

    def rate_factor(self, epoch: int) -> float:
        """Return how many times as many videos a batch of multigrid training has."""
        grids = self.recipe.multigrid or Multigrid(short_cycle=False)
        full = self.recipe.clip.frames, self.recipe.train_transform.size
        return grids.long_grid(epoch, *full).videos

    # Validation and testing: one code path

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score the videos of a batch."""
        self.note_broken(batch)
        if len(batch):
            scores = score_views(
                self.model,
                batch.clips,
                average=self.recipe.average,
                max_views=self.recipe.max_testing_views,
            )
            self._parts.append((batch.indices, batch.videos, scores.cpu(), batch.labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Join the parts of all processes, in list order, and log the metrics."""
        self.scored, self.metrics = self._gather(), {}
        if not self.scored.videos:
            raise self.nothing_left()
        if self.recipe.average != "none":
            self.log_metrics(evaluate(self.scored.scores, self.scored.labels, self.recipe.metrics))

    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def _gather(self) -> Scored:
        parts, self._parts = from_all(self.trainer, self._parts), []
        self.share_broken()
        found: dict[int, tuple[str, Tensor, Tensor]] = {}
        for indices, videos, scores, labels in (batch for rank in parts for batch in rank):
            for item in zip(indices, videos, scores, labels, strict=True):
                assert item[0] not in found, f"item {item[0]} was counted twice"
                found[item[0]] = item[1:]
        rows = [found[index] for index in sorted(found)]
        if not rows:
            return Scored(torch.empty(0, 0), torch.empty(0, dtype=torch.int64), ())
        names, all_scores, all_labels = zip(*rows, strict=True)
        return Scored(torch.stack(all_scores), torch.stack(all_labels), tuple(names))


def runs(sources: Sequence[int]) -> Iterator[tuple[int, range]]:
    """Yield every list that a batch is from, with the places of its videos."""
    start = 0
    for source, group in groupby(sources):
        stop = start + len(list(group))
        yield source, range(start, stop)
        start = stop


def loss_of(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy; for labels (B, K) of zeros and ones, of each class by itself.

    Targets are ``(1 - smoothing) * label + smoothing / K`` in both.

    Source: Rethinking the Inception Architecture, arXiv:1512.00567, Section 7.
    """
    if labels.ndim == 1:
        return cross_entropy(logits, labels, label_smoothing=smoothing)
    targets = labels * (1 - smoothing) + smoothing / labels.shape[1]
    return binary_cross_entropy_with_logits(logits, targets)
