"""A copy of a video with the predictions written on it: h264 in an mp4, one frame in memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from av.container import InputContainer

from praxiscope.apps.streams import rising, upright, upright_size
from praxiscope.data.video import Video
from praxiscope.errors import PraxiscopeError, VideoError
from praxiscope.files import write_atomically
from praxiscope.types import Frame

Line = str | tuple[str, float]  # a text, or a text and a share in [0, 1] that is drawn as a bar
Lines = Sequence[Line] | Callable[[int], Sequence[Line]]

INK, BAR, BACK = (255, 255, 255), (30, 98, 164), (16, 18, 22)
OPACITY = 0.62  # of the panel behind the text: legible on white, and the action still shows
WEIGHT = 500  # of the font: between regular and semibold, which small sizes need
MPEG_RANGE, BT601 = 1, 6  # what swscale makes of RGB, told to players so that they don't guess


def top_lines(scores: Mapping[str, float], count: int = 5) -> list[Line]:
    """Return the ``count`` best classes with their shares, best first, ready to draw."""
    return list(sorted(scores.items(), key=lambda item: -item[1])[:count])


def annotate_video(source: Path, target: Path, lines: Lines, *, crf: int = 18) -> int:
    """Write an mp4 copy of ``source`` with ``lines`` in its corner; return the number of frames.

    ``lines`` are the same for all frames, or a function of the frame number from 0. Frames keep
    their size (one row or column is repeated where it is odd), order and time; the first one is
    at 0, sound is dropped. ``crf`` is the x264 quality, lower is better. ``target`` is complete
    or untouched.

    Raises:
        VideoError: the source is no video file, or cannot be decoded to its end.
        PraxiscopeError: ``target`` is no .mp4, or is the source itself.
    """
    if target.suffix.lower() != ".mp4":
        raise PraxiscopeError(f"{target}: annotated videos are written as .mp4.")
    if target.resolve() == source.resolve():
        raise PraxiscopeError(f"{target} is the video itself: choose another name for the copy.")
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        # By name, because FFmpeg opens the file again to move the index to the front.
        count = _encode(source, movie, file.name, lines, crf)

    with _open(source) as movie:
        write_atomically(target, write)
    return count


def _encode(source: Path, movie: InputContainer, target: str, lines: Lines, crf: int) -> int:
    """Decode, draw and encode frame by frame; return how many."""
    video = movie.streams.best("video")  # not a cover picture, which may come first
    assert isinstance(video, av.VideoStream), source
    video.thread_type = "AUTO"
    rate = video.average_rate or video.guessed_rate or Fraction(25)
    tick = video.time_base or Fraction(1, 90_000)

    def drawn() -> Iterator[tuple[int, Frame]]:
        panel = None
        frames = _timed_frames(source, movie, video, max(1, round(1 / (rate * tick))), tick)
        for count, (time, image) in enumerate(frames):
            if panel is None or callable(lines):
                panel = lay_out(lines(count) if callable(lines) else lines, *image.shape[:2])
            draw(panel, image)
            yield time, image

    count = encode(target, drawn(), rate=rate, tick=tick, crf=crf)
    if not count:
        raise VideoError(f"{source} holds no pictures that can be decoded.")
    return count


def encode(
    target: str,
    images: Iterable[tuple[int, Frame]],
    *,
    rate: Fraction,
    tick: Fraction,
    crf: int,
    preset: str = "medium",
) -> int:
    """Write an h264 mp4 of images (H, W, 3) of even sides; return how many.

    Each comes with its time in units of ``tick`` seconds; ``rate`` is about how many a second.
    ``crf`` and ``preset`` are x264's: quality, and how long it looks for a small file.
    """
    # The index at the front lets a browser play the file while it still loads.
    with av.open(target, "w", format="mp4", options={"movflags": "faststart"}) as copy:
        stream = copy.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": preset})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = tick
        stream.codec_context.color_range = MPEG_RANGE
        stream.codec_context.colorspace = BT601
        count = 0
        for time, image in images:
            if count == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, tick
            copy.mux(stream.encode(frame))
            count += 1
        if count:
            copy.mux(stream.encode(None))
    return count


def _open(source: Path) -> InputContainer:
    """Open a video file to read it from beginning to end."""
    Video(source).close()  # refuses, in its own words, whatever is no video file
    return av.open(f"file:{source}", metadata_errors="replace")


def _timed_frames(
    source: Path, movie: InputContainer, video: av.VideoStream, step: int, tick: Fraction
) -> Iterator[tuple[int, Frame]]:
    """Yield rising times from 0, in the stream's ticks, and upright images of even size."""
    size: tuple[int, int] | None = None
    try:
        for time, frame in rising(movie.decode(video), movie, step, tick):
            size = size or upright_size(frame)
            yield time, even_sides(upright(frame, *size))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{source} cannot be decoded to its end: {error}") from error


