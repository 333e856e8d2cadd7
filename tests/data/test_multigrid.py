"""Batches of one shape each."""

from pathlib import Path

import pytest
import torch

from praxiscope.data.batch import EpochSampler, make_batch_loader
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.multigrid import Grid, GridBatches, GridDataset
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform
from praxiscope.types import ItemKey, Sample
from tests.data.fakes import open_fake

VIDEOS = 10


def grid(epoch: int, number: int) -> Grid:
    """Two shapes in turn."""
    return [Grid(2, 8, 4), Grid(4, 16, 1)][(epoch + number) % 2]


def batches_of(rank: int = 0, world_size: int = 1, start: int = 0) -> list[list[ItemKey]]:
    sampler = EpochSampler(VIDEOS, seed=0, rank=rank, world_size=world_size)
    sampler.resume(1, start)
    return list(GridBatches(sampler, 2, grid))


def test_an_epoch_has_the_batches_of_one_at_the_full_shape_each_of_one_shape() -> None:
    batches = batches_of()
    assert [len(batch) for batch in batches] == [2, 8, 2, 8, 2]
    assert [{key.shape for key in batch} for batch in batches] == [
        {(4, 16)} if len(batch) == 2 else {(2, 8)} for batch in batches
    ]


def test_an_epoch_passes_the_list_as_often_as_it_takes_in_orders_and_items_of_their_own() -> None:
    keys = [key for batch in batches_of() for key in batch]
    passes = [keys[start : start + VIDEOS] for start in range(0, len(keys), VIDEOS)]
    orders = [tuple(key.index for key in one) for one in passes]
    assert all(set(order) == set(range(VIDEOS)) for order in orders[:2])
    assert orders[0] != orders[1]
    assert len({(key.epoch, key.index) for key in keys}) == len(keys)


def test_processes_have_disjoint_shares_of_every_batch() -> None:
    shares = [batches_of(rank, 2) for rank in range(2)]
    assert [len(batch) for batch in shares[0]] == [2, 8, 2]
    for first, second in zip(*shares, strict=True):
        assert len(first) == len(second) and first[0].shape == second[0].shape
        assert not {(k.epoch, k.index) for k in first} & {(k.epoch, k.index) for k in second}


@pytest.mark.parametrize("done", range(4))
def test_an_epoch_goes_on_where_it_was_left(done: int) -> None:
    assert batches_of(start=done * 2) == batches_of()[done:]
    assert batches_of(1, 2, start=done * 4) == batches_of(1, 2)[done:]


def test_a_loader_gives_clips_of_these_shapes_that_span_the_same_time() -> None:
    dataset = RecognitionDataset(
        VideoList(root=Path("videos"), num_classes=10),
        Clip(frames=4, stride=2),
        TrainTransform(short_side=None, size=16),
        records=[Record(f"{50 + i}.fake", (i,)) for i in range(VIDEOS)],
        open_source=open_fake,
    )
    sampler = EpochSampler(VIDEOS, seed=0)
    loader = make_batch_loader(GridDataset(dataset), GridBatches(sampler, 2, grid), workers=1)
    shapes = [tuple(batch.clips.shape) for batch in loader]
    small, full = (8, 1, 3, 2, 8, 8), (2, 1, 3, 4, 16, 16)
    assert shapes == [small, full, small, full, small]
    assert loader.state_dict() == {"epoch": 0, "batches_done": 5}
    # the full shape is the item that the list itself gives
    item = GridDataset(dataset)[ItemKey(3, 1, shape=(4, 16))]
    plain = dataset[ItemKey(3, 1)]
    assert isinstance(item, Sample) and isinstance(plain, Sample)
    assert torch.equal(item.clips, plain.clips)
