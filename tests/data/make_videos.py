"""Small real video files for tests. Every picture shows its number, readable after lossy coding."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
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
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
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


def copy_stream(
    source: Path,
    path: Path,
    *,
    start: int = 0,
    container: str | None = None,
    change: Callable[[int, bytes], bytes] = lambda number, data: data,
) -> Path:
    """Copy the packets from the key frame at or before frame ``start``, which becomes time zero.

    In mp4 what lies before ``start`` is hidden by an edit list, as a cut without re-encoding does.
    ``change`` turns the number and the bytes of a packet into those to write.
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
        for number, packet in enumerate(packets[keys[-1] :]):
            written = av.Packet(change(number, bytes(packet)))
            written.stream, written.time_base = copy, packet.time_base
            written.pts, written.dts = packet.pts - zero, packet.dts - zero
            written.is_keyframe, written.duration = packet.is_keyframe, packet.duration
            out.mux(written)
    return path


def pack_b_frames(source: Path, path: Path) -> Path:
    """Copy an MPEG-4 video as DivX and Xvid wrote it: a B-frame within the packet of another frame.

    The packet that the B-frame leaves is filled by a header that says "nothing coded".
    """
    header, nothing = b"\0\0\1\xb6", b"\0\0\1\xb6\x55\0\0"
    with av.open(str(source)) as file, av.open(str(path), "w", format="avi") as out:
        stream = file.streams.video[0]
        copy = out.add_stream_from_template(stream)
        coded = [(bytes(p), p.is_keyframe) for p in file.demux(stream) if p.size]
        is_b = [data[data.index(header) + 4] >> 6 == 2 for data, _ in coded]
        packets: list[tuple[bytes, bool]] = []
        after_b = False  # within a run of B-frames, each but the last stays where it is
        for (data, is_key), b in zip(coded, is_b, strict=True):
            if b and not after_b:
                packets[-1] = (packets[-1][0] + data, packets[-1][1])
            else:
                if after_b and not b:
                    packets.append((nothing, False))
                vendor = data.index(b"\0\0\1\xb2") if is_key else 0
                tag = data[:vendor] + b"\0\0\1\xb2DivX503b1393p" if is_key else b""
                packets.append((tag + data[data.index(header) :] if is_key else data, is_key))
            after_b = b
        if after_b:
            packets.append((nothing, False))
        for number, (data, is_key) in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.is_keyframe = copy, is_key
            packet.dts, packet.time_base = number, Fraction(1, 25)
            out.mux(packet)
    return path


def write_sound(path: Path, codec: str, *, cover: bool = False) -> Path:
    """Write a second of silence, with a cover picture if asked for."""
    with av.open(str(path), "w") as file:
        sound = file.add_stream(codec, rate=48000)
        assert isinstance(sound, av.AudioStream)
        sound.layout = "mono"
        if cover:
            picture = file.add_stream("mjpeg")
            assert isinstance(picture, av.VideoStream)
            picture.height, picture.width, picture.pix_fmt = HEIGHT, WIDTH, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(numbered_picture(1), format="rgb24")
            file.mux(picture.encode(frame) + picture.encode())
        for start in range(0, 48000, 960):
            silence = av.AudioFrame(format=sound.format.name, layout="mono", samples=960)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.sample_rate, silence.pts = 48000, start
            file.mux(sound.encode(silence))
        file.mux(sound.encode())
    return path


def full_decode(path: Path) -> Frames:
    """Return all frames (N, H, W, 3) of one pass from beginning to end, turned as they are shown.

    This is the truth for random access: it seeks nowhere, skips nothing and keeps no index. It
    leaves out what cannot be decoded: a cut may begin with pictures that lack what they refer to.
    """
    frames: list[av.VideoFrame] = []
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        for packet in file.demux(stream):
            with suppress(av.InvalidDataError):
                frames += stream.codec_context.decode(packet if packet.size else None)
        quarter_turns = frames[0].rotation // 90
        upright = [np.rot90(f.to_ndarray(format="rgb24"), quarter_turns) for f in frames]
    return np.stack(upright)
