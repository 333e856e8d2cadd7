"""All key frames of a video in one decode."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_in_order import KeyFramesInOrder
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.batch import make_stream_loader
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, write_ava_dataset
from praxiscope.data.video import Video
from praxiscope.types import ActorBatch, ActorSample, Broken
from tests.data.tiny_ava import write_tiny_ava

TRANSFORM = BoxTransform(short_side=(32, 32), size=None, flip=0)


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    return write_ava_dataset(
        tmp_path_factory.mktemp("actors"),
        train_videos=3,
        val_videos=0,
        videos=ActorVideos(seconds=5),
    )


def dataset(ava: AvaList, clip: Clip) -> AvaDataset:
    return AvaDataset(ava, clip, TRANSFORM, training=False)


def assert_same(ours: ActorSample | Broken, theirs: ActorSample | Broken) -> None:
    assert isinstance(ours, ActorSample)
    assert isinstance(theirs, ActorSample)
    for name in ("clip", "proposals", "shares", "truth", "labels"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert (ours.video, ours.timestamp, ours.index) == (
        theirs.video,
        theirs.timestamp,
        theirs.index,
    )


@pytest.mark.parametrize("clip", [Clip(frames=4, stride=3), Clip(frames=8, stride=5)])
@pytest.mark.parametrize("kind", ["video", "frames"])
def test_key_frames_in_order_are_those_asked_for_one_by_one(
    actors: AvaDatasetFiles, tmp_path: Path, kind: str, clip: Clip
) -> None:
    ava = actors.list("train") if kind == "video" else write_tiny_ava(tmp_path)
    key_frames = dataset(ava, clip)
    for places in key_frames.key_frames.by_video().values():
        found = list(key_frames.in_order(places.tolist()))
        assert len(found) == len(places) > 1
        for ours, place in zip(found, places.tolist(), strict=True):
            assert_same(ours, key_frames[place])


def test_a_frame_is_decoded_once_however_many_clips_have_it(
    actors: AvaDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_frames = dataset(actors.list("train"), Clip(frames=8, stride=4))
    calls: list[list[int]] = []
    real = Video.pictures

    def counted(self: Video, wanted: Any) -> Any:
        calls.append(sorted(wanted))
        return real(self, wanted)

    monkeypatch.setattr(Video, "pictures", counted)
    places = next(iter(key_frames.key_frames.by_video().values()))
    assert len(list(key_frames.in_order(places.tolist()))) == 5
    (wanted,) = calls
    assert len(wanted) < 5 * 8


def test_key_frames_after_the_end_do_not_keep_others_from_one_decode(
    actors: AvaDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    ava = actors.list("train")
    key_frames = dataset(replace(ava, fps=2 * ava.fps), Clip(frames=4, stride=3))
    places = next(iter(key_frames.key_frames.by_video().values())).tolist()
    expected = [key_frames[place] for place in places]
    calls: list[Any] = []
    real = Video.pictures
    monkeypatch.setattr(
        Video, "pictures", lambda self, wanted: calls.append(wanted) or real(self, wanted)
    )
    found = list(key_frames.in_order(places))
    inside = sum(isinstance(one, ActorSample) for one in expected)
    assert 1 < inside < len(places)
    assert len(calls) == 1
    for ours, theirs in zip(found[:inside], expected[:inside], strict=True):
        assert_same(ours, theirs)
    assert found[inside:] == expected[inside:]


def test_where_frames_come_in_disorder_key_frames_are_decoded_one_by_one(
    actors: AvaDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_frames = dataset(actors.list("train"), Clip(frames=4, stride=3))
    places = next(iter(key_frames.key_frames.by_video().values())).tolist()
    expected = [key_frames[place] for place in places]
    real = Video.pictures
    monkeypatch.setattr(Video, "pictures", lambda s, wanted: reversed(list(real(s, wanted))))
    for ours, theirs in zip(key_frames.in_order(places), expected, strict=True):
        assert_same(ours, theirs)


def test_sound_key_frames_of_a_damaged_folder_are_kept(tmp_path: Path) -> None:
    ava = write_tiny_ava(tmp_path)
    key_frames = dataset(ava, Clip(frames=2, stride=1))
    (ava.root / "a" / "img_00009.jpg").write_bytes(b"no image")
    places = key_frames.key_frames.by_video()["a"].tolist()
    first, second = key_frames.in_order(places)
    assert isinstance(first, ActorSample)
    assert isinstance(second, Broken)
    assert "img_00009.jpg is damaged" in second.reason
    shutil.rmtree(ava.root / "a")
    assert all(isinstance(one, Broken) for one in key_frames.in_order(places))


def test_a_batch_is_of_one_video_and_every_key_frame_comes_once(actors: AvaDatasetFiles) -> None:
    key_frames = dataset(actors.list("train"), Clip(frames=2, stride=2))
    places = list(key_frames.key_frames.by_video().values())
    for workers in (0, 2):
        stream = KeyFramesInOrder(key_frames, places, batch=2)
        batches: list[ActorBatch] = list(make_stream_loader(stream, workers=workers))
        assert all(len(set(batch.videos)) == 1 for batch in batches)
        assert [len(batch) for batch in batches if batch.videos[0] == "train_00000"] == [2, 2, 1]
        found = [index for batch in batches for index in batch.indices]
        assert sorted(found) == list(range(len(key_frames)))


def test_draws_have_no_order(actors: AvaDatasetFiles) -> None:
    ava = actors.list("train")
    training = AvaDataset(ava, Clip(frames=2, stride=2), TRANSFORM, training=True)
    with pytest.raises(AssertionError):
        next(training.in_order([0]))


def test_the_digest_of_a_list_is_that_of_its_persons(actors: AvaDatasetFiles) -> None:
    ava = actors.list("train")

    def digest(**changes: Any) -> str:
        return dataset(replace(ava, **changes), Clip(frames=2, stride=2)).key_frames.digest()

    assert digest() == digest()
    persons = {digest(), digest(min_score=0.99), digest(proposals=None)}
    assert len(persons | {digest(fps=29.97), digest(first_timestamp=0.5)}) == 5
