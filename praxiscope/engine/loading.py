"""The lists of a recipe as loaders for this process of a run."""

import os
from functools import cached_property
from itertools import islice
from typing import Any

import lightning

from praxiscope.data.balance import ClassBalance
from praxiscope.data.batch import (
    EpochSampler,
    ShardSampler,
    VideoLoader,
    make_batch_loader,
    make_loader,
)
from praxiscope.data.joint import JointBatches, JointDataset, seed_of
from praxiscope.data.lists import VideoList
from praxiscope.data.multigrid import Grid, GridBatches, GridDataset
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import DataError
from praxiscope.recipe import Multigrid, Recipe
from praxiscope.types import ItemKey

TEST_BATCH = 1  # videos; each brings all its views


class RecipeData(lightning.LightningDataModule):
    """Loaders for training (shuffled by seed and epoch) and testing (every video once).

    A list is read when it is first asked for.

    Args:
        seed: Of the order and of everything random in an item.
        skip_broken: Leave broken videos out and list them, where the default is an error.
        one_frame: Fill every clip with its centre frame.
    """

    def __init__(
        self, recipe: Recipe, *, seed: int, skip_broken: bool = False, one_frame: bool = False
    ) -> None:
        super().__init__()
        self.recipe, self.seed = recipe, seed
        self.skip_broken, self.one_frame = skip_broken, one_frame

    @cached_property
    def train_set(self) -> RecognitionDataset:
        """The training list."""
        return self._dataset(self.recipe.train, self.recipe.train_transform)

    @cached_property
    def auxiliary_sets(self) -> tuple[RecognitionDataset, ...]:
        """The lists that the training list is joined with."""
        return tuple(
            self._dataset(
                one.videos, one.transform or self.recipe.train_transform, one.clip, source=number
            )
            for number, one in enumerate(self.recipe.auxiliary, start=1)
        )

    @cached_property
    def val_set(self) -> RecognitionDataset:
        """The list to validate on while training."""
        return self._dataset(self.recipe.val, self.recipe.val_views)

    @cached_property
    def test_set(self) -> RecognitionDataset:
        """The list to test on."""
        return self._dataset(self.recipe.test or self.recipe.val, self.recipe.test_views)

    def _dataset(
        self,
        videos: VideoList,
        transform: TrainTransform | Views,
        clip: Clip | None = None,
        *,
        source: int = 0,
    ) -> RecognitionDataset:
        threads = max(1, self.cores // max(self.workers, 1))
        return RecognitionDataset(
            videos,
            clip or self.recipe.clip,
            transform,
            seed=seed_of(self.seed, source),
            threads=threads,
            one_frame=self.one_frame,
        )

    @property
    def cores(self) -> int:
        """Processor cores of this process: its machine's, shared with the other processes on it."""
        allowed = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        )
        return max(1, (allowed or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))

    @property
    def workers(self) -> int:
        """Decoding processes: the recipe's, or one a core."""
        chosen = self.recipe.loader.workers
        return self.cores if chosen is None else chosen

    def steps_per_epoch(self, world_size: int) -> int:
        """Return the optimiser steps of an epoch, the last batches being smaller ones."""
        items = -(-len(self.train_set) // world_size)
        batches = -(-items // self.recipe.loader.videos_per_device)
        return -(-batches // self.recipe.optim.accumulate)

    def train_dataloader(self) -> VideoLoader:
        """Return this process's part of every epoch."""
        sampler = self._train_sampler()
        if self.recipe.multigrid is not None:
            return self._grid_loader(sampler, self.recipe.multigrid)
        if not self.recipe.auxiliary:
            return self._loader(self.train_set, self.recipe.loader.videos_per_device, sampler)
        others = [
            (
                EpochSampler(
                    len(dataset), seed=dataset.seed, balance=_balance(dataset, one.class_balance)
                ),
                one.videos_per_device,
            )
            for dataset, one in zip(self.auxiliary_sets, self.recipe.auxiliary, strict=True)
        ]
        batches = JointBatches(sampler, self.recipe.loader.videos_per_device, others)
        return make_batch_loader(
            JointDataset([self.train_set, *self.auxiliary_sets]),
            batches,
            workers=min(self.workers, len(batches)),
            skip_broken=self.skip_broken,
        )

    def _grid_loader(self, sampler: EpochSampler, multigrid: Multigrid) -> VideoLoader:
        """Return a loader of batches whose shape changes."""
        full = self.recipe.clip.frames, self.recipe.train_transform.size

        def grid(epoch: int, step: int) -> Grid:
            return multigrid.grid(epoch, step, *full)

        batches = GridBatches(sampler, self.recipe.loader.videos_per_device, grid)
        return make_batch_loader(
            GridDataset(self.train_set),
            batches,
            workers=min(self.workers, len(batches)),
            skip_broken=self.skip_broken,
        )

    def extra_batches(self, epoch: int, count: int) -> VideoLoader:
        """Return a loader of at most ``count`` training batches of this process.

        They are those that an epoch after the run's last one would begin with, another one for
        every ``epoch``. The loader of training does not notice.
        """
        sampler, batch = self._train_sampler(), self.recipe.loader.videos_per_device
        sampler.set_epoch(self.recipe.schedule.epochs + epoch)
        return self._loader(self.train_set, batch, list(islice(sampler, count * batch)))

    def _train_sampler(self) -> EpochSampler:
        """Return this process's share of the training list in the order of any epoch."""
        trainer = self.trainer
        assert trainer is not None
        sampler = EpochSampler(
            len(self.train_set),
            seed=self.seed,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            balance=_balance(self.train_set, self.recipe.loader.class_balance),
        )
        # After a whole epoch Lightning restores no loader, and names the epoch after workers begin.
        epochs: Any = trainer.fit_loop.epoch_progress.current
        sampler.set_epoch(epochs.processed)
        return sampler

    def val_dataloader(self) -> VideoLoader:
        """Return this process's share of the validation list."""
        batch = self.recipe.loader.videos_per_device if self.recipe.val_views.num_views == 1 else 1
        return self._loader(self.val_set, batch, self._shard(self.val_set))

    def test_dataloader(self) -> VideoLoader:
        """Return this process's share of the test list."""
        return self._loader(self.test_set, TEST_BATCH, self._shard(self.test_set))

    def _shard(self, dataset: RecognitionDataset) -> ShardSampler:
        trainer = self.trainer
        assert trainer is not None
        if len(dataset) < trainer.world_size:  # Lightning gives no process an empty share
            name = dataset.videos.annotations or dataset.videos.root
            raise DataError(
                f"{name} has {len(dataset)} videos for {trainer.world_size} processes: "
                "use fewer processes."
            )
        return ShardSampler(len(dataset), rank=trainer.global_rank, world_size=trainer.world_size)

    def _loader(
        self,
        dataset: RecognitionDataset,
        batch: int,
        sampler: EpochSampler | ShardSampler | list[ItemKey],
    ) -> VideoLoader:
        # no more workers than batches: a tiny list should not start a core's worth of processes
        workers = min(self.workers, -(-len(sampler) // batch))
        return make_loader(dataset, batch, sampler, workers=workers, skip_broken=self.skip_broken)


def _balance(dataset: RecognitionDataset, power: float | None) -> ClassBalance | None:
    """Return what chooses the items of an epoch, if the recipe weighs the classes of a list."""
    if power is None:
        return None
    return ClassBalance([record.labels[0] for record in dataset.records], power)
