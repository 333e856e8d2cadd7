"""Joint training: batches of a main list, each with a share from every one of other lists.

Source: Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042. Its code
(OpenMMLab's 0.x) makes a step of its own of the batch of each list; here they are one batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset, Sampler

from praxiscope.data.balance import turns_of
from praxiscope.data.batch import EpochSampler
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.types import Broken, ItemKey, Sample


class JointDataset(Dataset[Sample | Broken]):
    """Several lists as one dataset: an :class:`ItemKey` says which, 0 being the main one.

    Clips of all lists must have one shape, as they share batches.
    """

    def __init__(self, datasets: Sequence[RecognitionDataset]) -> None:
        self.datasets = tuple(datasets)

    def __getitem__(self, key: ItemKey) -> Sample | Broken:
        dataset = self.datasets[key.source]
        found = dataset[key]
        if isinstance(found, Sample):
            return replace(found, source=key.source)
        if key.source:  # lists below different folders may spell the same path
            return replace(found, video=str(Path(dataset.videos.root) / found.video))
        return found


class JointBatches(Sampler[list[ItemKey]]):
    """Batches of a main list, each followed by a fixed number of items from every other list.

    The main list sets the length of an epoch. The others go on from step to step and from epoch to
    epoch, pass after pass, each pass in an order of its own. Which items a step gets follows from
    its epoch and its number within it alone, so a resumed run goes on exactly. The processes'
    shares of a pass are disjoint.

    Args:
        sampler: The order of the main list; says which process this is.
        batch_size: Items of the main list in a batch of this process.
        others: The order of every other list, and its items in each batch of this process.
    """

    def __init__(
        self, sampler: EpochSampler, batch_size: int, others: Sequence[tuple[EpochSampler, int]]
    ) -> None:
        self.sampler, self.batch_size, self.others = sampler, batch_size, tuple(others)

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[ItemKey]]:
        rank, world_size = self.sampler.rank, self.sampler.world_size
        step = self.sampler.epoch * len(self)
        step += self.sampler.start // (world_size * self.batch_size)
        streams = [
            (_passes(other, source, step * count * world_size + rank, world_size), count)
            for source, (other, count) in enumerate(self.others, start=1)
        ]
        return self._join(iter(self.sampler), streams)

    def _join(
        self, main: Iterator[ItemKey], streams: list[tuple[Iterator[ItemKey], int]]
    ) -> Iterator[list[ItemKey]]:
        while batch := list(islice(main, self.batch_size)):
            for stream, count in streams:
                batch += islice(stream, count)
            yield batch


def _passes(other: EpochSampler, source: int, position: int, every: int) -> Iterator[ItemKey]:
    """Yield every so many-th item of all passes over a list laid end to end, without an end."""
    current, order, turns = -1, np.arange(0), np.arange(0)
    while True:
        number, place = divmod(position, other.num_items)
        if number != current:
            current, order = number, other.order(number)
            turns = turns_of(order)
        yield ItemKey(number, int(order[place]), source, int(turns[place]))
        position += every


def seed_of(seed: int, source: int) -> int:
    """Return the seed of a list: that of the run for the main one, others for the rest."""
    if source == 0:
        return seed
    return int(np.random.SeedSequence((seed, source)).generate_state(1)[0])