def even_sides(image: Frame) -> Frame:
    """Repeat the last row or column where their number is odd, which h264 cannot store."""
    odd_rows, odd_columns = image.shape[0] % 2, image.shape[1] % 2
    return np.pad(image, ((0, odd_rows), (0, odd_columns), (0, 0)), mode="edge")


@dataclass(frozen=True)
class Row:
    """A line of the panel: the text that fits, the bar's share, and the number beside it."""

    text: str
    share: float | None
    number: str


@dataclass(frozen=True)
class Panel:
    """A translucent box, laid out for the top left corner. All numbers in pixels."""

    rows: tuple[Row, ...]
    font: cv2.FontFace
    size: int
    left: int
    top: int
    width: int
    row_height: int
    bar: tuple[int, int, int] = BAR  # RGB, dark enough for light text

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.row_height * len(self.rows)

    @property
    def bottom(self) -> int:
        """The first row of pixels below the box."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column of pixels right of the box."""
        return self.left + self.width


def lay_out(lines: Sequence[Line], height: int, width: int) -> Panel:
    """Choose sizes for a frame and shorten what doesn't fit: at most 0.7 of the frame's width.

    Lines that don't fit below each other are left out from the end.
    """
    font = cv2.FontFace("sans")
    size = max(8, round(height / 22))
    margin, row_height = size // 2, round(1.5 * size)
    rows = [_row(line) for line in lines[: max(0, (height - 2 * margin) // row_height)]]
    beside = max((_text_width(row.number, font, size) for row in rows), default=0)
    around = 2 * margin + (beside + size if beside else 0)  # what a row holds beside its text
    room = max(0, int(0.7 * width) - around)
    rows = [Row(_fit(row.text, room, font, size), row.share, row.number) for row in rows]
    text_width = max((_text_width(row.text, font, size) for row in rows), default=0)
    # Bars are told apart by length, so they get a length even where the names are short.
    box_width = min(min(max(text_width, 5 * size), room) + around, width - margin)
    return Panel(tuple(rows), font, size, margin, margin, box_width, row_height)


def draw(panel: Panel, image: Frame) -> None:
    """Draw the panel onto an RGB image (H, W, 3), in place."""
    if not panel.rows:
        return
    box = image[panel.top : panel.bottom, panel.left : panel.right]
    box[:] = (box * (1 - OPACITY) + np.array(BACK) * OPACITY).astype(np.uint8)
    pad = panel.size // 2
    for index, row in enumerate(panel.rows):
        top = panel.top + index * panel.row_height
        baseline = top + round((panel.row_height + 0.7 * panel.size) / 2)  # 0.7: capital height
        if row.share is not None:
            length = round(panel.width * min(max(row.share, 0.0), 1.0))
            image[top + 1 : top + panel.row_height - 1, panel.left : panel.left + length] = (
                panel.bar
            )
        _put(image, row.text, panel.left + pad, baseline, panel)
        across = _text_width(row.number, panel.font, panel.size)
        _put(image, row.number, panel.right - pad - across, baseline, panel)


def _row(line: Line) -> Row:
    """Take a line apart, and its text to one line of characters that can be drawn."""
    text, share = (line, None) if isinstance(line, str) else line
    clean = " ".join(text.encode("utf-8", "replace").decode().split())
    return Row(clean, share, "" if share is None else f"{100 * share:.0f}%")


def _fit(text: str, room: int, font: cv2.FontFace, size: int) -> str:
    """Return the text, or as much of its beginning as fits with an ellipsis."""
    text = text[: room + 1]  # a character takes a pixel at least: bounds the work on any name
    if _text_width(text, font, size) <= room:
        return text
    cuts = range(len(text) + 1)
    kept = bisect_right(cuts, room, key=lambda n: _text_width(f"{text[:n]}…", font, size)) - 1
    return f"{text[:kept].rstrip()}…" if kept > 0 else ""


def _text_width(text: str, font: cv2.FontFace, size: int) -> int:
    """How far the text reaches from where it starts."""
    if not text:
        return 0
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size, WEIGHT)
    return int(x + width)


def _put(image: Frame, text: str, x: int, baseline: int, panel: Panel) -> None:
    if text:
        cv2.putText(image, text, (x, baseline), INK, panel.font, panel.size, WEIGHT)
