"""Smaller copies of videos: sizes, times, pictures, and what becomes of odd sources."""

import os
import resource
import signal
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.data.transcode.job import Conversion, Done, Job
from praxiscope.data.transcode.resize import (
    Encoding,
    PictureSize,
    is_whole,
    resample,
    resize_video,
)
from praxiscope.data.video import Video, open_video
from praxiscope.errors import DataError, PraxiscopeError, VideoError
from praxiscope.types import Frame
from tests.data.make_videos import (
    copy_stream,
    number_shown,
    numbered_picture,
    pack_b_frames,
    write_sound,
    write_video,
)

COUNT = 14
UNEVEN = np.cumsum([0, 40, 33, 7, 190, 41, 1, 2, 55, 1000, 3, 40, 40, 40]).tolist()
SIZE = PictureSize(short_side=64, even=True)
FAST = Encoding(size=SIZE, preset="ultrafast")


def moving_picture(number: int, height: int, width: int) -> Frame:
    """A smooth pattern that moves by three pixels a frame."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    waves = [
        np.sin((columns + 3 * number) / 17 + phase) * np.cos(rows / (19 + phase))
        for phase in range(3)
    ]
    return (127.5 + 100 * np.stack(waves, -1)).astype(np.uint8)


def psnr(first: Frame, second: Frame) -> float:
    return float(10 * np.log10(255**2 / np.square(first.astype(float) - second).mean()))


def seconds(path: Path) -> list[float]:
    """When each frame is shown, as FFmpeg says in one pass: nothing of ours has a part in it."""
    with av.open(str(path)) as file:
        times = [frame.pts * frame.time_base for frame in file.decode(video=0)]
    return [time - times[0] for time in times]


@pytest.mark.parametrize(
    ("size", "height", "width", "expected"),
    [
        (PictureSize(short_side=256, even=True), 1080, 1920, (256, 456)),
        (PictureSize(short_side=256, even=True), 1920, 1080, (456, 256)),
        (PictureSize(short_side=320, even=True), 240, 320, (320, 426)),
        (PictureSize(short_side=256, even=True), 33, 33, (256, 256)),
        (PictureSize(fixed=(256, 340), even=True), 1080, 1920, (256, 340)),
        (PictureSize(short_side=256), 360, 480, (256, 341)),  # images may have odd sides
        (PictureSize(), 361, 481, (361, 481)),
    ],
)
def test_sides_are_even_and_the_aspect_is_kept(
    size: PictureSize, height: int, width: int, expected: tuple[int, int]
) -> None:
    assert size.of(height, width) == expected


@pytest.mark.parametrize("factor", [2, 4])
def test_pictures_shrink_to_the_means_of_areas(factor: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    blocks = picture.reshape(32 // factor, factor, 48 // factor, factor, 3)
    small = resample(picture, 32 // factor, 48 // factor)
    assert np.abs(small - blocks.mean(axis=(1, 3))).max() <= 0.5
    grown = resample(picture, 50, 60)
    assert (grown == cv2.resize(picture, (60, 50), interpolation=cv2.INTER_LINEAR)).all()


def test_a_copy_shows_the_resized_pictures(tmp_path: Path) -> None:
    pictures = [moving_picture(number, 144, 200) for number in range(COUNT)]
    source = write_video(
        tmp_path / "a.mp4", size=(144, 200), pictures=pictures, options={"crf": "0"}
    )
    assert not resize_video(source, tmp_path / "b.mp4", Encoding(size=SIZE))
    with open_video(source) as video, open_video(tmp_path / "b.mp4") as copy:
        assert (copy.height, copy.width, copy.num_frames) == (64, 88, COUNT)
        each = partial(resample, height=64, width=88)
        wanted, stored = video.frames_at(range(COUNT), each=each), copy.frames_at(range(COUNT))
    assert min(map(psnr, wanted, stored)) > 35  # without coding, the halved colours alone give 37
    grey = [
        [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in part] for part in (wanted, stored)
    ]
    assert min(map(psnr, *grey)) > 41
    # nearly what FFmpeg's own filter, with which the published copies were made, gives
    frame = av.VideoFrame.from_ndarray(pictures[0], format="rgb24")
    other = frame.reformat(width=88, height=64, format="rgb24", interpolation="BICUBIC")
    assert psnr(other.to_ndarray(), resample(pictures[0], 64, 88)) > 36


def test_a_source_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (96, 128, 3), dtype=np.uint8)
    pictures = [moving_picture(n, 96, 128) // 2 + np.roll(noise, n, 1) for n in range(100)]
    source = write_video(tmp_path / "a.mp4", size=(96, 128), pictures=pictures)
    copies = []
    for number in range(3):
        np.random.default_rng(number).bytes(1_000_000)  # other things in the memory of before
        resize_video(source, tmp_path / "b.mp4", Encoding(size=SIZE))
        copies.append((tmp_path / "b.mp4").read_bytes())
    assert copies[0] == copies[1] == copies[2]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *(("mp4", "libx264"), ("mkv", "libx264"), ("ts", "libx264")),
        *(("webm", "libvpx-vp9"), ("webm", "libvpx")),  # the packets of VP8 give no index
    ],
)
def test_frames_of_a_variable_rate_keep_their_times(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    source = tmp_path / f"a.{suffix}"
    write_video(source, COUNT, codec=codec, fps=1000, times=UNEVEN)
    resize_video(source, tmp_path / "b.mp4", FAST)
    assert seconds(source) == seconds(tmp_path / "b.mp4")
    assert [round(1000 * time) for time in seconds(source)] == UNEVEN
    with open_video(tmp_path / "b.mp4") as copy:
        shown = [number_shown(frame) for frame in copy.frames_at(range(COUNT))]
    assert shown == list(range(COUNT))


def test_a_copy_is_upright_and_of_even_sides(tmp_path: Path) -> None:
    turned = write_video(tmp_path / "turned.mp4", COUNT, rotation=90)
    odd = write_video(tmp_path / "odd.webm", COUNT, codec="libvpx-vp9", size=(33, 49))
    for source in (turned, odd):
        resize_video(source, tmp_path / "copy.mp4", FAST)
        with open_video(source) as video, open_video(tmp_path / "copy.mp4") as copy:
            each = partial(resample, height=copy.height, width=copy.width)
            wanted = video.frames_at([9], each=each)[0]
            assert psnr(wanted, copy.frames_at([9])[0]) > 28  # fields with hard edges
            assert copy.height % 2 == copy.width % 2 == 0
            assert (copy.height > copy.width) == (video.height > video.width)
            assert min(copy.height, copy.width) == 64
        with av.open(str(tmp_path / "copy.mp4")) as file:
            assert next(file.decode(video=0)).rotation == 0


def test_sources_whose_packets_mislead_give_all_frames_in_order(tmp_path: Path) -> None:
    h264 = write_video(tmp_path / "a.mp4", COUNT)
    mpeg4 = write_video(tmp_path / "b.avi", COUNT, codec="mpeg4")
    refresh = {"x264-params": "scenecut=0:intra-refresh=1"}
    sources = {
        copy_stream(h264, tmp_path / "cut.mp4", start=5): list(range(5, COUNT)),
        pack_b_frames(mpeg4, tmp_path / "packed.avi"): list(range(COUNT)),
        write_video(tmp_path / "refresh.ts", COUNT, options=refresh): list(range(COUNT)),
    }
    for source, numbers in sources.items():
        resize_video(source, tmp_path / "copy.mp4", FAST)
        with open_video(source) as video, open_video(tmp_path / "copy.mp4") as copy:
            assert copy.num_frames == video.num_frames == len(numbers), source
            frames = copy.frames_at(range(len(numbers)))
            assert [number_shown(frame) for frame in frames] == numbers, source
        assert np.diff(seconds(tmp_path / "copy.mp4")).min() > 0
        assert is_whole(source, tmp_path / "copy.mp4", SIZE)


def test_only_a_whole_copy_of_the_size_counts(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "a.mp4", COUNT), tmp_path / "b.mp4"
    resize_video(source, target, FAST)
    assert is_whole(source, target, SIZE)
    with pytest.raises(DataError, match="64 pixels, another size than asked for"):
        is_whole(source, target, PictureSize(short_side=32))
    data = target.read_bytes()
    for part in (data[: len(data) // 2], data[:-200], b"", b"no video"):
        target.write_bytes(part)
        assert not is_whole(source, target, SIZE)
    write_video(target, COUNT, size=(64, 96))  # by another program
    assert is_whole(source, target, SIZE)
    write_video(target, COUNT - 1, size=(64, 96))
    assert not is_whole(source, target, SIZE)


def test_sound_is_left_out_and_a_broken_source_leaves_no_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", COUNT)
    sound = write_sound(tmp_path / "sound.mp4", "aac")
    both = tmp_path / "both.mkv"
    with av.open(str(both), "w") as out, av.open(str(source)) as a, av.open(str(sound)) as b:
        inputs = [a.streams.video[0], b.streams.audio[0]]
        outputs = [out.add_stream_from_template(stream) for stream in inputs]
        for given, stream in zip(inputs, outputs, strict=True):
            for packet in given.container.demux(given):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    target = tmp_path / "out/copy.mp4"
    assert resize_video(both, target, FAST)
    with av.open(str(target)) as file:
        assert not file.streams.audio
    target.unlink()
    cut = tmp_path / "cut.ts"
    whole = write_video(tmp_path / "whole.ts", 40, gop=4, options={"crf": "0"}).read_bytes()
    cut.write_bytes(whole[:9000] + bytes(3000) + whole[12000:])
    for broken, message in ((cut, "damaged"), (sound, "only sound"), (tmp_path, "is a folder")):
        with pytest.raises(VideoError, match=message):
            resize_video(broken, target, FAST)
    assert not any(target.parent.iterdir())


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "a.mp4", COUNT), tmp_path / "out/b.mp4"
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, unlimited[1]))
    try:
        with pytest.raises(PraxiscopeError, match="could not be written: File too large") as info:
            resize_video(source, target, FAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert not isinstance(info.value, DataError)  # which would be said of every further video
    assert not any(target.parent.iterdir())


def killed_on_the_way(source: Path, target: Path) -> None:
    whole = Video.pictures

    def pictures(video: Video, wanted: Collection[int]) -> Iterator[tuple[int, Frame]]:
        for number, picture in whole(video, wanted):
            if number == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            yield number, picture

    Video.pictures = pictures  # type: ignore[method-assign]
    resize_video(source, target, FAST)


def test_what_a_killed_process_leaves_is_cleared_away_by_the_next_run(tmp_path: Path) -> None:
    job = Job(write_video(tmp_path / "a.mp4", COUNT), tmp_path / "out/a.mp4")
    whole = partial(is_whole, size=SIZE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.b.mp4.0123abcd.tmp").touch()  # another video's
    killed = Conversion(write=killed_on_the_way, is_whole=whole)
    assert list(in_processes(killed, [job], 1)) == [(job, Crashed())]
    left = {path.name for path in job.target.parent.iterdir()}
    assert len(left) > 1 and job.target.name not in left
    again = Conversion(write=partial(resize_video, encoding=FAST), is_whole=whole)
    assert again(job) == Done("written")
    assert {path.name for path in job.target.parent.iterdir()} == {"a.mp4", ".b.mp4.0123abcd.tmp"}
    assert again(job) == Done("there")


def test_a_picture_that_h264_cannot_hold_is_refused(tmp_path: Path) -> None:
    strip = [numbered_picture(number, 2, 150) for number in range(3)]
    source = write_video(tmp_path / "strip.mp4", size=(2, 150), pictures=strip)
    with pytest.raises(VideoError, match="no side longer than 16384"):
        resize_video(source, tmp_path / "b.mp4", Encoding(size=PictureSize(short_side=256)))
    assert not (tmp_path / "b.mp4").exists()
