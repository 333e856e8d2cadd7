"""Cut files are told by the sizes that their parts state."""

from pathlib import Path

import pytest

from praxiscope.data.file_end import missing_bytes
from tests.data.make_videos import write_video

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "libx264", {}),
        ("mp4", "libx264", {"movflags": "faststart"}),
        ("mp4", "libx264", FRAGMENTS),
        ("mov", "libx264", {}),
        ("mkv", "libx264", {}),
        ("webm", "libvpx-vp9", {}),
        ("avi", "mpeg4", {}),
    ],
)
def test_every_cut_is_told_to_the_byte(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    whole = write_video(tmp_path / f"a.{suffix}", 20, codec=codec, container_options=options)
    assert missing_bytes(whole) == 0
    data = whole.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    for lost in (1, 9):
        cut.write_bytes(data[:-lost])
        # mov ends with small boxes, of which fewer than their eight first bytes may be left
        assert missing_bytes(cut) == lost


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xff" * 100, b"any text" * 10])
def test_what_follows_the_last_part_is_not_taken_for_one(tmp_path: Path, tail: bytes) -> None:
    for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4")):
        video = write_video(tmp_path / f"a.{suffix}", 4, codec=codec)
        video.write_bytes(video.read_bytes() + tail)
        assert missing_bytes(video) == 0


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"", 0),
        (b"no video", 0),
        (b"\0\0\0\x08ftyp", 0),
        (b"\0\0\0\x00ftyp", 0),  # up to the end of the file
        (b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x20", 16),  # a size of eight bytes
        (b"\0\0\0\x01ftyp", 0),
        (b"RIFF\x20\0\0\0AVI ", 28),
        (b"RIFF\xff\xff\xff\xffAVI ", 0),  # never filled in
        (b"RIFF\x20\0\0\0WAVE", 0),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x84", 4),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff", 0),  # of unknown size, as while recording
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff", 0),
        (b"\x1a\x45\xdf\xa3\x00", 0),
    ],
)
def test_sizes_are_read_as_the_formats_define_them(
    tmp_path: Path, data: bytes, missing: int
) -> None:
    (tmp_path / "a").write_bytes(data)
    assert missing_bytes(tmp_path / "a") == missing
