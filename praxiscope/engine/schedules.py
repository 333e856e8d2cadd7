"""The learning rate at every step, as the published runs had it.

The two generations of published recipes ("0.x", "1.x") differ in the warm-up. In 0.x it scales
whatever the schedule gives, and the first step after it has the full rate. In 1.x the last step of
the warm-up has the full rate already, and a cosine begins where the warm-up ends.
"""

from math import cos, pi

from praxiscope.recipe import Cosine, Step


def learning_rate(
    schedule: Cosine | Step, base_lr: float, step: int, steps_per_epoch: int
) -> float:
    """Return the rate of optimiser step ``step`` (from 0), each epoch having ``steps_per_epoch``.

    Source: SGDR, arXiv:1608.03983 (cosine); Accurate, Large Minibatch SGD, arXiv:1706.02677
    (warm-up).
    """
    if isinstance(schedule, Cosine):
        lr = _cosine(schedule, base_lr, step, steps_per_epoch)
    else:
        epoch = step // steps_per_epoch
        lr = base_lr * schedule.gamma ** sum(epoch >= m for m in schedule.milestones)
    return lr * _warmup(schedule, step, steps_per_epoch)


def _cosine(schedule: Cosine, base_lr: float, step: int, steps_per_epoch: int) -> float:
    first_epoch = schedule.warmup_epochs if schedule.convention == "1.x" else 0
    unit = steps_per_epoch if schedule.by_epoch else 1  # the rate changes once in so many steps
    past = max(step - first_epoch * steps_per_epoch, 0) // unit
    whole = (schedule.epochs - first_epoch) * steps_per_epoch // unit
    if whole <= 0:  # the run ends within its warm-up
        return base_lr
    # A run that goes on past its last epoch stays at the end of the cosine.
    return schedule.min_lr + (base_lr - schedule.min_lr) * (1 + cos(pi * min(past / whole, 1))) / 2


def _warmup(schedule: Cosine | Step, step: int, steps_per_epoch: int) -> float:
    """Return the factor of the warm-up at ``step``: ``warmup_ratio`` rising to 1."""
    by_epoch = isinstance(schedule, Step) and schedule.warmup_by_epoch
    unit = steps_per_epoch if by_epoch else 1
    past, whole = step // unit, schedule.warmup_epochs * steps_per_epoch // unit
    if schedule.convention == "1.x":
        whole -= 1
    if past >= whole:
        return 1.0
    return schedule.warmup_ratio + (1 - schedule.warmup_ratio) * past / whole
