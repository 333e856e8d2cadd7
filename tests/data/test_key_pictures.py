"""The pictures at key frames, and where they are in a video without annotations."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.data.frames import open_frames
from praxiscope.data.key_pictures import key_pictures, one_a_second
from praxiscope.errors import DataError


def write_grey_images(folder: Path, count: int) -> None:
    """Write images that are as bright as their number."""
    folder.mkdir()
    for number in range(1, count + 1):
        assert cv2.imwrite(str(folder / f"img_{number:05d}.png"), np.full((4, 6, 3), number))


@pytest.mark.parametrize(("late", "brightness"), [(0, [5, 1, 5, 9]), (1, [6, 2, 6, 10])])
def test_every_timestamp_gets_its_frame_also_those_that_share_one(
    tmp_path: Path, late: int, brightness: list[int]
) -> None:
    write_grey_images(tmp_path / "v", 10)
    source = open_frames(tmp_path / "v", template="img_{:05d}.png")
    pictures = dict(key_pictures(source, (11, 10, 11.1, 12), fps=4, first_timestamp=10, late=late))
    assert [int(pictures[place].mean()) for place in range(4)] == brightness


def test_a_timestamp_outside_is_an_error_before_anything_is_decoded(tmp_path: Path) -> None:
    write_grey_images(tmp_path / "v", 4)
    source = open_frames(tmp_path / "v", template="img_{:05d}.png")
    with pytest.raises(DataError, match="timestamp 12 lies outside"):
        next(key_pictures(source, (10, 12), fps=4, first_timestamp=10))


@pytest.mark.parametrize(
    ("num_frames", "fps", "times"),
    [
        (1, 30, (4.5,)),
        (30, 30, (4.5,)),
        (31, 30, (4.5, 5.5)),
        (13, 12.5, (4.5,)),  # 12.5 rounds up, to a frame that there is not
        (14, 12.5, (4.5, 5.5)),
    ],
)
def test_a_key_frame_a_second_is_one_that_the_video_has(
    num_frames: int, fps: float, times: tuple[float, ...]
) -> None:
    assert one_a_second(num_frames, fps=fps, first_timestamp=4.5) == times
