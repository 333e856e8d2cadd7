"""Opening untrusted video files: local ones only, in known formats, with moving pictures."""

from pathlib import Path

import av
import cv2
from av.container import InputContainer
from av.stream import Disposition

from praxiscope.errors import VideoError

# FFmpeg reads hundreds of formats. Some are texts that name other files or addresses (hls, dash,
# concat), others numbered images or devices. These alone are opened, and only from local files. The
# second line is sound: opened so that the error can say so.
_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,nut,"
    "wav,mp3,flac,aac"
)  # fmt: skip
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
_STILL = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


def open_container(path: Path, threads: int) -> InputContainer:
    """Open a local file whose moving pictures can be decoded, by ``threads`` threads.

    Raises :class:`VideoError` for any other file. FFmpeg's messages are not printed: PyAV keeps
    them quiet unless a program asks for them.
    """
    file = open_any(path)
    streams = moving_pictures(file)
    if streams and streams[0].codec_context:
        streams[0].codec_context.thread_count = threads
        streams[0].codec_context.thread_type = "AUTO"
        return file
    if streams:
        what = "holds a video that this FFmpeg has no decoder for"
    elif file.streams.video:
        what = "holds a still image but no moving pictures"
    else:
        what = "holds no video" + (", only sound" if file.streams.audio else "")
    file.close()
    raise unreadable(path, what)


def open_any(path: Path) -> InputContainer:
    """Open a local file of a known format, whatever is in it; else raise :class:`VideoError`."""
    try:
        if not path.exists():
            raise VideoError(f"{path} does not exist: expected a video file; check the path.")
        if not path.is_file():
            raise unreadable(path, "is not a regular file")
        if path.stat().st_size == 0:
            raise unreadable(path, "is empty (0 bytes)")
        return av.open(
            f"file:{path}", mode="r", container_options=_OPTIONS, metadata_errors="replace"
        )
    except (OSError, av.FFmpegError) as error:
        what = f"cannot be read as a video ({error.strerror})"
        if isinstance(error, av.FFmpegError) and cv2.haveImageReader(str(path)):
            what = "is a still image"
        raise unreadable(path, what) from error


def moving_pictures(file: InputContainer) -> list[av.VideoStream]:
    """Return the video streams that are not a cover picture or a thumbnail."""
    return [stream for stream in file.streams.video if not stream.disposition & _STILL]


def unreadable(path: Path, what: str) -> VideoError:
    """Return the error for a file that ``what`` tells about."""
    return VideoError(
        f"{path} {what}: expected a video file (mp4, mkv, webm, avi, MPEG-TS); "
        "get the file again, convert it, or leave it out."
    )
