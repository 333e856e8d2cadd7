"""Loaders of a run, whatever its task is."""

import os
from abc import abstractmethod
from itertools import islice
from typing import Any, Literal, Protocol

import lightning

from praxiscope.data.balance import ClassBalance
from praxiscope.data.batch import (
    Collate,
    EpochSampler,
    ShardSampler,
    VideoLoader,
    make_loader,
    num_cores,
)
from praxiscope.errors import DataError
from praxiscope.recipe import RunSettings
from praxiscope.types import ItemKey

Stage = Literal["train", "val", "test"]

TEST_BATCH = 1  # items: videos with all their views, or key frames, whose sizes may differ


class Items(Protocol):
    """A list as a dataset."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: ItemKey) -> Any: ...

    @property
    def name(self) -> str:
        """What errors call the list."""
        ...


class RunData(lightning.LightningDataModule):
    """Loaders for training (shuffled by seed and epoch) and testing (every item once).

    What the items are is the task's: see :mod:`praxiscope.engine.recognition_data` and
    :mod:`praxiscope.engine.detection_data`. A list is read when it is first asked for.

    Args:
        seed: Of the order and of everything random in an item.
        skip_broken: Leave broken videos out and list them, where the default is an error.
        one_frame: Fill every clip with its centre frame.
    """

    collate: Collate  # samples -> a batch

    def __init__(
        self,
        settings: RunSettings,
        *,
        seed: int,
        skip_broken: bool = False,
        one_frame: bool = False,
    ) -> None:
        super().__init__()
        self.settings, self.seed = settings, seed
        self.skip_broken, self.one_frame = skip_broken, one_frame

    @abstractmethod
    def check(self, stage: Stage) -> None:
        """Find missing videos, and what the model cannot see or tell, before anything is built.

        Raises:
            DataError: The list does not fit the model, or names videos that do not exist.
        """

    @property
    @abstractmethod
    def train_set(self) -> Items:
        """The training list."""

    @property
    @abstractmethod
    def val_set(self) -> Items:
        """The list to validate on while training."""

    @property
    @abstractmethod
    def test_set(self) -> Items:
        """The list to test on."""

    @property
    def cores(self) -> int:
        """Processor cores of this process: its machine's, shared with the other processes on it."""
        return max(1, num_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))

    @property
    def workers(self) -> int:
        """Decoding processes: the recipe's, or one a core."""
        chosen = self.settings.loader.workers
        return self.cores if chosen is None else chosen

    @property
    def threads(self) -> int:
        """Threads of a decoder: the cores that its process has."""
        return max(1, self.cores // max(self.workers, 1))

    def setup(self, stage: str) -> None:
        """Find a validation list that is too short for the processes before an epoch is trained."""
        trainer = self.trainer
        if stage == "fit" and trainer is not None and trainer.limit_val_batches:
            self._shard(self.val_set)

    def steps_per_epoch(self, world_size: int) -> int:
        """Return the optimiser steps of an epoch, the last batches being smaller ones."""
        items = -(-len(self.train_set) // world_size)
        batches = -(-items // self.settings.loader.videos_per_device)
        return -(-batches // self.settings.optim.accumulate)

    def train_dataloader(self) -> VideoLoader:
        """Return this process's part of every epoch."""
        return self._loader(
            self.train_set, self.settings.loader.videos_per_device, self._train_sampler()
        )

    def extra_batches(self, epoch: int, count: int) -> VideoLoader:
        """Return a loader of at most ``count`` training batches of this process.

        They are those that an epoch after the run's last one would begin with, another one for
        every ``epoch``. The loader of training does not notice.
        """
        sampler, batch = self._train_sampler(), self.settings.loader.videos_per_device
        sampler.set_epoch(self.settings.schedule.epochs + epoch)
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
            balance=self._balance(),
        )
        # After a whole epoch Lightning restores no loader, and names the epoch after workers begin.
        epochs: Any = trainer.fit_loop.epoch_progress.current
        sampler.set_epoch(epochs.processed)
        return sampler

    def val_dataloader(self) -> VideoLoader:
        """Return this process's share of the validation list."""
        return self._loader(self.val_set, TEST_BATCH, self._shard(self.val_set))

    def test_dataloader(self) -> VideoLoader:
        """Return this process's share of the test list."""
        return self._loader(self.test_set, TEST_BATCH, self._shard(self.test_set))

    def _shard(self, dataset: Items) -> ShardSampler:
        trainer = self.trainer
        assert trainer is not None
        if len(dataset) < trainer.world_size:  # Lightning gives no process an empty share
            raise DataError(
                f"{dataset.name} has fewer items ({len(dataset)}) than there are processes "
                f"({trainer.world_size}): use fewer processes."
            )
        return ShardSampler(len(dataset), rank=trainer.global_rank, world_size=trainer.world_size)

    def _balance(self) -> ClassBalance | None:
        """Return what chooses the items of an epoch, if the recipe weighs classes."""
        return None

    def _loader(
        self, dataset: Items, batch: int, sampler: EpochSampler | ShardSampler | list[ItemKey]
    ) -> VideoLoader:
        # no more workers than batches: a tiny list should not start a core's worth of processes
        return make_loader(
            dataset,
            batch,
            sampler,
            workers=min(self.workers, -(-len(sampler) // batch)),
            skip_broken=self.skip_broken,
            collate=self.collate,
        )
