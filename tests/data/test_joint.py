"""Batches of several lists: whose items, how many, and in which order."""

from itertools import chain
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.balance import ClassBalance
from praxiscope.data.batch import EpochSampler
from praxiscope.data.joint import JointBatches, JointDataset, seed_of
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform
from praxiscope.types import Broken, ItemKey, Sample
from tests.data.fakes import open_fake

sizes = st.integers(1, 60)
counts = st.integers(1, 5)
worlds = st.integers(1, 4)


def joint(
    main: int,
    others: tuple[tuple[int, int], ...],
    *,
    batch: int = 4,
    rank: int = 0,
    world_size: int = 1,
    epoch: int = 0,
    start: int = 0,
) -> JointBatches:
    """Batches of lists of so many items; ``others`` are (items, items in a batch)."""
    sampler = EpochSampler(main, seed=3, rank=rank, world_size=world_size)
    sampler.resume(epoch, start)
    return JointBatches(
        sampler,
        batch,
        [(EpochSampler(n, seed=seed_of(3, i)), k) for i, (n, k) in enumerate(others, start=1)],
    )


def epochs(batches: list[JointBatches]) -> list[ItemKey]:
    return list(chain.from_iterable(chain.from_iterable(batches)))


@settings(deadline=None)
@given(main=sizes, sizes=st.lists(st.tuples(sizes, counts), max_size=3), batch=counts)
def test_every_batch_has_its_share_of_every_list_and_the_main_list_sets_their_number(
    main: int, sizes: list[tuple[int, int]], batch: int
) -> None:
    batches = joint(main, tuple(sizes), batch=batch)
    made = list(batches)
    assert len(made) == len(batches) == -(-main // batch)
    for number, keys in enumerate(made):
        of_main = min(batch, main - number * batch)
        sources = [0] * of_main + [i for i, (_, k) in enumerate(sizes, start=1) for _ in range(k)]
        assert [key.source for key in keys] == sources
    assert sorted(key.index for key in chain(*made) if key.source == 0) == list(range(main))


@settings(deadline=None)
@given(main=sizes, other=sizes, count=counts, world_size=worlds)
def test_a_list_is_gone_through_again_and_again_each_time_in_another_order(
    main: int, other: int, count: int, world_size: int
) -> None:
    drawn: dict[int, list[int]] = {}
    for rank in range(world_size):
        runs = [
            joint(main, ((other, count),), rank=rank, world_size=world_size, epoch=epoch)
            for epoch in range(3)
        ]
        for key in epochs(runs):
            if key.source == 1:
                drawn.setdefault(key.epoch, []).append(key.index)
    total = 3 * len(runs[0]) * count * world_size
    last = (total - 1) // other
    assert sorted(drawn) == list(range(last + 1))
    for number in range(last):  # whole passes, over all processes together: every item once
        assert sorted(drawn[number]) == list(range(other))
    assert len(set(drawn[last])) == len(drawn[last]) == total - last * other


def test_passes_differ_in_their_order_and_from_those_of_other_lists() -> None:
    runs = [joint(40, ((20, 2), (20, 2)), epoch=epoch) for epoch in range(2)]
    orders = {
        (source, number): [
            key.index for key in epochs(runs) if (key.source, key.epoch) == (source, number)
        ]
        for source in (1, 2)
        for number in (0, 1)
    }
    assert len({tuple(order) for order in orders.values()}) == 4
    assert all(sorted(order) == list(range(20)) for order in orders.values())


def test_two_processes_draw_disjoint_shares_of_every_list() -> None:
    shares = [joint(30, ((90, 3), (70, 1)), rank=rank, world_size=2) for rank in (0, 1)]
    a, b = (set(epochs([share])) for share in shares)
    assert not a & b
    of_web = [[key for key in share if key.source == 1] for share in (a, b)]
    assert [len(keys) for keys in of_web] == [12, 12]


@settings(deadline=None)
@given(main=sizes, other=sizes, count=counts, world_size=worlds, done=st.integers(0, 20))
def test_a_resumed_epoch_goes_on_where_it_stopped(
    main: int, other: int, count: int, world_size: int, done: int
) -> None:
    for rank in range(world_size):
        whole = joint(main, ((other, count),), rank=rank, world_size=world_size, epoch=2)
        done = min(done, len(whole))
        rest = joint(
            main,
            ((other, count),),
            rank=rank,
            world_size=world_size,
            epoch=2,
            start=done * 4 * world_size,
        )
        assert list(rest) == list(whole)[done:]


def fake_list(folder: str, seed: int, *names: str) -> RecognitionDataset:
    return RecognitionDataset(
        VideoList(root=Path(folder), num_classes=10),
        Clip(frames=4, stride=2),
        TrainTransform(short_side=None, size=16),
        seed=seed,
        records=[Record(f"{name}.fake", (i % 10,)) for i, name in enumerate(names)],
        open_source=open_fake,
    )


def test_an_item_says_which_list_it_is_of() -> None:
    data = JointDataset([fake_list("main", 0, "90"), fake_list("web", 1, "70", "90")])
    found = data[ItemKey(0, 0, 0)], data[ItemKey(0, 1, 1)]
    assert all(isinstance(one, Sample) for one in found)
    assert [(one.video, one.index) for one in found] == [("90.fake", 0), ("90.fake", 1)]
    assert [one.source for one in found if isinstance(one, Sample)] == [0, 1]


def test_equal_places_in_two_lists_are_cropped_differently() -> None:
    data = JointDataset([fake_list("a", seed_of(5, i), "90") for i in range(3)])
    clips = [data.datasets[i].load(ItemKey(0, 0, i)).clips for i in range(3)]
    assert not clips[0].equal(clips[1])
    assert not clips[1].equal(clips[2])


def test_broken_videos_of_other_lists_are_told_apart_by_their_folder() -> None:
    data = JointDataset([fake_list("main", 0, "broken"), fake_list("web", 1, "broken")])
    found = data[ItemKey(0, 0, 0)], data[ItemKey(0, 0, 1)]
    assert all(isinstance(one, Broken) for one in found)
    assert [one.video for one in found] == ["broken.fake", "web/broken.fake"]


def test_each_turn_of_a_video_in_one_pass_is_another_clip() -> None:
    data = fake_list("web", 1, "90")
    clips = [data.load(ItemKey(0, 0, turn=turn)).clips for turn in range(3)]
    assert not clips[0].equal(clips[1])
    assert not clips[1].equal(clips[2])
    balance = ClassBalance([0, 0, 0, 0, 1], 0.0)
    other = EpochSampler(5, seed=1, balance=balance)
    batches = JointBatches(EpochSampler(5, seed=0), 1, [(other, 1)])
    keys = [key for keys in batches for key in keys if key.index == 4 and key.source == 1]
    assert [key.turn for key in keys] == list(range(len(keys)))
    assert len(keys) >= 2
