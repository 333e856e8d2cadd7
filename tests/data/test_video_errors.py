import gc
import os
import socket
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.data.frames import FrameFolder
from praxiscope.data.video import Video, open_video
from praxiscope.errors import DataError, VideoError
from tests.data.make_videos import (
    copy_stream,
    full_decode,
    number_shown,
    numbered_picture,
    write_sound,
    write_video,
)

ADVICE = "get the file again, convert it, or leave it out."


def refused(path: Path) -> str:
    """Return the error that opening gives, one line that names the file and says what to do."""
    with pytest.raises(VideoError) as caught:
        open_video(path)
    message = str(caught.value)
    assert str(path) in message and "expected a video file" in message and "\n" not in message
    return message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "no.mp4")


def test_an_address_is_not_opened() -> None:
    with pytest.raises(VideoError, match="does not exist"):
        open_video("http://127.0.0.1:9/video.mp4")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "is empty (0 bytes)" in refused(tmp_path / "empty.mp4")


def test_a_pipe_or_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is not a regular file" in refused(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("content", [b"hello, this is a text\n" * 100, bytes(5000), b"\x1f"])
def test_something_else_is_no_video(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(content)
    assert ADVICE in refused(tmp_path / "text.mp4")


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_no_video(seed: int, tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(seed).bytes(10_000))
    assert ADVICE in refused(tmp_path / "noise.mp4")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.mka", "aac"), ("a.wav", "pcm_s16le")]
)
def test_sound_alone_is_called_so(name: str, codec: str, tmp_path: Path) -> None:
    assert "holds no video, only sound" in refused(write_sound(tmp_path / name, codec))


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac")])
def test_a_cover_picture_is_no_video(name: str, codec: str, tmp_path: Path) -> None:
    path = write_sound(tmp_path / name, codec, cover=True)
    assert "holds a still image but no moving pictures" in refused(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "img_%05d.png"])
