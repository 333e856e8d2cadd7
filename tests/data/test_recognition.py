import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data import sampling
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import DataError, VideoError
from praxiscope.types import Broken, ItemKey, Sample
from tests.data.fakes import FakeSource, numbered_frame, open_fake

CLIP = Clip(frames=4, stride=3)
TRAIN = TrainTransform(short_side=None, size=16)


def dataset(
    transform: TrainTransform | Views,
    *records: tuple[str, tuple[int, ...]],
    clip: Clip = CLIP,
    listed: dict[str, Any] | None = None,
    **options: Any,
) -> RecognitionDataset:
    videos = VideoList(**{"root": Path("videos"), "num_classes": 10, **(listed or {})})
    options.setdefault("open_source", open_fake)
    rows = [Record(path, labels) for path, labels in records]
    return RecognitionDataset(videos, clip, transform, records=rows, **options)


def sample(data: RecognitionDataset, index: int = 0, epoch: int = 0) -> Sample:
    item = data[ItemKey(epoch, index)]
    assert isinstance(item, Sample)
    return item


def test_views_are_crops_major_and_clips_minor() -> None:
    views = Views(clips=3, crops=3, size=32, short_side=None)
    item = sample(dataset(views, ("60.fake", (7,))))
    indices = sampling.test_clips(60, CLIP, 3, "0.x")
    assert item.clips.shape == (9, 3, 4, 32, 32)
    assert item.clips.dtype == torch.uint8
    for crop, left in enumerate((0, 16, 8)):  # left, right, middle
        for clip in range(3):
            for t in range(4):
                frame = numbered_frame(int(indices[clip, t]), 32, 48)[:, left : left + 32]
                got = item.clips[crop * 3 + clip, :, t].permute(1, 2, 0).numpy()
                assert (got == frame).all()


def test_every_frame_is_decoded_once_and_the_video_closed() -> None:
    source = FakeSource(20)
    views = Views(clips=10, crops=3, size=16, short_side=None)
    data = dataset(views, ("v", (0,)), open_source=lambda *_: source)
    assert sample(data).clips.shape == (30, 3, 4, 16, 16)
    assert max(source.decoded) == 1
    assert source.closed


def test_a_training_item_is_one_clip_of_one_crop() -> None:
    item = sample(dataset(TRAIN, ("60.fake", (7,))))
    assert item.clips.shape == (1, 3, 4, 16, 16)
    assert item.label == 7
    assert item.label.dtype == torch.int64
    assert (item.video, item.index) == ("60.fake", 0)
    first = item.clips[0, 0, :, 0, 0].tolist()  # red is the frame's number
    assert np.diff(first).tolist() == [3, 3, 3]


@settings(deadline=None)
@given(seed=st.integers(0, 9), epoch=st.integers(0, 9), index=st.integers(0, 4))
def test_an_item_depends_on_seed_epoch_and_index_alone(seed: int, epoch: int, index: int) -> None:
    rows = [("200.fake", (0,))] * 5
    one, other = (dataset(TRAIN, *rows, seed=seed) for _ in range(2))
    for noise in range(index):
        one[ItemKey(epoch + 1, noise)]
    assert (sample(one, index, epoch).clips == sample(other, index, epoch).clips).all()


def test_items_differ_between_seeds_epochs_and_indices() -> None:
    rows = [("200.fake", (0,))] * 2
    base = dataset(TRAIN, *rows)
    items = [
        sample(base, 0, 0),
        sample(base, 1, 0),
        sample(base, 0, 1),
        sample(dataset(TRAIN, *rows, seed=1)),
    ]
    assert len({item.clips.numpy().tobytes() for item in items}) == 4


def test_a_plain_index_means_epoch_0() -> None:
    data = dataset(TRAIN, ("200.fake", (0,)))
    item = data[0]
    assert isinstance(item, Sample)
    assert (item.clips == sample(data).clips).all()


@pytest.mark.parametrize("num_frames", [1, 3, 11])
def test_a_video_shorter_than_the_clip_is_repeated(num_frames: int) -> None:
    views = Views(size=16, short_side=None)
    frames = sample(dataset(views, (f"{num_frames}.fake", (0,)))).clips[0, 0, :, 0, 0]
    assert frames.tolist() == [t * 3 % num_frames for t in range(4)]
    trained = sample(dataset(TRAIN, (f"{num_frames}.fake", (0,)))).clips[0, 0, :, 0, 0]
    assert trained.tolist() == [t * 3 % num_frames for t in range(4)]


def test_short_and_long_videos_have_the_same_number_of_views_when_taken_twice() -> None:
    views = Views(clips=5, size=16, short_side=None, twice=True)
    data = dataset(views, ("3.fake", (0,)), ("99.fake", (0,)))
    assert sample(data, 0).clips.shape == sample(data, 1).clips.shape == (10, 3, 4, 16, 16)
    assert (sample(data, 0).clips == sample(data, 0).clips[:1]).all()


def test_one_frame_fills_every_clip_with_its_centre_frame() -> None:
    views = Views(clips=2, size=16, short_side=None)
    moving = sample(dataset(views, ("60.fake", (0,)))).clips[:, 0, :, 0, 0]
    still = sample(dataset(views, ("60.fake", (0,)), one_frame=True)).clips[:, 0, :, 0, 0]
    assert (still == moving[:, 2:3]).all()


