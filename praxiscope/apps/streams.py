"""Pictures one after the other with their times: of a file, a folder, a camera, an address.

Each is decoded once and in order, and memory holds one at a time, so a stream may last for hours.
"""

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import takewhile
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
from av.container import InputContainer

from praxiscope.data.frames import FrameFolder, open_frames
from praxiscope.data.video_file import moving_pictures, open_container
from praxiscope.errors import VideoError
from praxiscope.types import Frame

log = logging.getLogger(__name__)

LONGEST_GAP_SECONDS = 3600  # a longer one is taken for a clock that was set
_USUAL_RATE = Fraction(25)  # of a stream that does not tell its own
_WAIT_SECONDS = (10.0, 10.0)  # for a camera or an address to open, and for the next picture
_CAMERA = re.compile(r"\d{1,3}|/dev/video\d+")
# Addresses are opened in formats that hold pictures, none that names further addresses or files,
# and by protocols that cannot reach the files of this machine.
_LIVE_OPTIONS = {
    "protocol_whitelist": "http,https,httpproxy,tcp,tls,udp,rtp,rtsp,rtmp,rtmps,rtmpt,srt",
    "format_whitelist": "mov,matroska,webm,mpegts,mpeg,flv,avi,ogg,nut,mpjpeg,mjpeg,h264,hevc,rtsp",
}


@dataclass(frozen=True)
class TimedFrame:
    """One picture of a stream."""

    number: int  # from 0
    seconds: float  # after the first picture; rising
    picture: Callable[[], Frame]  # upright RGB (H, W, 3), all of one size; converted when called


TimedFrames = Generator[TimedFrame, None, None]


@dataclass(frozen=True)
class FrameStream:
    """Pictures that can be read from beginning to end; live ones once."""

    name: str  # for people; without the password of an address
    fps: float  # about; the times of the pictures count
    seconds: float | None  # how long it is, as far as it says so
    is_live: bool
    frames: Callable[[], TimedFrames]

    @property
    def video(self) -> str:
        """What AVA's files call it: the name without folder and suffix."""
        return Path(self.name).stem or self.name

    def first(self, seconds: float) -> "FrameStream":
        """Return the stream, but no longer than ``seconds``."""

        def frames() -> TimedFrames:
            with closing(self.frames()) as every:
                yield from takewhile(lambda frame: frame.seconds < seconds, every)

        known = seconds if self.seconds is None else min(seconds, self.seconds)
        return replace(self, seconds=known, frames=frames)


def is_live(video: str | Path) -> bool:
    """Whether this is a camera (``0``, ``/dev/video0``) or an address (``rtsp://...``)."""
    return "://" in str(video) or (
        bool(_CAMERA.fullmatch(str(video))) and not Path(str(video)).is_file()
    )


def open_stream(video: str | Path, *, fps: float | None = None) -> FrameStream:
    """Open a video file, a folder of frame images, a camera or the address of a stream.

    Args:
        video: A path; ``0`` or ``/dev/video0`` for a camera; ``rtsp://``, ``http://`` and the like
            for a stream. Playlists (.m3u8) are refused, as they name other addresses.
        fps: Of a folder of images, img_00001.jpg and so on, which do not tell it.

    A damaged part of a file is passed over and said. The size of all pictures is that of the first.

    Raises:
        VideoError: It cannot be opened, or holds no moving pictures.
        DataError: The folder holds no images.
    """
    if is_live(video):
        return _open_live(str(video))
    path = Path(video)
    if _is_folder(path):
        folder, rate = open_frames(path), fps or float(_USUAL_RATE)
        images = partial(_images, folder, rate)
        return FrameStream(str(video), rate, folder.num_frames / rate, False, images)
    with open_container(path, threads=1) as movie:
        read = partial(_read_file, path)
        return FrameStream(str(video), float(_rate(movie)), _length(movie), False, read)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # too long for a name
        return False


def _images(folder: FrameFolder, fps: float) -> TimedFrames:
    for number in range(folder.num_frames):
        yield TimedFrame(number, number / fps, lambda n=number: folder.frames_at([n])[0])  # type: ignore[misc]


def _read_file(path: Path) -> TimedFrames:
    with open_container(path, threads=0) as movie:
        yield from _timed_frames(movie, str(path), is_live=False)


