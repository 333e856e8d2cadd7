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
        assert missing_bytes(cut) == lost


def test_an_avi_may_lack_its_index_but_no_frames(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.avi", 20, codec="mpeg4")
    data = whole.read_bytes()
    frames_end = data.rindex(b"idx1")
    cut = tmp_path / "cut.avi"
    for lost, missing in ((0, 0), (9, 0), (len(data) - frames_end, 0)):
        cut.write_bytes(data[: len(data) - lost])
        assert missing_bytes(cut) == missing
    cut.write_bytes(data[: frames_end - 90])
    assert 89 <= missing_bytes(cut) <= 90  # chunks have even lengths


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
        (b"\0\0\0\x01ftyp" + b"\xff" * 8, 2**64 - 17),
        (b"RIFF\x20\0\0\0AVI ", 0),
        (b"RIFF\x20\0\0\0AVI LIST\x14\0\0\0movi", 16),
        (b"RIFF\x20\0\0\0AVI LIST\0\0\0\0movi", 0),
        # over 1 GB avi goes on in another RIFF chunk
        (b"RIFF\x0c\0\0\0AVI idx1\0\0\0\0RIFF\x20\0\0\0AVIXLIST\x14\0\0\0movi", 16),
        (b"RIFF\x0c\0\0\0AVI idx1\1\0\0\0RIFF\x20\0\0\0AVIXLIST\x04\0\0\0movi", 0),
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
