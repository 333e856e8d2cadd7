"""What training a network on Lightning takes, whatever the task: weights, rates, broken videos."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import lightning
import numpy as np
import torch
from torch import Tensor

from praxiscope.engine.frozen import freeze, hold_still
from praxiscope.engine.loading import RunData
from praxiscope.engine.means import Means
from praxiscope.engine.schedules import learning_rate
from praxiscope.engine.trainer import broken_file, from_all
from praxiscope.errors import DataError
from praxiscope.models.recognizer import ClipModel
from praxiscope.recipe import RunSettings
from praxiscope.types import ActorBatch, Batch, Broken
from praxiscope.zoo.weights import recorded_by

PREFIX = "model."  # of our module; left out on disk, where the published names are promised


class RunModule(lightning.LightningModule):
    """A network in training and testing; the tasks add their steps.

    ``metrics`` are of the last pass over a list, ``means`` of the current epoch.

    Args:
        base_lr: The rate that the schedule starts from, already scaled to the batch.
        seed: Dropout draws from (seed, epoch, batch): a resumed run draws what it would have.
        class_names: Written into the checkpoints, so that predictions have names.
    """

    items = "videos"  # what an item of a list is called

    def __init__(
        self,
        model: ClipModel,
        settings: RunSettings,
        *,
        base_lr: float,
        seed: int,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__()
        self.class_names = class_names
        model.channels_last_in_training = settings.channels_last
        self.model, self.settings, self.base_lr, self.seed = model, settings, base_lr, seed
        self.metrics: dict[str, float] = {}
        self.broken: dict[str, Broken] = {}
        self.means = Means()

    def setup(self, stage: str) -> None:
        """Freeze stages, before the optimiser and other processes look at what learns."""
        if stage == "fit":
            freeze(self.model, self.settings.frozen_stages)

    def on_train_start(self) -> None:
        """Enter training mode, but for what is frozen: Lightning leaves modes as they are."""
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Go into training or testing; what is frozen stays in testing, whoever calls this."""
        super().train(mode)
        hold_still(self.model, self.settings.frozen_stages, norms=self.settings.norm_eval)
        return self

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's means."""
        self.means = Means()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make what a step draws a function of (seed, epoch, batch): nothing has to be saved."""
        drawn = np.random.SeedSequence((self.seed, self.current_epoch, batch_idx))
        torch.manual_seed(int(drawn.generate_state(1)[0]))

    @abstractmethod
    def see(self, batch: Any) -> Tensor:
        """Run the network on a training batch that is not empty, and return its logits."""

    def no_loss(self) -> Tensor:
        """Return 0 with gradients of 0: all is broken, but other processes wait for a gradient."""
        return sum((p.sum() * 0.0 for p in self.model.parameters()), torch.zeros(()))

    def log_part(self, prefix: str, values: Mapping[str, Tensor], videos: int) -> None:
        """Log figures of ``videos`` items of a step, and remember them for the epoch's means."""
        for key, value in values.items():  # of this process: to wait for others might not end
            self.log(f"{prefix}{key}_step", value, batch_size=videos)
            self.means.add(f"{prefix}{key}", value, videos)

    def log_rate(self) -> None:
        """Log the learning rate of a step."""
        self.log("train/lr", self.optimizers().param_groups[0]["lr"], batch_size=1)  # type: ignore[union-attr]

    def rate_factor(self, epoch: int) -> float:
        """Return what the scheduled rate is multiplied by where batches of an epoch are larger."""
        return 1.0

    def configure_optimizers(self) -> Any:
        """Return SGD with momentum under the recipe's schedule, moved on after every step."""
        optim, trainer = self.settings.optim, self.trainer
        optimizer = torch.optim.SGD(
            [p for p in self.parameters() if p.requires_grad],
            lr=self.base_lr,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
        )
        # Not from Lightning: asked this early it would make the loaders before it restores them.
        steps_per_epoch = self.data.steps_per_epoch(trainer.world_size)

        def factor(step: int) -> float:
            lr = learning_rate(self.settings.schedule, self.base_lr, step, steps_per_epoch)
            return lr / self.base_lr * self.rate_factor(step // steps_per_epoch)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    @property
    def data(self) -> RunData:
        """The lists of the run."""
        data: RunData = self.trainer.datamodule  # type: ignore[attr-defined]
        return data

    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Keep and log the metrics of a whole list, which are equal in all processes."""
        self.metrics = metrics
        for name, value in metrics.items():  # in float64; the log rounds to float32
            self.log(f"{self.stage}/{name}", value, sync_dist=True)

    @property
    def stage(self) -> str:
        """Return what a pass over a list is for: "test" or "val"."""
        return "test" if self.trainer.testing else "val"

    # Broken videos

    def note_broken(self, batch: Batch | ActorBatch) -> None:
        """Remember the broken videos of a batch."""
        self.broken |= {broken.video: broken for broken in batch.broken}

    def on_train_epoch_end(self) -> None:
        """Join what the processes know of broken videos."""
        self.share_broken()

    def share_broken(self) -> None:
        """Join what the processes know of broken videos; all of them have to call this."""
        for part in from_all(self.trainer, self.broken):
            self.broken |= part

    def nothing_left(self) -> DataError:
        """Return the error for a pass in which all was broken."""
        dataset = self.data.test_set if self.stage == "test" else self.data.val_set
        return DataError(
            f"{dataset.name}: all {len(dataset)} videos are broken, so there is nothing to report; "
            f"{broken_file(self.trainer)} lists them with the reasons."
        )

    # On disk the weights have their published names

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write ``backbone.*`` and the head's names, as the published checkpoints do."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {k.removeprefix(PREFIX): v for k, v in state.items()}
        meta: dict[str, Any] = dict(recorded_by(self.model, clip=self.settings.clip))
        checkpoint["meta"] = meta
        if self.class_names:
            meta["classes"] = list(self.class_names)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Undo :meth:`on_save_checkpoint`."""
        checkpoint["state_dict"] = {PREFIX + k: v for k, v in checkpoint["state_dict"].items()}
