from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from praxiscope.apps.render import Line, annotate_video, lay_out, top_lines
from praxiscope.errors import PraxiscopeError, VideoError

Image = npt.NDArray[np.uint8]

LINES: list[Line] = [("clean and jerk", 0.81), ("弹吉他", 0.12), "no bar"]


def write_video(
    path: Path,
    *,
    frames: int = 12,
    height: int = 96,
    width: int = 128,
    rate: Fraction = Fraction(30),
    times: Sequence[int] | None = None,
) -> Path:
    """A white square that crosses a grey gradient; ``times`` in milliseconds for variable rates."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            image = np.empty((height, width, 3), dtype=np.uint8)
            image[:] = np.linspace(40, 200, width).astype(np.uint8)[None, :, None]
            image[-20:-4, 6 * number : 6 * number + 16] = 255
            frame = av.VideoFrame.from_ndarray(image)
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decode(path: Path) -> tuple[list[Image], list[Fraction], Fraction]:
    """Images, seconds of each, and the average rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        assert stream.average_rate is not None
        times = [frame.pts * frame.time_base for frame in decoded]
        return [frame.to_ndarray(format="rgb24") for frame in decoded], times, stream.average_rate


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_the_copy_has_the_frames_size_and_times_of_the_source(
    tmp_path: Path, rate: Fraction
) -> None:
    source = write_video(tmp_path / "in.mp4", rate=rate)
    assert annotate_video(source, tmp_path / "out.mp4", LINES) == 12
    images, times, average = decode(source)
    copies, copy_times, copy_average = decode(tmp_path / "out.mp4")
    assert len(copies) == len(images) == 12
    assert copies[0].shape == images[0].shape
    assert (copy_times, copy_average) == (times, average)


def test_only_the_overlay_differs_from_the_source(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4")
    annotate_video(source, tmp_path / "out.mp4", LINES, crf=5)
    panel = lay_out(LINES, 96, 128)
    inside = np.zeros((96, 128), dtype=bool)
    inside[panel.top : panel.bottom, panel.left : panel.right] = True
    # A block of the codec, 16 pixels, is as far as an edge rings.
    near = cv2.dilate(inside.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(bool)
    for before, after in zip(decode(source)[0], decode(tmp_path / "out.mp4")[0], strict=True):
        change = np.abs(before.astype(int) - after).max(axis=2)
        assert change[~near].max() <= 8
        assert change[inside].mean() > 30


def test_variable_frame_times_are_kept(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 700, 740, 780]
    source = write_video(tmp_path / "in.mp4", frames=8, times=times)
    annotate_video(source, tmp_path / "out.mp4", LINES)
    assert decode(tmp_path / "out.mp4")[1] == [Fraction(t, 1000) for t in times]


def test_a_file_that_starts_late_starts_at_zero_in_the_copy(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", frames=3, times=[500, 540, 580])
    assert decode(source)[1][0] == Fraction(1, 2)
    annotate_video(source, tmp_path / "out.mp4", LINES)
    assert decode(tmp_path / "out.mp4")[1] == [0, Fraction(40, 1000), Fraction(80, 1000)]


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_avi_with_b_frames_keeps_its_rate(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "in.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for value in range(20, 220, 10):
            image = np.full((96, 128, 3), value, dtype=np.uint8)
            image[:40, value % 60 :][:, :20] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    assert annotate_video(path, tmp_path / "out.mp4", ["a"]) == 20
    images, times, average = decode(tmp_path / "out.mp4")
    assert (times, average) == ([Fraction(n, 25) for n in range(20)], 25)
    levels = [int(image[-1, -1, 0]) for image in images]
    assert levels == sorted(levels)


def test_the_colours_of_bt709_are_kept_and_the_copy_tells_players_its_own(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), (200, 40, 90), dtype=np.uint8))
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="itu709")))
        container.mux(stream.encode(None))
    annotate_video(source, tmp_path / "out.mp4", [], crf=5)
    with av.open(str(tmp_path / "out.mp4")) as container:
        (shown,) = container.decode(video=0)
    assert (shown.colorspace, shown.color_range) == (6, 1)  # SMPTE 170M, limited
    assert np.abs(shown.to_ndarray(format="rgb24").astype(int) - (200, 40, 90)).max() <= 3


