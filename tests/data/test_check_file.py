"""Each kind of broken or odd video file, and sound ones of many forms."""

from pathlib import Path

import av
import cv2
import pytest

from praxiscope.data.check_file import check_file
from tests.data.make_videos import (
    copy_stream,
    numbered_picture,
    pack_b_frames,
    write_sound,
    write_video,
)


def kinds(path: Path, *, every_frame: bool = False) -> list[str]:
    found = check_file(path, every_frame=every_frame)
    assert all(str(path) in finding.text and finding.text.endswith(".") for finding in found)
    return [finding.kind for finding in found]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("a.m4v", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.MOV", "mpeg4", {}),
        ("a.mkv", "libx264", {}),
        ("a.webm", "libvpx", {}),
        ("a.avi", "mpeg4", {}),
        ("a.ts", "libx264", {}),
        ("a.mpg", "mpeg4", {}),
        ("a.flv", "libx264", {}),
    ],
)
@pytest.mark.parametrize("fps", [10, 30])
def test_nothing_is_said_of_sound_files(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], fps: int
) -> None:
    path = write_video(tmp_path / name, 20, codec=codec, fps=fps, container_options=options)
    assert kinds(path, every_frame=True) == []


def test_nothing_is_said_of_cuts_without_encoding_of_rotation_and_of_one_frame(
    tmp_path: Path,
) -> None:
    whole = write_video(tmp_path / "a.mp4", 40, rotation=90)
    assert kinds(whole) == []
    for suffix in ("mp4", "mkv"):
        assert kinds(copy_stream(whole, tmp_path / f"cut.{suffix}", start=17)) == []
    assert kinds(write_video(tmp_path / "one.mp4", 1)) == []


def test_nothing_is_said_of_hidden_frames_packed_frames_late_starts_and_joined_fields(
    tmp_path: Path,
) -> None:
    hidden = {"auto-alt-ref": "1", "lag-in-frames": "16"}
    fields = {"x264-params": "interlaced=1"}
    late = range(250, 290)
    avi = write_video(tmp_path / "a.avi", 40, codec="mpeg4", container="avi")
    for path in (
        write_video(tmp_path / "a.webm", 40, codec="libvpx", options=hidden),
        write_video(tmp_path / "a.ts", 40, options=fields),
        write_video(tmp_path / "late.mkv", 40, times=late),
        write_video(tmp_path / "late.mp4", 40, times=late),
        pack_b_frames(avi, tmp_path / "packed.avi"),
    ):
        assert kinds(path, every_frame=True) == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv"])
def test_sound_may_last_longer_than_the_pictures(tmp_path: Path, suffix: str) -> None:
    pictures = write_video(tmp_path / "pictures.mp4", 5)
    sound = write_sound(tmp_path / "sound.m4a", "aac")
    path = tmp_path / f"both.{suffix}"
    with (
        av.open(str(pictures)) as first,
        av.open(str(sound)) as second,
        av.open(str(path), "w") as out,
    ):
        streams = (first.streams.video[0], second.streams.audio[0])
        copies = [out.add_stream_from_template(stream) for stream in streams]
        for file, copy in zip((first, second), copies, strict=True):
            for packet in file.demux():
                if packet.size:
                    packet.stream = copy
                    out.mux(packet)
    assert kinds(path) == []


def test_a_folder_of_images_is_decoded_too(tmp_path: Path) -> None:
    for number in range(1, 4):
        cv2.imwrite(str(tmp_path / f"img_{number:05d}.jpg"), numbered_picture(number))
    assert kinds(tmp_path) == []
    (tmp_path / "img_00002.jpg").write_bytes(b"no image")
    assert kinds(tmp_path) == ["damaged frames"]


def test_what_is_no_video_is_told_apart(tmp_path: Path) -> None:
    assert kinds(tmp_path / "nowhere.mp4") == ["missing"]
    empty, text, still = (tmp_path / name for name in ("empty.mp4", "text.mp4", "still.mp4"))
    empty.write_bytes(b"")
    text.write_text("<html>404 Not Found</html>")
    cv2.imwrite(str(tmp_path / "still.png"), numbered_picture(1))
    still.write_bytes((tmp_path / "still.png").read_bytes())
    assert kinds(empty) == ["empty file"]
    assert kinds(text) == kinds(still) == kinds(tmp_path) == ["unreadable"]
    for name, cover in (("sound.mp4", False), ("cover.mp4", True)):
        path = write_sound(tmp_path / name, "aac", cover=cover)
        assert kinds(path) == ["no video stream"]


def test_files_that_were_cut_are_truncated(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.flv", "libx264")):
        path = write_video(tmp_path / name, 60, codec=codec)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert kinds(path)[-1:] == ["truncated"]
    assert check_file(path)[-1].text.endswith("its header says 2.48 s: get the file again.")


def test_a_header_that_promises_more_is_told_from_a_cut_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 30, fps=10)
    # Matroska's duration, a float of eight bytes: 3000 ms become 9000
    data = path.read_bytes()
    stated = bytes.fromhex("4489 88 40a7700000000000")
    assert data.count(stated) == 1
    path.write_bytes(data.replace(stated, bytes.fromhex("4489 88 40c1940000000000")))
    (found,) = check_file(path)
    assert found.kind == "shorter than declared" and found.is_unusable
    assert found.text == (f"{path} lasts 3.00 s, but its header says 9.00 s: get the file again.")


def test_damage_between_the_probes_is_found_by_decoding_every_frame(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", 40, gop=4, b_frames=0)
    damaged = copy_stream(
        whole,
        tmp_path / "damaged.mp4",
        change=lambda number, data: b"\xff" * len(data) if number == 5 else data,
    )
    assert kinds(damaged) == []
    assert kinds(damaged, every_frame=True) == ["damaged frames"]


def test_a_variable_frame_rate_is_a_remark_and_rounded_times_are_none(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 4, times=(0, 1, 2, 6), b_frames=0)
    (found,) = check_file(path)
    assert found.kind == "variable frame rate" and not found.is_unusable
    assert found.text == (
        f"{path}: 1 of 3 distances between frames differ from the usual 40 ms; "
        "they are 40 to 160 ms."
    )
    assert kinds(write_video(tmp_path / "b.mkv", 40, fps=60)) == []  # 16 and 17 ms


def test_a_wrong_extension_is_a_remark(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 4, container="matroska")
    (found,) = check_file(path)
    assert found.kind == "wrong extension" and not found.is_unusable
    assert found.text == (f"{path} is Matroska / WebM, as in .mkv files, but its suffix is '.mp4'.")
