"""Whether the end of a video file is missing, by the sizes that its outermost parts state.

A part is a box of mp4 and mov (ISO/IEC 14496-12, 4.2), a chunk of avi (Microsoft's RIFF), or the
segment of mkv and webm (RFC 8794). FFmpeg reads as far as it can and hardly says that more should
be there; an mp4 whose index stood at the lost end it does not open at all.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MATROSKA = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
# Those that stand outermost; anything else there is no part of the file's form.
_BOXES = set(b"ftyp styp moov moof mdat free skip wide sidx ssix mfra uuid pnot udta meta".split())
_NEVER_FILLED_IN = (0, 0xFFFFFFFF)  # lengths in an avi whose writing was not finished


def missing_bytes(path: Path) -> int:
    """Return how many bytes a file is shorter than its parts say; 0 also where nothing says.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(12)
        file.seek(0)
        if head[4:8] in _BOXES:
            ends = _boxes(file, size)
        elif head[:4] == b"RIFF" and head[8:] == b"AVI ":
            ends = _chunks(file, size)
        elif head[:4] == _MATROSKA:
            ends = _elements(file, size)
        else:
            return 0
        return max(0, max(ends, default=0) - size)


def _boxes(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield where each outermost box of mp4 ends."""
    start = 0
    while len(head := _read(file, start, 16, size)) >= 8 and head[4:8] in _BOXES:
        length = int.from_bytes(head[:4])
        if length == 1:  # the next eight bytes say it
            length = int.from_bytes(head[8:])
        if length < 8:  # 0: up to the end of the file, wherever that is
            return
        start += length
        yield start


def _chunks(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield where the chunks within each RIFF chunk of avi end, but for the index.

    The index stands last and is not needed; and not every writer counts the RIFF chunk itself in
    the same way.
    """
    start = 0
    while len(head := _read(file, start, 12, size)) == 12 and head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        if length in _NEVER_FILLED_IN:
            return
        inner, start = start + 12, start + 8 + length + length % 2
        while inner < start and len(head := _read(file, inner, 8, size)) == 8:
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"idx1":
                break
            if length in _NEVER_FILLED_IN:
                return
            yield inner + 8 + length
            inner += 8 + length + length % 2


def _elements(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield where the header of mkv ends, and the segment, if its size is known."""
    start = 0
    for name in (_MATROSKA, _SEGMENT):
        head = _read(file, start, 12, size)
        if len(head) < 5 or head[:4] != name or not head[4]:
            return
        length = 9 - head[4].bit_length()  # the zeros before the first 1 tell the number of bytes
        unknown = (1 << 7 * length) - 1
        content = int.from_bytes(head[4 : 4 + length]) & unknown
        if content == unknown or len(head) < 4 + length:
            return
        start += 4 + length + content
        yield start


def _read(file: BinaryIO, start: int, count: int, size: int) -> bytes:
    if start >= size:  # perhaps further than any file can be read
        return b""
    file.seek(start)
    return file.read(count)
