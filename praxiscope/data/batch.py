"""From samples to batches: which items, in which order, loaded by whom.

Samplers yield :class:`ItemKey` (epoch, index). The epoch travels with the key, so it reaches worker
processes that outlive an epoch, and an item is the same whichever worker makes it.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, Sampler

from praxiscope.data.balance import ClassBalance, turns_of
from praxiscope.errors import VideoError
from praxiscope.types import ActorBatch, ActorSample, Batch, Broken, Indices, ItemKey, Sample

Collate = Callable[[Sequence[Any]], Any]  # samples -> a batch, with its broken ones in ``broken``


def collate(samples: Sequence[Sample | Broken]) -> Batch:
    """Stack samples into (B, V, C, T, H, W). Broken ones are listed apart; all may be broken."""
    good = [sample for sample in samples if isinstance(sample, Sample)]
    empty = not good
    return Batch(
        clips=torch.empty((0,) * 6, dtype=torch.uint8)
        if empty
        else torch.stack([sample.clips for sample in good]),
        labels=torch.empty(0, dtype=torch.int64)
        if empty
        else torch.stack([sample.label for sample in good]),
        videos=tuple(sample.video for sample in good),
        indices=tuple(sample.index for sample in good),
        sources=tuple(sample.source for sample in good),
        broken=tuple(sample for sample in samples if isinstance(sample, Broken)),
    )


def collate_actors(samples: Sequence[ActorSample | Broken]) -> ActorBatch:
    """Stack key frames of one size, (N, C, T, H, W). Broken ones are listed apart."""
    good = [sample for sample in samples if isinstance(sample, ActorSample)]
    windows = [sample.window for sample in good if sample.window is not None]
    return ActorBatch(
        clips=torch.stack([sample.clip for sample in good])
        if good
        else torch.empty((0,) * 5, dtype=torch.uint8),
        proposals=tuple(sample.proposals for sample in good),
        shares=tuple(sample.shares for sample in good),
        truth=tuple(sample.truth for sample in good),
        labels=tuple(sample.labels for sample in good),
        videos=tuple(sample.video for sample in good),
        timestamps=tuple(sample.timestamp for sample in good),
        indices=tuple(sample.index for sample in good),
        windows=torch.stack(windows) if windows else None,
        broken=tuple(sample for sample in samples if isinstance(sample, Broken)),
    )


class EpochSampler(Sampler[ItemKey]):
    """The order of training: a permutation that depends on (seed, epoch), shared by the processes.

    Every process (``rank`` of ``world_size``) gets the same number of items; where they don't
    divide evenly the first items of the epoch come a second time at its end.

    ``balance`` chooses the items of an epoch, as many as the list has; None takes each once.
    """

    def __init__(
        self,
        num_items: int,
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        balance: ClassBalance | None = None,
    ) -> None:
        assert num_items >= 1 and 0 <= rank < world_size
        self.num_items, self.seed, self.shuffle, self.balance = num_items, seed, shuffle, balance
        self.rank, self.world_size = rank, world_size
        self.epoch, self.start = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch. A start set by :meth:`resume` holds for that epoch alone."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def resume(self, epoch: int, start: int) -> None:
        """Go on within ``epoch`` after ``start`` items, counted over all processes together."""
        assert start >= 0 and start % self.world_size == 0
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Items of this process in a whole epoch, whatever the start."""
        return -(-self.num_items // self.world_size)

    def order(self, epoch: int) -> Indices:
        """Return the items of an epoch (num_items,), those of all processes together."""
        order = np.arange(self.num_items)
        if not self.shuffle:
            return order
        # items draw from (seed, epoch, index): the fourth number keeps the order apart
        rng = np.random.default_rng((self.seed, epoch, 0, 1))
        return rng.permutation(order if self.balance is None else self.balance.draw(rng))

    def __iter__(self) -> Iterator[ItemKey]:
        order = self.order(self.epoch)
        places = np.resize(np.arange(self.num_items), len(self) * self.world_size)
        mine = places[self.start + self.rank :: self.world_size]
        drawn = zip(order[mine].tolist(), turns_of(order)[mine].tolist(), strict=True)
        return (ItemKey(self.epoch, index, turn=turn) for index, turn in drawn)


class ShardSampler(Sampler[ItemKey]):
    """The order of testing: this process's share of the list, so that every item is counted once.

    Shares may differ by one item, and be empty.
    """

    def __init__(self, num_items: int, *, rank: int = 0, world_size: int = 1) -> None:
        assert num_items >= 0 and 0 <= rank < world_size
        self.mine = range(rank, num_items, world_size)

    def __len__(self) -> int:
        return len(self.mine)

    def __iter__(self) -> Iterator[ItemKey]:
        return (ItemKey(0, index) for index in self.mine)


class VideoLoader(DataLoader[Any]):
    """A DataLoader that raises :class:`VideoError` for a broken video, unless ``skip_broken``.

    It does so in the main process: what a worker raises would reach the user within a traceback.
    Where its sampler is an :class:`EpochSampler` its state is the epoch and the batches handed out,
    and it goes on from there.
    """

    skip_broken: bool = False
    batches_done: int = 0

    @property
    def _order(self) -> tuple[Any, int]:
        """The sampler, and what all processes together take from it for a batch."""
        batches: Any = self.batch_sampler
        processes = getattr(batches.sampler, "world_size", 1)
        return batches.sampler, batches.batch_size * processes

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        sampler, step = self._order
        if isinstance(sampler, EpochSampler):
            self.batches_done = sampler.start // step
        return self._count(super().__iter__())

    def _count(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.broken and not self.skip_broken:
                raise VideoError(batch.broken[0].reason)
            self.batches_done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return where training is: the epoch and how many of its batches are done."""
        sampler, _ = self._order
        epoch = sampler.epoch if isinstance(sampler, EpochSampler) else 0
        return {"epoch": epoch, "batches_done": self.batches_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken; after a whole epoch with the next one."""
        (sampler, step), (epoch, done) = self._order, (state["epoch"], state["batches_done"])
        if isinstance(sampler, EpochSampler):
            epoch, done = (epoch + 1, 0) if done >= len(self) else (epoch, done)
            sampler.resume(epoch, done * step)


def make_loader(
    dataset: Any,
    batch_size: int,
    sampler: Iterable[ItemKey],
    *,
    workers: int = 0,
    skip_broken: bool = False,
    drop_last: bool = False,
    prefetch: int = 2,
    collate: Collate = collate,
) -> VideoLoader:
    """Return a loader of what ``collate`` makes of the samples of ``dataset``.

    Its workers live as long as the loader does.

    ``skip_broken`` leaves broken videos out and lists them in ``Batch.broken``; otherwise the first
    one ends the iteration with a :class:`VideoError`. Each worker holds ``prefetch`` batches ready.
    """
    batches: Any = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
    return make_batch_loader(
        dataset,
        batches,
        workers=workers,
        skip_broken=skip_broken,
        prefetch=prefetch,
        collate=collate,
    )


def make_batch_loader(
    dataset: Any,
    batches: Iterable[list[ItemKey]],
    *,
    workers: int = 0,
    skip_broken: bool = False,
    prefetch: int = 2,
    collate: Collate = collate,
) -> VideoLoader:
    """Return :func:`make_loader` for batches that are not simply so many items after each other.

    ``batches`` has a length, a ``sampler`` that it draws from, and a ``batch_size``: what one
    batch takes from that sampler.
    """
    loader = VideoLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_use_one_thread,
        multiprocessing_context=_start_method() if workers else None,
        generator=torch.Generator(),  # else every epoch would draw from the training's random state
        prefetch_factor=prefetch if workers else None,
        persistent_workers=workers > 0,
    )
    loader.skip_broken = skip_broken
    return loader


def make_stream_loader(batches: IterableDataset[Any], *, workers: int = 0) -> DataLoader[Any]:
    """Return a loader of batches that ``batches`` makes, which shares the work of its workers."""
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_use_one_thread,
        multiprocessing_context=_start_method() if workers else None,
        generator=torch.Generator(),
    )


def num_cores() -> int:
    """Return the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_method() -> Any:
    """Return how workers start: never by a fork of this process, whose threads might hold locks."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["praxiscope.data.recognition"])
    return context


def _use_one_thread(worker: int) -> None:
    """Keep a worker to its own core. Decoding has its own setting.

    Ctrl-C reaches every process of a terminal; the main one decides when the workers end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
