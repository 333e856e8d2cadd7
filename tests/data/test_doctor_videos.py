"""What is found in the videos of annotations: missing, too short, of another frame rate."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.examine import examine
from tests.data.make_videos import write_video
from tests.data.test_doctor import only, wrong
from tests.data.tiny_ava import FPS, write_images, write_tiny_ava


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    return write_tiny_ava(tmp_path)


def as_files(ava: AvaList, *, fps: int = FPS, seconds: int = 5, suffix: str = ".mp4") -> AvaList:
    """Return the list with video files of that rate and length."""
    root = ava.root.parent / "files"
    root.mkdir()
    for video in "ab":
        write_video(root / (video + suffix), seconds * fps, fps=fps, size=(16, 16), b_frames=0)
    return replace(ava, root=root, kind="video")


def test_a_video_that_is_not_on_disk_is_named_with_its_line(ava: AvaList) -> None:
    (ava.root / "b").rename(ava.root / "bb")
    finding = only(examine(ava))
    assert finding.severity == "error"
    assert finding.what == "videos in annotations but not on disk, of 2"
    assert (
        finding.example == f"{ava.annotations}:4: there is no {ava.root / 'b'}. Did you mean 'bb'?"
    )
    assert only(examine(replace(ava, root=ava.root / "no"))).severity == "error"


def test_video_files_in_place_of_folders_are_noticed(ava: AvaList) -> None:
    files = replace(as_files(ava), kind="frames")
    finding = only(examine(files))
    assert finding.count == 2
    assert finding.advice.endswith("a.mp4 is a video file: set kind='video'.")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_video_files_in_order_are_in_order(ava: AvaList, suffix: str) -> None:
    assert wrong(examine(as_files(ava, suffix=suffix))) == {}


def test_key_frames_after_the_last_image_are_told_with_their_line(ava: AvaList) -> None:
    for number in range(12, 21):
        (ava.root / "b" / f"img_{number:05d}.jpg").unlink()
    finding = only(examine(ava))
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.what == "lines at whose time the video has no frame"
    # second 13 is frame 12; 11 are left
    assert finding.example == f"{ava.annotations}:5: b at 13 s; {ava.root / 'b'} has 11 frames"


def test_a_video_file_that_ends_too_early_is_told(ava: AvaList) -> None:
    finding = only(examine(as_files(ava, seconds=2)))
    assert finding.what == "lines at whose time the video has no frame"
    assert finding.count == 2


def test_gaps_and_other_first_numbers_of_images_are_told(ava: AvaList) -> None:
    (ava.root / "a" / "img_00018.jpg").unlink()
    write_images(ava.root / "b", range(1))
    found = wrong(examine(ava))
    gap = found["folders with gaps among their images"]
    assert (gap.severity, gap.count) == ("warning", 1)
    assert gap.example == f"{ava.root / 'a'}: image 18 is missing, later ones are there"
    early = found["folders whose images begin before number 1"]
    assert early.example == f"{ava.root / 'b'}: image 0"
    assert len(found) == 2


def test_broken_videos_are_told_and_the_others_looked_at(ava: AvaList) -> None:
    files = as_files(ava, fps=8)
    (files.root / "a.mp4").write_bytes(b"no video")
    found = wrong(examine(files))
    assert str(files.root / "a.mp4") in found["videos that cannot be opened"].example
    assert found["videos of another frame rate"].count == 1


def test_files_of_another_frame_rate_are_an_error_with_the_rate_to_set(ava: AvaList) -> None:
    finding = only(examine(as_files(ava, fps=5)))
    assert finding.what == "videos of another frame rate"
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.example.endswith("a.mp4: 5 frames a second, the list says 4")
    assert finding.advice.endswith("Set fps=5.")


def test_files_of_nearly_the_frame_rate_are_a_warning_once_key_frames_drift(ava: AvaList) -> None:
    files = replace(as_files(ava, fps=25, seconds=8), fps=25.4, last_timestamp=18)
    assert wrong(examine(files)) == {}  # 0.05 s in 3 s
    ava.annotations.write_text(ava.annotations.read_text().replace("b,0013", "b,0017"))
    finding = wrong(examine(files))["videos whose frame rate takes key frames 0.1 s and more away"]
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.example.endswith("b.mp4: 25 frames a second, the list says 25.4")


def test_as_many_images_as_another_rate_gives_are_an_error(ava: AvaList) -> None:
    for video in "ab":
        write_images(ava.root / video, range(1, 126))
    finding = only(examine(replace(ava, fps=30)))
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.what == "folders with as many images as another frame rate gives"
    assert "125 images for 5 s, as at 25 a second; the list says 30" in finding.example
    assert "Set fps=25" in finding.advice


def test_one_short_folder_of_several_is_no_other_frame_rate(ava: AvaList) -> None:
    write_images(ava.root / "a", range(1, 126))
    write_images(ava.root / "b", range(1, 151))
    assert wrong(examine(replace(ava, fps=30))) == {}


def test_whole_films_where_parts_are_meant_are_an_error(ava: AvaList) -> None:
    finding = only(examine(as_files(ava, seconds=16)))
    assert finding.severity == "error"
    assert finding.what == "videos that seem to be whole, where the list means a part of them"
    assert finding.example.endswith("a.mp4 lasts 16 s; the list's times are 10 to 15")


def test_no_more_videos_are_opened_than_allowed(ava: AvaList) -> None:
    asked: list[str] = []

    def track(videos: Sequence[str]) -> Iterable[str]:
        asked.extend(videos)
        return videos

    for number in range(1, 21):
        (ava.root / "b" / f"img_{number:05d}.jpg").unlink()
    assert wrong(examine(ava, num_videos=1, track=track)) == {}
    assert asked == ["a"]
    assert len(wrong(examine(ava))) == 1
