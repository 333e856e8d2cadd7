"""Small real video files for tests. Every picture shows its number, readable after lossy coding."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from praxiscope.types import Frame, Frames

HEIGHT, WIDTH = 32, 48
_AS_ASKED: Mapping[
    str, Mapping[str, str]
] = {  # key and B-frames exactly where gop and b_frames say
    "libx264": {"preset": "veryfast", "x264-params": "scenecut=0:b-adapt=0"},
    "mpeg4": {"sc_threshold": "1000000000", "b_strategy": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "mjpeg": {},
}
_BITS = 1 << np.arange(16).reshape(4, 4)


def numbered_picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> Frame:
    """Return a picture (H, W, 3) of 4 x 4 dark and bright fields: the bits of ``number``."""
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    bright = (number & _BITS)[np.ix_(rows, columns)] > 0
    picture = np.where(bright[..., None], (230, 210, 220), (20, 40, 10))
    return np.ascontiguousarray(picture, dtype=np.uint8)


def number_shown(frame: Frame) -> int:
    """Return the number that a decoded picture shows."""
    rows, columns = (np.arange(4) * 2 + 1)[:, None], np.arange(4) * 2 + 1
    height, width = frame.shape[:2]
    centres = frame[rows * height // 8, columns * width // 8].mean(axis=-1)
    return int(_BITS[centres > 120].sum())


def write_video(
    path: Path,
    count: int = 30,
    *,
    codec: str = "libx264",
    gop: int = 12,
    b_frames: int = 2,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    fps: int | Fraction = 25,
    times: Sequence[int] | None = None,
    options: Mapping[str, str] | None = None,
    container: str | None = None,
    container_options: Mapping[str, str] | None = None,
    rotation: int = 0,
    pictures: Iterable[Frame] | None = None,
) -> Path:
    """Write ``count`` numbered pictures, shown at ``times`` (in units of 1/fps) -> ``path``."""
    height, width = size
    with av.open(
        str(path), "w", format=container, container_options=dict(container_options or {})
    ) as file:
        stream = file.add_stream(codec, rate=fps, options={**_AS_ASKED[codec], **(options or {})})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        stream.codec_context.bit_rate = 2_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        if pictures is None:
            pictures = (numbered_picture(number, height, width) for number in range(count))
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = 1 / Fraction(fps)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def copy_stream(source: Path, path: Path, *, start: int = 0, container: str | None = None) -> Path:
    """Copy the packets from the key frame at or before frame ``start``, which becomes time zero.

    In mp4 what lies before ``start`` is hidden by an edit list, as a cut without re-encoding does.
    """
    with (
        av.open(str(source)) as file,
        av.open(str(path), "w", format=container, options={"avoid_negative_ts": "disabled"}) as out,
    ):
        stream = file.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [packet for packet in file.demux(stream) if packet.size]
        zero = sorted(packet.pts for packet in packets)[start]
        keys = [n for n, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= zero]
        for packet in packets[keys[-1] :]:
            packet.pts, packet.dts, packet.stream = packet.pts - zero, packet.dts - zero, copy
            out.mux(packet)
    return path


def full_decode(path: Path) -> Frames:
    """Return all frames (N, H, W, 3) of one pass from beginning to end, turned as they are shown.

    This is the truth for random access: it seeks nowhere, skips nothing and keeps no index.
    """
    with av.open(str(path)) as file:
        frames = list(file.decode(file.streams.video[0]))
        quarter_turns = frames[0].rotation // 90
        upright = [np.rot90(f.to_ndarray(format="rgb24"), quarter_turns) for f in frames]
    return np.stack(upright)
