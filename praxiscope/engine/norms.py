"""Batch norms whose statistics are measured rather than followed.

While a network trains, its norms keep running means of what they see, over some hundred steps: of
networks that it no longer is. Precise ones are measured while the weights stand still.
"""

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from praxiscope.engine.frozen import batch_norms
from praxiscope.engine.loading import RunData
from praxiscope.engine.progress import RunProgress
from praxiscope.recipe import PreciseBn


class PreciseNorms(lightning.Callback):
    """After every so many epochs, and after the last one, gives norms their precise statistics.

    It does so before the validation, if there is one. The batches are a function of (seed, epoch)
    and no part of any epoch, so that a resumed run is the same run. Norms in eval mode, such as
    frozen ones, stay as they are.
    """

    def __init__(self, settings: PreciseBn, data: RunData, progress: RunProgress) -> None:
        self.settings, self.data, self.progress = settings, data, progress

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure, after the last batch of an epoch in which that is due."""
        epochs = trainer.current_epoch + 1
        due = epochs % self.settings.every == 0 or epochs == trainer.max_epochs
        if due and batch_idx + 1 >= trainer.num_training_batches:
            self._measure(trainer, pl_module)

    @torch.no_grad()
    def _measure(self, trainer: Any, module: Any) -> None:
        populations = [Population(norm) for norm in batch_norms(module.model) if norm.training]
        if not populations:
            return
        loader = self.data.extra_batches(trainer.current_epoch, self.settings.batches)
        for batch in self.progress.track(loader, "precise norms", len(loader)):
            if len(batch):  # else all of its videos are broken
                with trainer.precision_plugin.forward_context():
                    module.see(batch.to(trainer.strategy.root_device))
        for population in populations:
            population.finish(trainer.strategy)


class Population:
    """Mean and variance of all that a batch norm sees, from now until :meth:`finish`.

    With means M and variances S of batches of n values they are E[M] and E[S + M^2] - E[M]^2, every
    E weighted by n: the variance between batches counts too.

    Source: Rethinking "Batch" in BatchNorm, arXiv:2105.07576, Section 3.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm, self.momentum = norm, norm.momentum
        norm.momentum = 1.0  # so that its running statistics are those of the batch
        self.hook = norm.register_forward_hook(self._add)
        # rows: n, n M, n (S + M^2), summed over batches
        size = (3, norm.num_features)
        self.sums = torch.zeros(size, dtype=torch.float64, device=self._mean.device)

    @property
    def _mean(self) -> Tensor:
        return self.norm.get_buffer("running_mean")

    @property
    def _var(self) -> Tensor:
        return self.norm.get_buffer("running_var")

    def _add(self, norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        n = inputs[0].numel() // inputs[0].shape[1]
        mean = self._mean.double()
        var = self._var.double() * ((n - 1) / n)  # torch keeps the unbiased one
        self.sums += n * torch.stack((torch.ones_like(mean), mean, var + mean**2))

    def finish(self, strategy: Any) -> None:
        """Give the norm what it saw in all processes together, and its momentum back."""
        self.hook.remove()
        self.norm.momentum = self.momentum
        count, mean, square = strategy.reduce(self.sums, reduce_op="sum")
        if count[0] > 0:
            mean, square = mean / count, square / count
            self._mean.copy_(mean)
            self._var.copy_(square - mean**2)
