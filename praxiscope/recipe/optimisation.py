"""How a run moves its weights: the optimiser, the learning rate, the norms."""

from dataclasses import dataclass

from praxiscope.checks import check_whole
from praxiscope.data.sampling import Convention
from praxiscope.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """SGD with momentum.

    Args:
        lr: Learning rate for steps of ``batch`` videos; ``--auto-scale-lr`` rescales it to others.
        batch: Videos per step, over all devices, that ``lr`` was chosen for.
        clip_norm: Gradients are scaled down to this L2 norm; None leaves them.
        accumulate: Gradients of so many batches are added before a step.
    """

    lr: float
    batch: int
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip_norm: float | None = 40.0
    accumulate: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise RecipeError(f"Sgd.lr must be above 0, not {self.lr!r}.")
        check_whole(self.batch, "Sgd.batch")
        check_whole(self.accumulate, "Sgd.accumulate")


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from the base rate down to ``min_lr``, with a linear warm-up.

    Args:
        warmup_epochs: The rate rises from ``warmup_ratio`` times its value; 0 for no warm-up.
        by_epoch: The cosine goes down once an epoch; otherwise with every step.
        convention: "0.x" lays the warm-up over the cosine's beginning; "1.x" lets the cosine begin
            after it. See :mod:`praxiscope.engine.schedules`.
    """

    epochs: int
    warmup_epochs: int = 0
    warmup_ratio: float = 0.1
    min_lr: float = 0.0
    by_epoch: bool = True
    convention: Convention = "0.x"

    def __post_init__(self) -> None:
        check_whole(self.epochs, "Cosine.epochs")
        check_whole(self.warmup_epochs, "Cosine.warmup_epochs", least=0)


@dataclass(frozen=True, kw_only=True)
class Step:
    """The rate is multiplied by ``gamma`` at the beginning of every epoch in ``milestones``.

    Args:
        warmup_epochs: The rate rises from ``warmup_ratio`` times its value; 0 for no warm-up.
        warmup_by_epoch: It rises once an epoch; otherwise with every step.
        convention: In "1.x" the last step (or epoch) of the warm-up has the full rate already, in
            "0.x" the first one after it.
    """

    epochs: int
    milestones: tuple[int, ...]
    gamma: float = 0.1
    warmup_epochs: int = 0
    warmup_ratio: float = 0.1
    warmup_by_epoch: bool = False
    convention: Convention = "0.x"

    def __post_init__(self) -> None:
        check_whole(self.epochs, "Step.epochs")
        check_whole(self.warmup_epochs, "Step.warmup_epochs", least=0)


@dataclass(frozen=True, kw_only=True)
class PreciseBn:
    """Batch norms get the mean and variance of what they see in training batches, exactly.

    That is before the validation of the epoch, if there is one.

    Args:
        batches: Training batches to measure, on each device; an epoch has no more. They have the
            full shape, and videos of the training list alone, as those in testing.
        every: Epochs between two of these passes. The last epoch ends in one too.

    Source: Rethinking "Batch" in BatchNorm, arXiv:2105.07576, Section 3.
    """

    batches: int = 200
    every: int = 1

    def __post_init__(self) -> None:
        check_whole(self.batches, "PreciseBn.batches")
        check_whole(self.every, "PreciseBn.every")