@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_a_still_image_is_called_so(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / (name + suffix)
    path.write_bytes(cv2.imencode(Path(name).suffix, numbered_picture(3))[1].tobytes())
    assert "is a still image" in refused(path)


PLAYLISTS: dict[str, str] = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.network
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ffconcat", "list.mpd"])
def test_a_list_of_other_files_or_addresses_opens_none(
    kind: str, name: str, tmp_path: Path
) -> None:
    real = write_video(tmp_path / "real.ts", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        for target in (real.name, str(real), f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"):
            (tmp_path / name).write_text(PLAYLISTS[kind].format(target=target))
            assert ADVICE in refused(tmp_path / name)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_folder_without_images_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no frames: expected images from img_00001.jpg on"):
        open_video(tmp_path)


def test_a_strange_name_is_only_a_name(tmp_path: Path) -> None:
    path = write_video(tmp_path / "real.mp4", 3).rename(tmp_path / "http:%20 #'ü\udcff.mp4")
    with open_video(path) as video:
        assert video.num_frames == 3


def fate(video: Video | FrameFolder, index: int) -> bool | None:
    """Return whether a frame shows its number, or None if it is refused."""
    try:
        return number_shown(video.frames_at([index])[0]) == index
    except VideoError:
        return None


def cut_off(path: Path, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def test_an_mp4_cut_off_before_its_table_is_no_video(tmp_path: Path) -> None:
    refused(cut_off(write_video(tmp_path / "cut.mp4"), 0.8))


FASTSTART = {"movflags": "faststart"}


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
def test_what_is_left_of_a_cut_off_file_is_right(container: str, tmp_path: Path) -> None:
    options = FASTSTART if container == "mp4" else None
    path = tmp_path / "cut"
    write_video(path, 96, gop=24, container=container, container_options=options)
    with open_video(cut_off(path, 0.7)) as video:
        assert 30 < video.num_frames < 96
        fates = [fate(video, index) for index in range(video.num_frames)]
    # the last packet may be cut in two, and others before it may lack B-frames that came later
    assert all(fates[:-4])


def damaged(path: Path) -> Path:
    """Write a video of two groups of 24 frames and make packet 9 unreadable."""

    def spoil(number: int, data: bytes) -> bytes:
        return b"\xff" * len(data) if number == 9 else data

    source = write_video(path.with_suffix(".source"), 48, gop=24, b_frames=0, container="mp4")
    return copy_stream(source, path, change=spoil)


def test_nothing_after_damage_is_given_up_to_the_next_key_frame(tmp_path: Path) -> None:
    with open_video(damaged(tmp_path / "spoilt.mp4")) as video:
        fates = [fate(video, index) for index in range(48)]
    assert fates == [True] * 9 + [None] * 15 + [True] * 24


def test_a_refused_frame_does_not_stop_the_others(tmp_path: Path) -> None:
    with open_video(damaged(tmp_path / "spoilt.mp4")) as video:
        with pytest.raises(
            VideoError, match=r"spoilt.mp4: frame 23 of 48 is damaged .* leave it out"
        ):
            video.frames_at([0, 23, 40])
        assert [number_shown(f) for f in video.frames_at([40, 0])] == [40, 0]


def test_ffmpeg_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(cut_off(write_video(tmp_path / "cut.mp4"), 0.8))
    with open_video(damaged(tmp_path / "spoilt.mp4")) as video, pytest.raises(VideoError):
        video.frames_at([23])
    assert capfd.readouterr() == ("", "")


def test_a_file_that_vanishes_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.avi", 20, codec="mpeg4")  # read from the start each time
    with open_video(path) as video:
        path.unlink()
        with pytest.raises(VideoError, match=r"video.avi does not exist"):
            video.frames_at([3])


def memory_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def grows(action: Callable[[], None], times: int) -> tuple[int, int]:
    """Return by how many KiB and open files ``times`` actions grow the process, once warm."""
    for _ in range(60):
        action()
    gc.collect()
    gc.disable()  # what only the collector frees would count as leaked
    memory, files = memory_kib(), open_files()
    for _ in range(times):
        action()
    gc.enable()
    return memory_kib() - memory, open_files() - files


def leaky_things(tmp_path: Path) -> dict[str, Callable[[], None]]:
    size = (96, 128)  # a leaked frame is 36 KiB
    sound = write_video(tmp_path / "video.mp4", 24, size=size)
    counted = write_video(tmp_path / "video.avi", 12, codec="mpeg4", size=size)
    spoilt = damaged(tmp_path / "spoilt.mp4")
    text = tmp_path / "text.mp4"
    text.write_text("no video" * 100)

    def read(path: Path, threads: int = 1) -> None:
        with open_video(path, threads=threads) as video:
            video.frames_at([11, 3], each=lambda frame: frame[:8, :8])

    def fail() -> None:
        with open_video(spoilt) as video, pytest.raises(VideoError):
            video.frames_at([23])

    def refuse() -> None:
        with pytest.raises(VideoError):
            open_video(text)

    return {
        "seeking": lambda: read(sound),
        "two threads": lambda: read(sound, threads=2),
        "counting": lambda: read(counted),
        "damaged": fail,
        "no video": refuse,
    }


@pytest.mark.parametrize("what", ["seeking", "two threads", "counting", "damaged", "no video"])
def test_hundreds_of_videos_leave_nothing_behind(what: str, tmp_path: Path) -> None:
    memory, files = grows(leaky_things(tmp_path)[what], 200)
    assert files == 0
    assert memory < 2000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_videos_leave_nothing_behind(tmp_path: Path) -> None:
    memory, files = grows(leaky_things(tmp_path)["seeking"], 10_000)
    assert files == 0
    assert memory < 8000


def test_a_copy_keeps_every_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", 30, b_frames=3)
    copy = copy_stream(source, tmp_path / "copy.mkv")
    with open_video(copy) as video:
        assert np.array_equal(video.frames_at(range(30)), full_decode(source))
