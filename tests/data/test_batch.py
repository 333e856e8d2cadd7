from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.batch import EpochSampler, ShardSampler, collate, make_loader
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform
from praxiscope.errors import VideoError
from praxiscope.types import Broken, ItemKey, Sample
from tests.data.fakes import open_fake

sizes = st.integers(1, 200)
worlds = st.integers(1, 9)


def sample(index: int, label: int = 0) -> Sample:
    clips = torch.full((2, 3, 4, 5, 6), index, dtype=torch.uint8)
    return Sample(clips, torch.tensor(label), f"{index}.mp4", index)


def fake_dataset(*names: str) -> RecognitionDataset:
    return RecognitionDataset(
        VideoList(root=Path("videos"), num_classes=10),
        Clip(frames=4, stride=2),
        TrainTransform(short_side=None, size=16),
        records=[Record(f"{name}.fake", (i % 10,)) for i, name in enumerate(names)],
        open_source=open_fake,
    )


def indices(sampler: EpochSampler | ShardSampler) -> list[int]:
    return [key.index for key in sampler]


def test_samples_are_stacked_in_order() -> None:
    batch = collate([sample(3, 1), sample(5, 2)])
    assert batch.clips.shape == (2, 2, 3, 4, 5, 6)
    assert batch.clips[:, 0, 0, 0, 0, 0].tolist() == [3, 5]
    assert batch.labels.tolist() == [1, 2]
    assert (batch.videos, batch.indices, batch.broken) == (("3.mp4", "5.mp4"), (3, 5), ())


def test_broken_videos_are_left_out_and_listed() -> None:
    broken = Broken("4.mp4", 4, "why")
    batch = collate([sample(3), broken, sample(5)])
    assert (batch.indices, batch.broken, len(batch)) == ((3, 5), (broken,), 2)


def test_a_batch_of_broken_videos_is_empty() -> None:
    broken = Broken("4.mp4", 4, "why")
    batch = collate([broken, broken]).to("cpu")
    assert (len(batch), batch.broken) == (0, (broken, broken))
    assert batch.clips.shape == (0, 0, 0, 0, 0, 0)
    assert batch.clips.dtype == torch.uint8
    assert batch.labels.shape == (0,)


@settings(deadline=None)
@given(num_items=sizes, world_size=worlds, seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_an_epoch_visits_every_item_and_gives_every_process_as_many(
    num_items: int, world_size: int, seed: int, epoch: int
) -> None:
    shares = []
    for rank in range(world_size):
        sampler = EpochSampler(num_items, seed=seed, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        shares.append(indices(sampler))
        assert len(shares[-1]) == len(sampler)
    together = [index for share in shares for index in share]
    assert set(together) == set(range(num_items))
    assert len(together) - num_items < world_size


@settings(deadline=None)
@given(num_items=sizes, world_size=worlds, steps=st.integers(0, 30))
def test_an_epoch_goes_on_where_it_was_left(num_items: int, world_size: int, steps: int) -> None:
    for rank in range(world_size):
        whole = EpochSampler(num_items, seed=1, rank=rank, world_size=world_size)
        rest = EpochSampler(num_items, seed=1, rank=rank, world_size=world_size)
        whole.set_epoch(2)
        rest.resume(epoch=2, start=steps * world_size)
        rest.set_epoch(2)  # as a trainer does at the start of every epoch
        assert list(rest) == list(whole)[steps:]
        assert len(rest) == len(whole)
        rest.set_epoch(3)
        whole.set_epoch(3)
        assert list(rest) == list(whole)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = EpochSampler(50, seed=seed)
        sampler.set_epoch(epoch)
        assert list(sampler) == list(sampler)
        return indices(sampler)

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert indices(EpochSampler(5, seed=0, shuffle=False)) == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(num_items=st.integers(0, 200), world_size=worlds)
def test_shards_count_every_item_once(num_items: int, world_size: int) -> None:
    shards = [ShardSampler(num_items, rank=r, world_size=world_size) for r in range(world_size)]
    assert sorted(i for shard in shards for i in indices(shard)) == list(range(num_items))
    assert [len(shard) for shard in shards] == [len(indices(shard)) for shard in shards]


def test_a_loader_batches_in_the_samplers_order() -> None:
    data = fake_dataset(*["50"] * 5)
    loader = make_loader(data, 2, ShardSampler(5))
    assert [batch.indices for batch in loader] == [(0, 1), (2, 3), (4,)]
    assert len(make_loader(data, 2, ShardSampler(5), drop_last=True)) == 2


def test_a_broken_video_ends_the_loading_by_default() -> None:
    data = fake_dataset("50", "50", "broken", "50")
    batches = iter(make_loader(data, 2, ShardSampler(4)))
    assert next(batches).indices == (0, 1)
    with pytest.raises(VideoError, match=r"videos, item 2: videos/broken\.fake is no video\.$"):
        next(batches)


def test_a_broken_video_is_left_out_and_listed_on_request() -> None:
    data = fake_dataset("50", "50", "broken", "50")
    batches = list(make_loader(data, 2, ShardSampler(4), skip_broken=True))
    assert [batch.indices for batch in batches] == [(0, 1), (3,)]
    assert [[b.index for b in batch.broken] for batch in batches] == [[], [2]]


def test_loading_leaves_the_training_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    list(make_loader(fake_dataset("50"), 1, ShardSampler(1)))
    assert (torch.random.get_rng_state() == state).all()


def test_workers_that_outlive_an_epoch_give_the_items_of_the_next_one() -> None:
    data = fake_dataset("50", "60", "70", "80", "broken")
    sampler = EpochSampler(5, seed=0)
    loader = make_loader(data, 2, sampler, workers=2, skip_broken=True)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for batch in loader:
            for clips, index in zip(batch.clips, batch.indices, strict=True):
                expected = data[ItemKey(epoch, index)]
                assert isinstance(expected, Sample)
                assert (clips == expected.clips).all()
    loader.skip_broken = False
    with pytest.raises(VideoError, match=r"^videos, item 4: videos/broken\.fake is no video\.$"):
        list(loader)
