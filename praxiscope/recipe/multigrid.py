"""Multigrid training: many small, short clips at first, the full ones at last.

A step on clips of an eighth of the numbers has eight times as many of them, so that every step
takes about as long. Epochs are counted in steps here: each has the steps of an epoch at the full
shape and takes as long as any other, but passes the list up to 16 times. Where a published run
states epochs, it counts the passes.

Source: A Multigrid Method for Efficiently Training Video Models, arXiv:1912.00998.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from praxiscope.checks import check_whole
from praxiscope.data.multigrid import Grid
from praxiscope.errors import RecipeError

# Shares of the full frames and of the full side.
LONG_CYCLE = ((1 / 4, sqrt(1 / 2)), (1 / 2, sqrt(1 / 2)), (1 / 2, 1.0), (1.0, 1.0))
SHORT_CYCLE = (1 / 2, sqrt(1 / 2), None)  # shares of the full side; None: that of the long cycle


@dataclass(frozen=True, kw_only=True)
class Multigrid:
    """How the shape of training clips changes, from epoch to epoch and from step to step.

    Args:
        long_cycles: Epochs between which long cycles lie: ``(0, 8, 16)`` has one in the first eight
            epochs and one in the next eight. Its four equal parts have a quarter of the frames and
            half the pixels, half of both, half the frames, all. Other epochs have the full shape,
            as the last ones of a run should. Published: 0 and the milestones of the learning rate.
        short_cycle: Of three steps one has half the full side, one half the full pixels, and one
            the shape of the long cycle.

    A shape with 1/n of the numbers comes in batches of n times the videos. The learning rate is n
    times as high for the long cycle's shape, whatever the short cycle makes of it, as published.
    Norms take their statistics over the whole batch, where the published runs divided it.
    """

    long_cycles: tuple[int, ...] = ()
    short_cycle: bool = True

    def __post_init__(self) -> None:
        for epoch in self.long_cycles:
            check_whole(epoch, "Multigrid.long_cycles", least=0)
        parts = len(LONG_CYCLE)
        if len(self.long_cycles) == 1 or any(b - a < parts for a, b in pairwise(self.long_cycles)):
            raise RecipeError(
                "Multigrid.long_cycles must be the epochs between which cycles lie, at least "
                f"{parts} apart, such as (0, 8, 16), not {self.long_cycles!r}."
            )

    def check_fits(self, frames: int, multiple_of: int) -> None:
        """Raise :class:`RecipeError` unless a clip can be shortened to what a network can take."""
        for share in {time for time, _ in LONG_CYCLE} if self.long_cycles else ():
            if frames * share % multiple_of:
                raise RecipeError(
                    f"Multigrid.long_cycles shorten clips of {frames} frames to {frames * share:g};"
                    f" this network takes multiples of {multiple_of}. Make Clip.frames a multiple "
                    f"of {multiple_of * len(LONG_CYCLE)}."
                )

    def long_grid(self, epoch: int, frames: int, size_px: int) -> Grid:
        """Return the shape of an epoch, where the full one has ``frames`` and ``size_px``."""
        for start, end in pairwise(self.long_cycles):
            if start <= epoch < end:
                time, side = LONG_CYCLE[(epoch - start) * len(LONG_CYCLE) // (end - start)]
                return _grid(round(frames * time), round(size_px * side), frames, size_px)
        return Grid(frames, size_px, 1)

    def grid(self, epoch: int, step: int, frames: int, size_px: int) -> Grid:
        """Return the shape of step ``step`` of an epoch."""
        grid = self.long_grid(epoch, frames, size_px)
        side = SHORT_CYCLE[step % len(SHORT_CYCLE)] if self.short_cycle else None
        if side is None:
            return grid
        return _grid(grid.frames, round(size_px * side), frames, size_px)


def _grid(frames: int, size_px: int, full_frames: int, full_size_px: int) -> Grid:
    """Return a shape, with as many videos as make the numbers of the full one."""
    return Grid(frames, size_px, round(full_frames * full_size_px**2 / (frames * size_px**2)))
