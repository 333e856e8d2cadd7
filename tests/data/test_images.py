"""Still images as clips."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.data.frames import StillImage
from praxiscope.data.lists import VideoList, read_list
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import DataError
from praxiscope.types import Broken, Frame, ItemKey

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def write(path: Path, picture: Frame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1])  # RGB to BGR
    return path


def test_an_image_is_a_video_of_one_frame_in_rgb(tmp_path: Path) -> None:
    source = StillImage(write(tmp_path / "a.png", PICTURE))
    assert (source.num_frames, source.height, source.width) == (1, 40, 60)
    frames = source.frames_at([0, 0])
    assert frames.shape == (2, 40, 60, 3)
    assert (frames == PICTURE).all()
    with pytest.raises(IndexError, match="has frames 0 to 0"):
        source.frames_at([1])


@pytest.mark.parametrize("transform", [TrainTransform(short_side=36, size=32), Views(size=32)])
def test_a_clip_of_an_image_shows_it_in_every_frame(
    tmp_path: Path, transform: TrainTransform | Views
) -> None:
    write(tmp_path / "web/a.png", PICTURE)
    (tmp_path / "list.txt").write_text("a.png 3\n")
    videos = VideoList(
        root=tmp_path / "web", annotations=tmp_path / "list.txt", num_classes=5, kind="image"
    )
    data = RecognitionDataset(videos, Clip(frames=8, stride=8), transform)
    clips = data.load(ItemKey(0, 0)).clips
    assert clips.shape == (1, 3, 8, 32, 32)
    assert clips.equal(clips[:, :, :1].expand_as(clips))
    assert clips.float().std() > 10
    assert data.load(ItemKey(0, 0)).label == 3


def test_a_strip_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.zeros((2, 129, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.png is 129x2 pixels: too narrow to crop from"):
        StillImage(path)
    assert StillImage(write(path, np.zeros((128, 2, 3), np.uint8))).height == 128


def test_a_folder_of_images_per_class_is_a_list(tmp_path: Path) -> None:
    for name in ("clap/0.jpg", "clap/1.PNG", "clap/notes.txt", "clap/2.mp4", "wave/a/3.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lists = [
        VideoList(root=tmp_path, num_classes=2, kind="image", split=split)
        for split in ("train", "val")
    ]
    records = [record for videos in lists for record in read_list(videos)]
    assert {(record.path, record.labels) for record in records} == {
        ("clap/0.jpg", (0,)),
        ("clap/1.PNG", (0,)),
        ("wave/a/3.webp", (1,)),
    }


def png(width: int, height: int) -> bytes:
    """Return an image that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "content", [png(100_000, 100_000), png(2**31 - 1, 2**31 - 1), b"GIF89a", b""]
)
def test_a_file_from_the_web_that_is_no_usable_image_is_broken(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    (tmp_path / "list.txt").write_text("a.png 0\nnone.png 1\n")
    videos = VideoList(
        root=tmp_path, annotations=tmp_path / "list.txt", num_classes=2, kind="image"
    )
    data = RecognitionDataset(videos, Clip(frames=4, stride=2), TrainTransform(size=32))
    found = data[0]
    assert isinstance(found, Broken)
    assert "list.txt, item 0: " in found.reason and "damaged or no image" in found.reason
    with pytest.raises(DataError, match=r"item 1: .*none\.png cannot be read"):
        data.load(ItemKey(0, 1))
