"""Pictures in order with their times, of files and folders; of addresses in test_detect.py."""

import logging
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

import praxiscope
from praxiscope.apps.streams import is_live, open_stream, upright, upright_size
from praxiscope.errors import DataError, VideoError
from tests.apps.videos import write_video


def test_pictures_are_those_of_open_video_and_times_those_of_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=25, rate=Fraction(30000, 1001))
    stream = open_stream(path)
    assert (stream.video, stream.is_live) == ("v", False)
    assert stream.fps == pytest.approx(29.97, abs=0.01)
    assert stream.seconds == pytest.approx(25 * 1001 / 30000, abs=1e-3)
    frames = list(stream.frames())
    assert [frame.number for frame in frames] == list(range(25))
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(25) * 1001 / 30000, atol=1e-4)
    with praxiscope.open_video(path) as video:
        expected = video.frames_at(range(25))
    for frame, picture in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.picture(), picture)
    assert len(list(stream.frames())) == 25  # a file can be read again


def test_a_stream_can_be_cut_by_time(tmp_path: Path) -> None:
    stream = open_stream(write_video(tmp_path / "v.mp4", frames=60)).first(1.0)
    assert stream.seconds == 1.0
    assert [frame.number for frame in stream.frames()] == list(range(30))
    assert stream.first(5.0).seconds == 1.0


def test_a_rotated_video_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=3)
    turned = tmp_path / "t.mp4"
    with av.open(str(path)) as source, av.open(str(turned), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    # The matrix of the track header: 16.16 numbers that turn by 90 degrees.
    data = bytearray(turned.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[place : place + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in matrix)
    turned.write_bytes(data)
    shown = next(open_stream(turned).frames()).picture()
    with praxiscope.open_video(turned) as video:
        assert shown.shape == (96, 72, 3)
        np.testing.assert_array_equal(shown, video.frames_at([0])[0])


def test_a_picture_that_is_turned_on_the_way_has_the_size_of_the_first() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    turned: Any = SimpleNamespace(rotation=90, height=4, width=6, to_ndarray=frame.to_ndarray)
    assert upright_size(frame) == (4, 6) and upright_size(turned) == (6, 4)
    np.testing.assert_array_equal(upright(turned, 6, 4), np.rot90(image))
    assert upright(turned, 4, 6).shape == (4, 6, 3)  # what the first one had


@pytest.mark.parametrize("name", ["rtsp://[name:secret@camera", "n" * 300])
def test_names_of_nothing_are_refused_without_a_password(name: str) -> None:
    with pytest.raises(VideoError) as raised:
        open_stream(name)
    assert "secret" not in str(raised.value)


def test_a_damaged_part_is_passed_over_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for number in range(6):
            image = np.full((48, 64, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    with av.open(str(path)) as source:
        packets = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    path.write_bytes(data.replace(packets[2], b"\x01" * len(packets[2])))
    with caplog.at_level(logging.WARNING):
        seconds = [frame.seconds for frame in open_stream(path).frames()]
    np.testing.assert_allclose(seconds, [0, 0.1, 0.3, 0.4, 0.5])
    assert f"{path}: 1 damaged parts were passed over." in caplog.text


def test_a_clock_that_jumps_by_hours_is_not_followed(tmp_path: Path) -> None:
    times = [0, 100, 200, 10_000_000, 10_000_100, 10_000_300]
    path = write_video(tmp_path / "v.mkv", frames=6, rate=Fraction(10), times=times)
    seconds = [frame.seconds for frame in open_stream(path).frames()]
    assert seconds[:3] == [0, 0.1, 0.2]
    assert seconds[3] < 0.5 and np.diff(seconds[3:]).tolist() == pytest.approx([0.1, 0.2])


def test_what_holds_no_pictures_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    with pytest.raises(VideoError, match=r"a.mp4 cannot be read as a video"):
        open_stream(text)
    with pytest.raises(DataError, match="holds no frames"):
        open_stream(tmp_path)


@pytest.mark.parametrize("name", ["0", "12", "/dev/video0", "rtsp://host/x", "http://host/a.mp4"])
def test_cameras_and_addresses_are_live(name: str) -> None:
    assert is_live(name)


def test_a_file_whose_name_is_a_number_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0").touch()
    monkeypatch.chdir(tmp_path)
    assert not is_live("0") and not is_live("video0.mp4") and not is_live("/dev/video")