def _open_live(address: str) -> FrameStream:
    """Open a camera or an address; it is read where it was opened, once."""
    shown = _without_password(address)
    try:
        if _CAMERA.fullmatch(address):
            device = f"/dev/video{address}" if address.isdigit() else address
            movie = av.open(device, format="v4l2", timeout=_WAIT_SECONDS)
        else:
            movie = av.open(address, container_options=_LIVE_OPTIONS, timeout=_WAIT_SECONDS)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise VideoError(
            f"{shown} cannot be opened: {_reason(error)}. Expected a "
            "camera (0, /dev/video0), or the address of a stream or video file (rtsp://, http://); "
            "check that it plays elsewhere."
        ) from error
    pictures = moving_pictures(movie)
    if not pictures or not pictures[0].codec_context:
        movie.close()
        what = "pictures that this FFmpeg has no decoder for" if pictures else "no moving pictures"
        raise VideoError(f"{shown} sends {what}: expected a stream as h264 in MPEG-TS or RTSP.")

    def frames() -> TimedFrames:
        with movie:
            yield from _timed_frames(movie, shown, is_live=True)

    return FrameStream(shown, float(_rate(movie)), _length(movie), True, frames)


def _reason(error: Exception) -> str:
    if isinstance(error, av.ExitError):  # what FFmpeg calls it when time is up
        return f"nothing came for {_WAIT_SECONDS[0]:g} seconds"
    return str(getattr(error, "strerror", None) or error)


def _without_password(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:  # of what is no address at all: a bracket that is not closed
        return address.rpartition("@")[2]
    if not parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _rate(movie: InputContainer) -> Fraction:
    stream = moving_pictures(movie)[0]
    return stream.average_rate or stream.guessed_rate or _USUAL_RATE


def _length(movie: InputContainer) -> float | None:
    stream = moving_pictures(movie)[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return movie.duration / av.time_base if movie.duration and movie.duration > 0 else None


def _timed_frames(movie: InputContainer, name: str, *, is_live: bool) -> TimedFrames:
    """Yield the pictures of an open file or stream to its end."""
    video = moving_pictures(movie)[0]
    video.thread_type = "AUTO"
    tick = video.time_base or Fraction(1, 90_000)
    step = max(1, round(1 / (_rate(movie) * tick)))
    damaged: list[None] = []
    number = -1
    size: tuple[int, int] | None = None  # upright
    pictures = _decoded(movie, video, name, damaged, is_live=is_live)
    for number, (time, frame) in enumerate(rising(pictures, movie, step, tick)):
        size = size or upright_size(frame)
        yield TimedFrame(number, float(time * tick), partial(upright, frame, *size))
    if number < 0:
        raise VideoError(f"{name} holds no pictures that can be decoded.")
    if damaged:
        log.warning("%s: %d damaged parts were passed over.", name, len(damaged))


def _decoded(
    movie: InputContainer, video: av.VideoStream, name: str, damaged: list[None], *, is_live: bool
) -> Iterator[av.VideoFrame]:
    """Yield what can be decoded; add to ``damaged`` for every packet that cannot."""
    packets = movie.demux(video)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            if not is_live:
                raise VideoError(f"{name} cannot be read to its end: {error}") from error
            log.warning("%s has ended: %s.", name, _reason(error))
            packet = None
        if packet is not None and not packet.size:  # it would tell the decoder that the video ends
            continue
        try:
            yield from video.codec_context.decode(packet)
        except av.FFmpegError:
            damaged.append(None)
        if packet is None:
            return


def rising(
    frames: Iterable[av.VideoFrame], movie: InputContainer, step: int, tick: Fraction
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield frames with rising times from 0, in the stream's ticks.

    One without a usable time, or after a gap of hours, comes ``step`` ticks after the one before.
    """
    # AVI stores no times of display: those that FFmpeg guesses run backwards around B-frames.
    by_decoding = movie.format.name == "avi"
    first, last = None, -step
    longest = LONGEST_GAP_SECONDS / tick
    for frame in frames:
        time = frame.dts if by_decoding else frame.pts
        if first is None:
            first = time or 0
        if time is not None and last < time - first <= last + longest:
            last = time - first
        else:
            last += step
            if time is not None and time - first > last:
                first = time - last
        yield last, frame


def upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Return height and width of a decoded frame, turned upright."""
    sides = frame.height, frame.width
    return sides[::-1] if _quarter_turns(frame) % 2 else sides


def upright(frame: av.VideoFrame, height: int, width: int) -> Frame:
    """Return a decoded frame as RGB (height, width, 3), turned upright."""
    # The size is fixed, because a stream may change its own, and its rotation, on the way.
    turns = _quarter_turns(frame)
    stored = (width, height) if turns % 2 else (height, width)
    image = frame.to_ndarray(format="rgb24", height=stored[0], width=stored[1])
    return np.ascontiguousarray(np.rot90(image, turns))


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Return how often to turn a frame anticlockwise by 90 degrees."""
    return round(frame.rotation / 90)