def test_odd_sizes_grow_by_one_row_and_column(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", height=95, width=127)
    annotate_video(source, tmp_path / "out.mp4", LINES)
    assert decode(tmp_path / "out.mp4")[0][0].shape == (96, 128, 3)


def rotate_in_header(path: Path, quarters: int) -> None:
    """Write the rotation that phones write: the matrix of the track header (ISO 14496-12)."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    matrix = [65536 * cos, 65536 * sin, 0, -65536 * sin, 65536 * cos, 0, 0, 0, 1 << 30]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix comes after 40 bytes
    assert data[at : at + 4] == (65536).to_bytes(4, "big")
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)
    path.write_bytes(data)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_rotated_video_comes_out_upright_as_opencv_shows_it(
    tmp_path: Path, quarters: int
) -> None:
    source = write_video(tmp_path / "in.mp4")
    rotate_in_header(source, quarters)
    capture = cv2.VideoCapture(str(source))
    _, expected = capture.read()
    capture.release()
    annotate_video(source, tmp_path / "out.mp4", [], crf=5)
    first = decode(tmp_path / "out.mp4")[0][0]
    assert first.shape == expected.shape
    assert np.abs(first.astype(int) - expected[:, :, ::-1]).mean() < 2


def test_lines_may_change_from_frame_to_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", frames=10)
    asked: list[int] = []

    def lines(frame: int) -> list[Line]:
        asked.append(frame)
        return [] if frame < 5 else [("waving", 1.0)]

    annotate_video(source, tmp_path / "out.mp4", lines)
    assert asked == list(range(10))
    blue = [image[6:14, 6:60, 2].mean() for image in decode(tmp_path / "out.mp4")[0]]
    assert max(blue[:5]) + 50 < min(blue[5:])  # a full bar


def test_long_names_are_shortened_to_the_frame() -> None:
    lines: list[Line] = [("playing the didgeridoo " * 1000, 0.5), ("a\nb\t c", 0.25), ("ab", 0.1)]
    for height, width in [(96, 128), (256, 340), (1080, 1920), (64, 36), (16, 16)]:
        panel = lay_out(lines, height, width)
        assert panel.right <= width and panel.bottom <= height
        for row in panel.rows:
            assert row.text == "" or row.text in ("a b c", "ab") or row.text.endswith("…")
    assert lay_out(lines, 256, 340).rows[0].text.startswith("playing the didg")
    assert [row.number for row in lay_out(lines, 256, 340).rows] == ["50%", "25%", "10%"]


def test_the_best_classes_come_first() -> None:
    scores = {"a": 0.1, "b": 0.5, "c": 0.2, "d": 0.15, "e": 0.04, "f": 0.01}
    assert [name for name, _ in top_lines(scores)] == ["b", "c", "d", "a", "e"]
    assert top_lines(scores, 1) == [("b", 0.5)]


def test_an_interrupted_copy_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4")
    target = tmp_path / "copies" / "out.mp4"

    def stop(frame: int) -> list[Line]:
        if frame == 6:
            raise KeyboardInterrupt
        return []

    target.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        annotate_video(source, target, stop)
    assert list(target.parent.iterdir()) == []


def test_a_failed_copy_keeps_the_earlier_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video at all" * 100)
    target = tmp_path / "out.mp4"
    target.write_bytes(b"earlier")
    with pytest.raises(VideoError, match=r"broken\.mp4 cannot be read as a video"):
        annotate_video(broken, target, LINES)
    assert target.read_bytes() == b"earlier"
    assert {entry.name for entry in tmp_path.iterdir()} == {"broken.mp4", "out.mp4"}


def test_a_source_without_pictures_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"absent\.mp4"):
        annotate_video(tmp_path / "absent.mp4", tmp_path / "out.mp4", LINES)
    with pytest.raises(VideoError, match="is not a regular file"):
        annotate_video(tmp_path, tmp_path / "out.mp4", LINES)
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"sound\.mp4 holds no video, only sound"):
        annotate_video(sound, tmp_path / "out.mp4", LINES)
    assert not (tmp_path / "out.mp4").exists()


def test_the_source_is_never_replaced_by_its_copy(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", frames=2)
    before = source.read_bytes()
    with pytest.raises(PraxiscopeError, match="choose another name"):
        annotate_video(source, tmp_path / "." / "in.mp4", LINES)
    with pytest.raises(PraxiscopeError, match=r"\.mp4"):
        annotate_video(source, tmp_path / "out.avi", LINES)
    assert source.read_bytes() == before
