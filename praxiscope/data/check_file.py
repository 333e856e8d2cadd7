"""What is wrong with a video file, found by reading and decoding it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_low

import av

from praxiscope.data.file_end import missing_bytes
from praxiscope.data.frames import FrameFolder
from praxiscope.data.integrity import decode
from praxiscope.data.video import Video, open_video
from praxiscope.data.video_file import moving_pictures, open_any, open_container
from praxiscope.errors import DataError

UNUSABLE = {
    "missing": "listed, but not there",
    "empty file": "0 bytes",
    "unreadable": "no video, or a damaged header",
    "no video stream": "only sound, or a still picture",
    "truncated": "the end of the file is missing",
    "shorter than declared": "fewer seconds than the header says",
    "damaged frames": "frames that cannot be decoded",
}
REMARKS = {
    "variable frame rate": "unevenly spaced frames",
    "wrong extension": "the suffix is that of another format",
}
_SUFFIXES = {  # of what FFmpeg calls the formats
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".mov", ".m4v", ".3gp", ".3g2", ".f4v", ".qt"),
    "matroska,webm": (".mkv", ".webm", ".mk3d"),
    "avi": (".avi", ".divx"),
    "mpegts": (".ts", ".mts", ".m2ts"),
    "mpeg": (".mpg", ".mpeg", ".vob"),
    "flv": (".flv",),
    "asf": (".wmv", ".asf"),
    "ogg": (".ogv", ".ogg"),
    "nut": (".nut",),
}
_SLACK_SECONDS, _SLACK_FRAMES = 0.5, 3  # by which a header may be wrong; the larger counts
_UNEVEN = 0.1  # of the usual distance between frames: what is more is no rounding


@dataclass(frozen=True)
class Finding:
    """Something about a file: one of ``UNUSABLE`` or ``REMARKS``, and a sentence on it."""

    kind: str
    text: str

    @property
    def is_unusable(self) -> bool:
        """Whether training could not use the file, or only a part of it."""
        return self.kind in UNUSABLE


def check_file(path: Path, *, every_frame: bool = False) -> tuple[Finding, ...]:
    """Return what there is to say about a video file or a folder of images; () if nothing.

    The whole file is read and its packets are listed. Five frames from the first to the last are
    decoded, or all with ``every_frame``. At most one finding makes a file unusable; remarks can
    stand beside it.
    """
    return tuple(_findings(path, every_frame))


def _findings(path: Path, every_frame: bool) -> Iterator[Finding]:
    try:
        if not path.exists():
            yield Finding("missing", f"{path} does not exist: get the file, or correct the list.")
            return
        if path.is_file() and path.stat().st_size == 0:
            yield Finding("empty file", f"{path} is empty (0 bytes): get the file again.")
            return
        missing = missing_bytes(path) if path.is_file() else 0
    except OSError as error:
        yield Finding("unreadable", f"{path} cannot be read: {error.strerror}.")
        return
    if missing:
        text = f"{path} lacks its last {missing:,} bytes: get the file again."
        yield Finding("truncated", text)
        return
    try:
        video = open_video(path)
    except DataError as error:
        kind = "no video stream" if _holds_no_video(path) else "unreadable"
        yield Finding(kind, str(error))
        return
    with closing(video):
        if isinstance(video, Video):
            try:
                yield from _remarks(video)
                short = _find_shortness(video)
            except (DataError, OSError) as error:  # it, or its disk, has changed since
                short = Finding("unreadable", str(error))
            if short is not None:
                yield short
                return
        yield from _find_damage(path, video, every_frame)


def _holds_no_video(path: Path) -> bool:
    """Whether a file that is no video is sound in itself."""
    try:
        with open_any(path) as file:
            return not moving_pictures(file)
    except DataError:
        return False


def _find_damage(path: Path, video: Video | FrameFolder, every_frame: bool) -> Iterator[Finding]:
    try:
        decode(video, every_frame=every_frame)
    except DataError as error:
        text = str(error)
        yield Finding("damaged frames", text if str(path) in text else f"{path}: {text}")


def _remarks(video: Video) -> Iterator[Finding]:
    with open_any(video.path) as file:
        suffixes = _SUFFIXES.get(file.format.name, ())
        name = file.format.long_name
    if suffixes and video.path.suffix.lower() not in suffixes:
        suffix = f"'{video.path.suffix}'" if video.path.suffix else "missing"
        text = f"{video.path} is {name}, as in {suffixes[0]} files, but its suffix is {suffix}."
        yield Finding("wrong extension", text)
    times, tick = video.times()
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return
    usual = median_low(steps)
    # Times are rounded, in mkv to 1 ms: a distance may be one tick more or less.
    uneven = [step for step in steps if abs(step - usual) > max(_UNEVEN * usual, 1.5)]
    if uneven:
        least, most = (float(1000 * step * tick) for step in (min(steps), max(steps)))
        text = (
            f"{video.path}: {len(uneven)} of {len(steps)} distances between frames differ from "
            f"the usual {float(1000 * usual * tick):.0f} ms; they are {least:.0f} to {most:.0f} ms."
        )
        yield Finding("variable frame rate", text)


def _find_shortness(video: Video) -> Finding | None:
    """Compare the packets of all streams with how long the header says that they last."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    is_cut = False
    with open_container(video.path, 1) as file:
        stream = moving_pictures(file)[0]
        whole = (file.duration or 0) / av.time_base
        own = float((stream.duration or 0) * (stream.time_base or 0))
        try:
            for packet in file.demux():
                if packet.size:
                    is_cut = packet.is_corrupt  # of the last one
                    time = packet.pts if packet.pts is not None else packet.dts
                    if time is not None and packet.time_base:
                        number, unit = packet.stream.index, packet.time_base
                        start, end = (
                            float(time * unit),
                            float((time + (packet.duration or 0)) * unit),
                        )
                        first[number] = min(first.get(number, start), start)
                        last[number] = max(last.get(number, end), end)
        except av.FFmpegError:
            is_cut = True
        number = stream.index
    # Some headers count from zero, some from the first packet: what is longer is believed.
    lengths = {n: last[n] - min(first[n], 0.0) for n in last}
    slack = max(_SLACK_SECONDS, _SLACK_FRAMES / (video.fps or 25))
    pairs = [(own, lengths.get(number, 0.0)), (whole, max(lengths.values(), default=0.0))]
    for declared, found in pairs:
        if found and declared - found > slack:
            kind = "truncated" if is_cut else "shorter than declared"
            text = (
                f"{video.path} lasts {found:.2f} s, but its header says {declared:.2f} s: "
                "get the file again."
            )
            return Finding(kind, text)
    return None
