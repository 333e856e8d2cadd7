"""Frames as images: equal, numbered, at a rate, whole or not there."""

import resource
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.data.frames import open_frames
from praxiscope.data.transcode.image_folder import remove_leftovers, settle
from praxiscope.data.transcode.images import FrameImages, is_whole, write_frames
from praxiscope.data.transcode.resize import PictureSize, resample
from praxiscope.data.video import open_video
from praxiscope.errors import DataError, PraxiscopeError, VideoError
from tests.data.make_videos import number_shown, pack_b_frames, write_video

COUNT = 14
UNEVEN = np.cumsum([0, 40, 33, 7, 190, 41, 1, 2, 55, 1000, 3, 40, 40, 40]).tolist()
OWN = FrameImages(size=PictureSize())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("size", [PictureSize(), PictureSize(short_side=24)])
def test_images_are_the_frames_that_a_video_gives(tmp_path: Path, size: PictureSize) -> None:
    source = write_video(tmp_path / "a.mp4", COUNT, rotation=90)
    with open_video(source) as video:
        shape = size.of(video.height, video.width)
        frames = video.frames_at(
            range(COUNT), each=partial(resample, height=shape[0], width=shape[1])
        )
    write_frames(source, tmp_path / "png", FrameImages(size=size, template="{:03d}.png"))
    stored = open_frames(tmp_path / "png", template="{:03d}.png")
    assert (stored.frames_at(range(COUNT)) == frames).all() and stored.num_frames == COUNT
    write_frames(source, tmp_path / "jpg", FrameImages(size=size, quality=80))
    assert names(tmp_path / "jpg") == [f"img_{n:05d}.jpg" for n in range(1, COUNT + 1)]
    _, coded = cv2.imencode(".jpg", frames[3][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert (tmp_path / "jpg/img_00004.jpg").read_bytes() == coded.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "jpg", "png"]


@pytest.mark.parametrize("fps", [Fraction(10), Fraction(50), Fraction(30000, 1001), Fraction(1, 2)])
def test_at_a_rate_each_image_is_the_frame_nearest_in_time(tmp_path: Path, fps: Fraction) -> None:
    source = write_video(tmp_path / "a.mkv", COUNT, fps=1000, times=UNEVEN)
    write_frames(source, tmp_path / "out", FrameImages(size=PictureSize(), fps=fps))
    images = open_frames(tmp_path / "out")
    length = Fraction(UNEVEN[-1], 1000) * COUNT / (COUNT - 1)
    assert images.num_frames == round(length * fps)
    shown = [number_shown(frame) for frame in images.frames_at(range(images.num_frames))]
    moments = [1000 * n / fps for n in range(images.num_frames)]
    assert shown == [
        min(range(COUNT), key=lambda frame: (abs(UNEVEN[frame] - moment), frame))
        for moment in moments
    ]
    assert is_whole(source, tmp_path / "out", FrameImages(size=PictureSize(), fps=fps))


def test_a_video_that_does_not_tell_its_times_has_a_constant_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.avi", COUNT, codec="mpeg4")
    packed = pack_b_frames(source, tmp_path / "packed.avi")
    with open_video(packed) as video:
        assert video.times() == (list(range(COUNT)), Fraction(1, 25))
    write_frames(packed, tmp_path / "out", FrameImages(size=PictureSize(), fps=Fraction(5)))
    images = open_frames(tmp_path / "out")
    shown = [number_shown(frame) for frame in images.frames_at(range(images.num_frames))]
    assert shown == [0, 5, 10]


def test_only_a_folder_with_all_images_counts(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "a.mp4", COUNT), tmp_path / "out"
    assert not is_whole(source, target, OWN)
    write_frames(source, target, OWN)
    assert is_whole(source, target, OWN)
    for other in (
        FrameImages(size=PictureSize(short_side=20)),
        FrameImages(size=PictureSize(), fps=Fraction(10)),
    ):
        with pytest.raises(
            DataError, match=r"out holds other images than asked for, which are \d+ "
        ):
            is_whole(source, target, other)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    for lost in ("img_00001.jpg", f"img_{COUNT:05d}.jpg"):
        (target / lost).unlink()
        assert not is_whole(source, target, OWN)
        write_frames(source, target, OWN)
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_images_join_others_in_a_folder_and_number_1_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, target = tmp_path / ".a.0123abcd.part", tmp_path / "a"
    name = "img_{:05d}.jpg".format

    def fill(folder: Path, count: int) -> None:
        folder.mkdir(exist_ok=True)
        for number in range(1, count + 1):
            (folder / name(number)).write_text(folder.name)

    fill(part, 4)
    fill(target, 6)
    (target / "x_00001.jpg").write_text("flow")
    replace = Path.replace

    def stopped_at_3(path: Path, to: Path) -> Path:
        if path.name == name(3):
            raise KeyboardInterrupt
        return replace(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped_at_3)
        with pytest.raises(KeyboardInterrupt):
            settle(part, target, [name])
    assert not (target / name(1)).exists() and (target / name(2)).exists()
    fill(part, 4)
    settle(part, target, [name])
    assert names(target) == [name(n) for n in range(1, 5)] + ["x_00001.jpg"]
    assert {(target / name(n)).read_text() for n in range(1, 5)} == {part.name}
    assert names(tmp_path) == ["a"]


def test_a_broken_video_or_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "a.ts"
    whole = write_video(broken, 40, gop=4, options={"crf": "0"}).read_bytes()
    broken.write_bytes(whole[:9000] + bytes(3000) + whole[12000:])
    with pytest.raises(VideoError, match="damaged"):
        write_frames(broken, tmp_path / "out", OWN)
    source = write_video(tmp_path / "b.mp4", COUNT)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, unlimited[1]))
    try:
        with pytest.raises(PraxiscopeError, match="could not be written: File too large"):
            write_frames(source, tmp_path / "out", OWN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert names(tmp_path) == ["a.ts", "b.mp4"]


def test_leftovers_of_one_target_are_told_from_those_of_others(tmp_path: Path) -> None:
    mine, others = ".a[1].01234567.part", [".a1.01234567.part", ".a[1].0123.part", "a[1]", ".a[1]"]
    for name in (mine, *others):
        (tmp_path / name).mkdir()
    (tmp_path / ".a[1].abcdef01.tmp").touch()
    remove_leftovers(tmp_path / "a[1]")
    assert names(tmp_path) == sorted(others)