def test_a_flip_exchanges_the_labels_of_a_pair_in_both_directions() -> None:
    listed = {"flip_pairs": ((0, 1), (6, 7))}
    rows = [("9.fake", (label,)) for label in range(10)]
    mirrored = TrainTransform(short_side=None, size=16, flip=1)
    straight = TrainTransform(short_side=None, size=16, flip=0)
    data, same = dataset(mirrored, *rows, listed=listed), dataset(straight, *rows, listed=listed)
    assert [int(sample(data, i).label) for i in range(10)] == [1, 0, 2, 3, 4, 5, 7, 6, 8, 9]
    assert [int(sample(same, i).label) for i in range(10)] == list(range(10))


def test_several_labels_become_zeros_and_ones() -> None:
    listed = {"multi_label": True, "flip_pairs": ((1, 4),)}
    mirrored = TrainTransform(short_side=None, size=16, flip=1)
    item = sample(dataset(mirrored, ("9.fake", (1, 3)), listed=listed))
    assert item.label.dtype == torch.float32
    assert item.label.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_a_video_without_label_has_label_minus_1() -> None:
    assert sample(dataset(TRAIN, ("9.fake", ()))).label == -1


def test_optical_flow_has_two_channels() -> None:
    item = sample(dataset(TRAIN, ("9.fake", (0,)), listed={"kind": "flow"}))
    assert item.clips.shape == (1, 2, 4, 16, 16)


def test_a_broken_video_is_named_with_list_item_and_file() -> None:
    listed = {"annotations": Path("some/list.txt")}
    data = dataset(TRAIN, ("9.fake", (0,)), ("broken.fake", (0,)), listed=listed)
    reason = "some/list.txt, item 1: videos/broken.fake is no video."
    assert data[1] == Broken("broken.fake", 1, reason)
    with pytest.raises(VideoError, match=reason):
        data.load(ItemKey(0, 1))


def test_frames_smaller_than_the_crop_are_named_with_the_way_out() -> None:
    data = dataset(Views(size=64, short_side=None), ("9.fake", (0,)))
    with pytest.raises(DataError, match=r"item 0: videos/9\.fake: frames of 48 x 32 .*short_side"):
        data.load(ItemKey(0, 0))


def test_a_source_without_frames_is_broken() -> None:
    item = dataset(TRAIN, ("0.fake", (0,)))[0]
    assert isinstance(item, Broken)
    assert "holds no frame that can be decoded" in item.reason


def test_an_error_of_ours_is_not_taken_for_a_broken_video() -> None:
    def open_wrongly(*_: object) -> FakeSource:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dataset(TRAIN, ("9.fake", (0,)), open_source=open_wrongly)[0]


def test_a_dataset_travels_to_a_worker_as_it_is() -> None:
    data = dataset(TRAIN, ("60.fake", (7,)), seed=3)
    there = pickle.loads(pickle.dumps(data))
    assert (sample(there).clips == sample(data).clips).all()


def write_video(path: Path, frames: Sequence[np.ndarray]) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))


def test_a_list_of_video_files_is_read_frame_by_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a b.mp4", [np.full((48, 64, 3), 8 * k, np.uint8) for k in range(30)])
    (tmp_path / "list.txt").write_text("a b.mp4 5\ngone.mp4 1\n")
    videos = VideoList(root=tmp_path, annotations=tmp_path / "list.txt", num_classes=10)
    data = RecognitionDataset(videos, CLIP, Views(clips=2, crops=3, size=32, short_side=40))
    item = sample(data)
    assert item.clips.shape == (6, 3, 4, 32, 32)
    assert item.label == 5
    grey = item.clips.float().mean(dim=(1, 3, 4)).numpy()
    expected = np.tile(sampling.test_clips(30, CLIP, 2, "0.x") * 8, (3, 1))
    assert np.abs(grey - expected).max() < 3  # libx264 is not lossless
    gone = data[1]
    assert isinstance(gone, Broken)
    assert gone.reason.startswith(f"{tmp_path}/list.txt, item 1: ")
    assert "gone.mp4" in gone.reason


def test_folders_of_images_and_of_flow_are_read_from_their_offset(tmp_path: Path) -> None:
    for k in range(1, 41):
        for name in ("img", "x", "y"):
            folder = tmp_path / "clip"
            folder.mkdir(exist_ok=True)
            grey = 6 * k if name != "y" else 255 - 6 * k
            cv2.imwrite(str(folder / f"{name}_{k:05d}.jpg"), np.full((32, 32, 3), grey, np.uint8))
    (tmp_path / "list.txt").write_text("clip 10 20 3\n")
    common = {"root": tmp_path, "annotations": tmp_path / "list.txt", "num_classes": 10}
    expected = (11 + sampling.test_clips(20, CLIP, 1, "1.x")[0]) * 6
    views = Views(size=32, short_side=None, clip_starts="1.x")
    for kind in ("frames", "flow"):
        videos = VideoList(**common, kind=kind, with_offset=True)
        item = sample(RecognitionDataset(videos, CLIP, views))
        shown = item.clips.float().mean(dim=(0, 3, 4)).numpy()
        assert np.abs(shown[0] - expected).max() < 2  # JPEG
        if kind == "flow":
            assert np.abs(shown[1] - (255 - expected)).max() < 2
