"""Samples of key frames: what is in the clip is where the boxes say, whatever is done to both."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from praxiscope.data.ava import AvaDataset, output_names
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.batch import collate_actors
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.errors import DataError
from praxiscope.types import ActorSample, Broken, ItemKey

HEIGHT, WIDTH, FRAMES = 60, 100, 30
BOX = (0.4, 0.3, 0.6, 0.7)  # of the one white rectangle: in the middle half of every frame
WHOLE = BoxTransform(short_side=(60, 60), size=None, flip=0)


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    """Three seconds of ten images that grow brighter; somebody white sits and talks."""
    folder = tmp_path / "frames/film"
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), 3 * number, np.uint8)
        frame[18:42, 40:60] = 255
        cv2.imwrite(str(folder / f"img_{number + 1:05d}.png"), frame)
    box = ",".join(map(str, BOX))
    (tmp_path / "ava.csv").write_text(
        f"film,0010,{box},1,7\nfilm,0010,{box},3,7\nfilm,0012,{box},2,7\nfilm,0011,{box},2,7\n"
    )
    return AvaList(
        root=tmp_path / "frames",
        annotations=tmp_path / "ava.csv",
        num_classes=4,
        template="img_{:05d}.png",
        fps=10,
        first_timestamp=10,
        last_timestamp=13,
        convention="0.x",
    )


def brightness(sample: ActorSample) -> list[int]:
    """Return the number of the frame that each picture of the clip is, by its corner."""
    return (sample.clip[0, :, 0, 0].round() // 3).tolist()


def test_the_frames_around_the_key_frame_are_the_clip(ava: AvaList) -> None:
    dataset = AvaDataset(ava, Clip(frames=4, stride=2), WHOLE, training=False)
    assert [dataset.load(ItemKey(0, i)).timestamp for i in range(3)] == [10, 12, 11]
    first, last, middle = (brightness(dataset.load(ItemKey(0, i))) for i in range(3))
    assert middle == [6, 8, 10, 12]  # second 11 is frame 10
    assert first == [0, 0, 0, 2]  # before the beginning there is the first frame
    assert last == [16, 18, 20, 22]


def test_one_frame_is_the_key_frame_alone(ava: AvaList) -> None:
    dataset = AvaDataset(ava, Clip(frames=4, stride=2), WHOLE, training=False, one_frame=True)
    assert brightness(dataset.load(ItemKey(0, 2))) == [10] * 4


@pytest.mark.parametrize("epoch", range(8))
def test_the_box_stays_on_the_person_through_resize_crop_and_flip(ava: AvaList, epoch: int) -> None:
    transform = BoxTransform(short_side=(60, 120), size=56, flip=0.5)
    dataset = AvaDataset(ava, Clip(frames=2, stride=1), transform, training=True)
    sample = dataset.load(ItemKey(epoch, 0))
    assert sample.clip.shape == (3, 2, 56, 56)
    white = sample.clip[0, 0] > 128
    x1, y1, x2, y2 = sample.truth[0].tolist()
    shown = torch.zeros(56, 56, dtype=torch.bool)
    shown[round(y1) : round(y2) + 1, round(x1) : round(x2) + 1] = True
    if white.any():
        overlap = (shown & white).sum() / (shown | white).sum()
        assert overlap > 0.8
    else:
        assert (x2 - x1) * (y2 - y1) < 60  # collapsed onto the crop's border


def test_an_item_depends_on_its_key_alone(ava: AvaList) -> None:
    transform = BoxTransform(short_side=(60, 120), size=56)
    dataset, other = (
        AvaDataset(ava, Clip(frames=4, stride=3), transform, training=True, seed=seed)
        for seed in (5, 6)
    )
    keys = [ItemKey(0, 0), ItemKey(1, 0), ItemKey(0, 2)]
    samples = {key: dataset.load(key) for key in keys}
    for key in reversed(keys):
        assert torch.equal(dataset.load(key).clip, samples[key].clip)
        assert torch.equal(dataset.load(key).truth, samples[key].truth)
    assert not torch.equal(samples[keys[0]].clip, samples[keys[1]].clip)
    assert not torch.equal(samples[keys[0]].clip, other.load(keys[0]).clip)


def test_labels_of_a_person_are_zeros_and_ones_behind_the_background(ava: AvaList) -> None:
    sample = AvaDataset(ava, Clip(frames=1, stride=1), WHOLE, training=False).load(ItemKey(0, 0))
    assert sample.labels.tolist() == [[0, 1, 0, 1]]
    torch.testing.assert_close(sample.truth, torch.tensor([[40.0, 18, 60, 42]]))
    assert torch.equal(sample.proposals, sample.truth)  # the list has no proposals


def test_proposals_are_in_pixels_of_the_clip_and_shares_of_the_frame(ava: AvaList) -> None:
    given = np.array([[0.1, 0.2, 0.3, 0.4, 0.95], [0, 0, 1, 1, 0.2]], np.float32)
    np.savez(ava.annotations.with_name("p.npz"), **{"film,0010": given})
    listed = replace(ava, proposals=ava.annotations.with_name("p.npz"))
    dataset = AvaDataset(listed, Clip(frames=1, stride=1), WHOLE, training=False)
    sample = dataset.load(ItemKey(0, 0))
    torch.testing.assert_close(sample.shares, torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    torch.testing.assert_close(sample.proposals, torch.tensor([[10.0, 12, 30, 24]]))
    whole = dataset.load(ItemKey(0, 1))  # nothing was proposed in second 12
    assert whole.shares.tolist() == [[0, 0, 1, 1]]


def test_key_frames_of_one_size_make_a_batch_and_broken_ones_stand_apart(ava: AvaList) -> None:
    (ava.root / "film/img_00013.png").write_bytes(b"no picture")
    dataset = AvaDataset(ava, Clip(frames=4, stride=2), WHOLE, training=False)
    items = [dataset[index] for index in range(3)]
    assert isinstance(items[2], Broken)
    assert "ava.csv, film at 11 s: " in items[2].reason
    assert "img_00013.png" in items[2].reason
    batch = collate_actors(items)
    assert len(batch) == 2
    assert batch.clips.shape == (2, 3, 4, HEIGHT, WIDTH)
    assert (batch.timestamps, batch.indices) == ((10, 12), (0, 1))
    assert [broken.video for broken in batch.broken] == ["film"]
    assert len(collate_actors([items[2]])) == 0


def test_a_timestamp_after_the_end_of_its_video_is_said_to_be_so(ava: AvaList) -> None:
    for number in range(15, FRAMES):
        (ava.root / f"film/img_{number + 1:05d}.png").unlink()
    dataset = AvaDataset(ava, Clip(frames=1, stride=1), WHOLE, training=False)
    with pytest.raises(DataError, match=r"film at 12 s: .*timestamp 12 lies outside its video"):
        dataset.load(ItemKey(0, 1))


def test_a_strip_is_refused_before_it_fills_the_memory(ava: AvaList) -> None:
    for number in range(FRAMES):
        strip = np.zeros((2, 130, 3), np.uint8)
        cv2.imwrite(str(ava.root / f"film/img_{number + 1:05d}.png"), strip)
    dataset = AvaDataset(ava, Clip(frames=1, stride=1), WHOLE, training=False)
    with pytest.raises(DataError, match=r"film at 10 s: its frames are 130x2 pixels.* 64:1"):
        dataset.load(ItemKey(0, 0))


def test_a_long_video_is_looked_through_only_once(
    ava: AvaList, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = AvaDataset(ava, Clip(frames=2, stride=1), WHOLE, training=False)
    first = dataset.load(ItemKey(0, 0))
    monkeypatch.setattr("praxiscope.data.frames._names_in", lambda _: pytest.fail("looked again"))
    again = dataset.load(ItemKey(0, 0))
    assert torch.equal(first.clip, again.clip)
    assert brightness(dataset.load(ItemKey(0, 1))) == [19, 20]
    with pytest.raises(pytest.fail.Exception):
        AvaDataset(ava, Clip(frames=2, stride=1), WHOLE, training=False).load(ItemKey(0, 0))


def test_a_dataset_remembers_no_more_frames_than_fit(
    ava: AvaList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praxiscope.data.ava.KNOWN_FRAMES", FRAMES - 1)
    dataset = AvaDataset(ava, Clip(frames=2, stride=1), WHOLE, training=False)
    dataset.load(ItemKey(0, 0))
    monkeypatch.setattr("praxiscope.data.frames._names_in", lambda _: pytest.fail("looked again"))
    with pytest.raises(pytest.fail.Exception):
        dataset.load(ItemKey(0, 0))


def test_outputs_are_named_by_the_label_map_or_by_their_number(ava: AvaList) -> None:
    assert output_names(ava) is None
    path = ava.annotations.with_name("map.pbtxt")
    path.write_text('item { name: "sit" id: 1 } item { name: "talk" id: 3 }')
    assert output_names(replace(ava, label_map=path)) == ("background", "sit", "class 2", "talk")
