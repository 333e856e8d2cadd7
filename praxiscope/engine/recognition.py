"""Recognition on Lightning: the step of training, and the scoring of every video once.

Letters: B videos, V views, K classes, N videos of the list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from praxiscope.engine.frozen import freeze, hold_still
from praxiscope.engine.loading import RecipeData
from praxiscope.engine.means import Means
from praxiscope.engine.schedules import learning_rate
from praxiscope.engine.trainer import broken_file, from_all
from praxiscope.errors import DataError
from praxiscope.metrics.classification import evaluate
from praxiscope.models.recognizer import Recognizer, score_views
from praxiscope.recipe import Multigrid, Recipe
from praxiscope.types import Batch, Broken
from praxiscope.zoo.weights import recorded_by

PREFIX = "model."  # of our module; left out on disk, where the published names are promised


@dataclass(frozen=True)
class Scored:
    """What a pass over a list gave, in list order, without the broken videos."""

    scores: Tensor  # (N, K), or (N, V, K) where views are not averaged
    labels: Tensor  # (N,) int64, or (N, K) float32
    videos: tuple[str, ...]


class RecognitionModule(lightning.LightningModule):
    """A recogniser in training and testing.

    ``scored`` and ``metrics`` are of the last pass over a list, ``means`` of the current epoch.

    Args:
        base_lr: The rate that the schedule starts from, already scaled to the batch.
        seed: Dropout draws from (seed, epoch, batch): a resumed run draws what it would have.
        class_names: Written into the checkpoints, so that predictions have names.
    """

    def __init__(
        self,
        model: Recognizer,
        recipe: Recipe,
        *,
        base_lr: float,
        seed: int,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__()
        self.class_names = class_names
        model.channels_last_in_training = recipe.channels_last
        self.model, self.recipe, self.base_lr, self.seed = model, recipe, base_lr, seed
        self.scored: Scored | None = None
        self.metrics: dict[str, float] = {}
        self.broken: dict[str, Broken] = {}
        self.means = Means()
        self._parts: list[tuple[tuple[int, ...], tuple[str, ...], Tensor, Tensor]] = []

    # Training

    def setup(self, stage: str) -> None:
        """Freeze stages, before the optimiser and other processes look at what learns."""
        if stage == "fit":
            freeze(self.model, self.recipe.frozen_stages)

    def on_train_start(self) -> None:
        """Enter training mode, but for what is frozen: Lightning leaves modes as they are."""
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Go into training or testing; what is frozen stays in testing, whoever calls this."""
        super().train(mode)
        hold_still(self.model, self.recipe.frozen_stages, norms=self.recipe.norm_eval)
        return self

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's means."""
        self.means = Means()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout a function of (seed, epoch, batch), so that nothing has to be saved."""
        drawn = np.random.SeedSequence((self.seed, self.current_epoch, batch_idx))
        torch.manual_seed(int(drawn.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss of a batch; the log has that of each list by itself."""
        self._note_broken(batch)
        if not len(batch):  # all broken: no gradient, but the other processes wait for one
            return sum((p.sum() * 0.0 for p in self.model.parameters()), torch.zeros(()))
        logits = self.model(batch.clips.flatten(0, 1))
        labels = batch.labels.repeat_interleave(batch.clips.shape[1], dim=0)
        loss = loss_of(logits, labels, self.recipe.label_smoothing)
        views = batch.clips.shape[1]
        for source, videos in runs(batch.sources):
            name = f"train/aux{source - 1}_" if source else "train/"
            part = slice(videos.start * views, videos.stop * views)
            self._log_part(name, logits[part].detach(), labels[part], len(videos))
        self.log("train/lr", self.optimizers().param_groups[0]["lr"], batch_size=1)  # type: ignore[union-attr]
        return loss

    def _log_part(self, name: str, logits: Tensor, labels: Tensor, videos: int) -> None:
        """Log the loss and accuracy of the videos of one list."""
        logged = {"loss": loss_of(logits, labels, self.recipe.label_smoothing)}
        if labels.ndim == 1:
            logged["top1_acc"] = (logits.argmax(1) == labels).float().mean()
        for key, value in logged.items():  # of this process: to wait for others might not end
            self.log(f"{name}{key}_step", value, batch_size=videos)
            self.means.add(f"{name}{key}", value, videos)

    def configure_optimizers(self) -> Any:
        """Return SGD with momentum under the recipe's schedule, moved on after every step."""
        optim, trainer = self.recipe.optim, self.trainer
        optimizer = torch.optim.SGD(
            [p for p in self.parameters() if p.requires_grad],
            lr=self.base_lr,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
        )
        # Not from Lightning: asked this early it would make the loaders before it restores them.
        data: RecipeData = trainer.datamodule  # type: ignore[attr-defined]
        steps_per_epoch = data.steps_per_epoch(trainer.world_size)
        grids = self.recipe.multigrid or Multigrid(short_cycle=False)
        full = self.recipe.clip.frames, self.recipe.train_transform.size

        def factor(step: int) -> float:
            lr = learning_rate(self.recipe.schedule, self.base_lr, step, steps_per_epoch)
            return lr / self.base_lr * grids.long_grid(step // steps_per_epoch, *full).videos

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    # Validation and testing: one code path

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score the videos of a batch."""
        self._note_broken(batch)
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
        stage = "test" if self.trainer.testing else "val"
        if not self.scored.videos:
            raise DataError(self._nothing_left(stage))
        if self.recipe.average != "none":
            self.metrics = evaluate(self.scored.scores, self.scored.labels, self.recipe.metrics)
        for name, value in self.metrics.items():  # in float64; the log rounds to float32
            self.log(f"{stage}/{name}", value, sync_dist=True)  # equal everywhere

    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def _gather(self) -> Scored:
        parts, self._parts = from_all(self.trainer, self._parts), []
        self._share_broken()
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

    def on_train_epoch_end(self) -> None:
        """Join what the processes know of broken videos."""
        self._share_broken()

    def _share_broken(self) -> None:
        for part in from_all(self.trainer, self.broken):
            self.broken |= part

    def _nothing_left(self, stage: str) -> str:
        data: RecipeData = self.trainer.datamodule  # type: ignore[attr-defined]
        dataset = data.test_set if stage == "test" else data.val_set
        name = dataset.videos.annotations or dataset.videos.root
        return (
            f"{name}: all {len(dataset)} videos are broken, so there is nothing to report; "
            f"{broken_file(self.trainer)} lists them with the reasons."
        )

    def _note_broken(self, batch: Batch) -> None:
        self.broken |= {broken.video: broken for broken in batch.broken}

    # On disk the weights have their published names

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write ``backbone.*`` and ``cls_head.*``, as the published checkpoints do."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {k.removeprefix(PREFIX): v for k, v in state.items()}
        meta: dict[str, Any] = dict(recorded_by(self.model, clip=self.recipe.clip))
        checkpoint["meta"] = meta
        if self.class_names:
            meta["classes"] = list(self.class_names)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Undo :meth:`on_save_checkpoint`."""
        checkpoint["state_dict"] = {PREFIX + k: v for k, v in checkpoint["state_dict"].items()}


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
