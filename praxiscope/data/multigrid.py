"""Training clips whose shape changes from batch to batch: the batches, and their items."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from itertools import count, islice

from torch.utils.data import Dataset, Sampler

from praxiscope.data.balance import turns_of
from praxiscope.data.batch import EpochSampler
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.transforms import TrainTransform
from praxiscope.types import Broken, ItemKey, Sample

PASSES = 1000  # more than an epoch has: every pass over the list has items of its own


@dataclass(frozen=True, slots=True)
class Grid:
    """The shape of the clips of a batch, and how many times the usual videos it has."""

    frames: int
    size_px: int
    videos: int


class GridBatches(Sampler[list[ItemKey]]):
    """Batches of one shape each, and an epoch of as many batches as one at the full shape.

    An epoch passes the list as often as its batches need, each time in another order. What is in a
    batch depends on the seed, the epoch and the batch's number, so that a resumed run goes on
    exactly.

    Args:
        sampler: The order of the list; says which process this is.
        batch_size: Videos in a batch of this process at the full shape.
        grid: (epoch, number of the batch) -> shape.
    """

    def __init__(
        self, sampler: EpochSampler, batch_size: int, grid: Callable[[int, int], Grid]
    ) -> None:
        self.sampler, self.batch_size, self.grid = sampler, batch_size, grid

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[ItemKey]]:
        done = self.sampler.start // (self.batch_size * self.sampler.world_size)
        return self._batches(self.sampler.epoch, done)

    def _batches(self, epoch: int, done: int) -> Iterator[list[ItemKey]]:
        rank, world_size = self.sampler.rank, self.sampler.world_size
        keys = self._passes(epoch)
        for number in range(len(self)):
            grid = self.grid(epoch, number)
            taken = islice(keys, grid.videos * self.batch_size * world_size)
            mine = list(islice(taken, rank, None, world_size))
            if number >= done:
                yield [replace(key, shape=(grid.frames, grid.size_px)) for key in mine]

    def _passes(self, epoch: int) -> Iterator[ItemKey]:
        for number in count(epoch * PASSES):
            order = self.sampler.order(number)
            for index, turn in zip(order.tolist(), turns_of(order).tolist(), strict=True):
                yield ItemKey(number, index, turn=turn)


class GridDataset(Dataset[Sample | Broken]):
    """A training list whose items have the shape that their key asks for.

    A clip of fewer frames spans the same time: they lie further apart.
    """

    def __init__(self, dataset: RecognitionDataset) -> None:
        assert isinstance(dataset.transform, TrainTransform)
        self.dataset, self.transform = dataset, dataset.transform

    def __getitem__(self, key: ItemKey) -> Sample | Broken:
        assert key.shape is not None
        frames, size_px = key.shape
        clip, shaped = self.dataset.clip, copy(self.dataset)
        shaped.clip = replace(clip, frames=frames, stride=clip.stride * clip.frames // frames)
        shaped.transform = replace(self.transform, size=size_px)
        return shaped[key]
