"""Videos as smaller h264 files, frame by frame, every frame at its time.

Copies are made smaller by means over areas: each pixel is the mean of those that it covers. So do
FFmpeg's filters, with which the published copies of Kinetics were made, nearly: from 1920x1080 to a
short side of 256 the pictures agree to 36 dB, bilinear ones (four pixels, as in the transforms that
networks see) to 24, because these leave out three pixels of four, which flickers and costs bits.
Where a side becomes longer, resizing is bilinear.

Letters: H x W pixels.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np

from praxiscope.data.transforms import short_side_size
from praxiscope.data.video import Video, open_video
from praxiscope.data.video_file import open_container
from praxiscope.errors import DataError, VideoError
from praxiscope.files import write_atomically
from praxiscope.types import Frame

_MPEG_RANGE, _BT601 = 1, 6  # what swscale makes of RGB, told to players so that they don't guess
_LONGEST_SIDE = 16_384  # of h264
_RECORD = "praxiscope: {} frames"  # the comment in a copy


@dataclass(frozen=True, kw_only=True)
class PictureSize:
    """The size that pictures get: a short side, or height and width, or (with neither) their own.

    ``even`` rounds the longer side to an even number, as h264 needs.
    """

    short_side: int | None = None
    fixed: tuple[int, int] | None = None  # (H, W)
    even: bool = False

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Return the (H, W) that a picture of ``height`` x ``width`` gets."""
        if self.fixed is not None:
            return self.fixed
        if not self.even:
            return short_side_size(height, width, self.short_side)
        short = self.short_side or min(height, width)
        scale = short / min(height, width)
        rows, columns = (2 * int(side * scale / 2 + 0.5) for side in (height, width))
        return max(rows, 2), max(columns, 2)

    def fits(self, height: int, width: int) -> bool:
        """Whether pictures of ``height`` x ``width`` can have come from this."""
        if self.fixed is not None:
            return (height, width) == self.fixed
        return self.short_side in (None, min(height, width))


def resample(frame: Frame, height: int, width: int) -> Frame:
    """Resize (H, W, 3) -> (height, width, 3): means over areas, bilinear where a side grows."""
    if frame.shape[:2] == (height, width):
        return frame
    grows = height > frame.shape[0] or width > frame.shape[1]
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    return cv2.resize(frame, (width, height), interpolation=how).astype(np.uint8, copy=False)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How x264 stores a copy."""

    size: PictureSize
    crf: int = 18  # quality, from 0 (lossless) to 51
    preset: str = "fast"
    gop: int | None = None  # largest distance of two key frames; None: x264's 250


def is_whole(source: Path, target: Path, size: PictureSize) -> bool:
    """Whether a file is a copy that is complete: it opens, and has as many frames as its source.

    Only headers are read; of a file that another program wrote, the list of packets, and that of
    the source. An mp4 that was cut off does not open, as its index is at the end.

    Raises:
        DataError: It is whole but of another size.
    """
    try:
        with open_container(target, 1) as file:
            stream = file.streams.video[0]
            height, width, count = stream.height, stream.width, stream.frames
            record = re.fullmatch(_RECORD.format(r"(\d+)"), file.metadata.get("comment", ""))
        expected = int(record[1]) if record else _count(source)
        whole = expected == (count if record else _count(target))
    except VideoError:
        return False
    if whole and not size.fits(height, width):
        raise DataError(
            f"{target} is there with {width}x{height} pixels, another size than asked for: name "
            "another folder, or give --overwrite."
        )
    return whole


def _count(path: Path) -> int:
    with closing(open_video(path)) as video:
        return video.num_frames


def resize_video(source: Path, target: Path, encoding: Encoding) -> bool:
    """Write an h264 mp4 of all frames of a video; return whether it had sound, which is left out.

    They are resized and upright. The first is at 0; all others keep their distances in time
    exactly. The file appears when it is whole. One frame is in memory at full size, besides the
    decoder's (20 at most); x264 keeps about 60 of the new size. The same source gives the same
    bytes.

    Raises:
        VideoError: The source cannot be decoded from beginning to end, or be stored at this size.
        PraxiscopeError: The disk refuses the file.
    """
    with closing(video_file(source)) as video:
        (times, tick), layout = video.times(), video.layout
    height, width = encoding.size.of(layout.height, layout.width)
    if max(height, width) > _LONGEST_SIDE:
        raise VideoError(
            f"{source} would have {width}x{height} pixels, but h264 holds no side longer than "
            f"{_LONGEST_SIDE}: name a shorter --short-side, or leave the video out."
        )
    # Without the list of packets all frames come in one pass, with no seek to each key frame.
    with closing(Video(source, layout=replace(layout, index=None))) as video:
        pictures = video.pictures(range(len(times)))
        write = partial(
            _encode,
            (resample(picture, height, width) for _, picture in pictures),
            times,
            tick,
            size=(height, width),
            fps=layout.fps,
            encoding=encoding,
        )
        write_atomically(target, write)
    with closing(open_container(source, 1)) as file:
        return bool(file.streams.audio)


def video_file(path: Path) -> Video:
    """Open a video file; :class:`VideoError` for anything else, as a folder of images."""
    if path.is_dir():
        raise VideoError(f"{path} is a folder: expected a video file.")
    return Video(path)


def _encode(
    pictures: Iterable[Frame],
    times: Sequence[int],
    tick: Fraction,
    file: BinaryIO,
    *,
    size: tuple[int, int],
    fps: float,
    encoding: Encoding,
) -> None:
    """Write pictures (H, W, 3), shown at ``times`` x ``tick`` seconds, as an mp4."""
    # With AVX-512, x264's macroblock tree reads memory that nothing has written, and the bytes
    # differ from time to time. Without it copies are 4 to 7% larger.
    options = {
        "crf": str(encoding.crf),
        "preset": encoding.preset,
        "x264-params": "mbtree=0",
    }
    with av.open(file, "w", format="mp4") as copy:
        copy.metadata["comment"] = _RECORD.format(len(times))
        rate = Fraction(fps or 25).limit_denominator(100_000)
        stream = copy.add_stream("libx264", rate=rate, options=options)
        (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
        stream.codec_context.time_base = tick
        stream.codec_context.color_range, stream.codec_context.colorspace = _MPEG_RANGE, _BT601
        # x264 writes its number of threads into the file: fixed, so the bytes are too.
        stream.thread_count = 1
        if encoding.gop is not None:
            stream.gop_size = encoding.gop
        for time, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            # By one thread: the last bits depend on their number.
            frame = frame.reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base = time, tick
            copy.mux(stream.encode(frame))
        copy.mux(stream.encode(None))
