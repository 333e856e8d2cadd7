"""Computed flow, against motions that are known and against images that are stored."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from praxiscope.data.flow import (
    METHODS,
    FlowVideo,
    flow_method,
    grey,
    open_flow,
    quantise,
    shrink,
)
from praxiscope.data.frames import open_frames
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.video import open_video
from praxiscope.errors import DataError, RecipeError
from praxiscope.types import Frame, Frames
from tests.data.make_videos import write_video

HEIGHT, WIDTH, FRAMES = 64, 96, 6
MARGIN = 12  # pixels at the edge that come into sight or leave it


def texture() -> Frame:
    """Smooth noise, larger than a picture: (2 H, 2 W)."""
    noise = np.random.default_rng(0).random((2 * HEIGHT, 2 * WIDTH), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]


def moving_pictures(right: int, down: int, count: int = FRAMES) -> list[Frame]:
    """Pictures (H, W, 3) of a texture that moves by whole pixels from one to the next."""
    whole, y, x = texture(), HEIGHT // 2, WIDTH // 2
    return [
        cv2.cvtColor(
            np.ascontiguousarray(
                whole[y - t * down :, x - t * right :][:HEIGHT, :WIDTH],
            ),
            cv2.COLOR_GRAY2RGB,
        ).astype(np.uint8)
        for t in range(count)
    ]


def moving_video(path: Path, right: int, down: int, count: int = FRAMES) -> Path:
    """Write these pictures with hardly any loss."""
    return write_video(
        path,
        pictures=moving_pictures(right, down, count),
        size=(HEIGHT, WIDTH),
        options={"crf": "4"},
    )


def inner(flow: Frames) -> Frames:
    return flow[..., MARGIN:-MARGIN, MARGIN:-MARGIN, :]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("motion", [(3, -2), (-4, 1), (0, 0)])
def test_a_texture_that_moves_gives_its_motion_in_pixels(
    method: str, motion: tuple[int, int], tmp_path: Path
) -> None:
    path = moving_video(tmp_path / "a.mp4", *motion)
    video = FlowVideo(open_video(path), path, method=method)
    assert (video.num_frames, video.height, video.width) == (FRAMES - 1, HEIGHT, WIDTH)
    flow = video.frames_at(range(FRAMES - 1))
    assert flow.shape == (FRAMES - 1, HEIGHT, WIDTH, 2) and flow.dtype == np.uint8
    pixels = (inner(flow).astype(float) - 127.5) * 20 / 127.5
    assert np.abs(np.median(pixels, axis=(1, 2)) - motion).max() < 0.1
    assert np.abs(pixels - motion).mean() < 0.15
    video.close()


def test_motion_becomes_grey_levels_as_in_stored_flow() -> None:
    pixels = np.array([0, 20, -20, 35, -35, 1, -1, 10], np.float32)
    assert quantise(pixels).tolist() == [128, 255, 0, 255, 0, 134, 121, 191]
    assert quantise(pixels, bound=40).tolist()[:3] == [128, 191, 64]


def opencv(method: str, first: Frame, second: Frame) -> Frames:
    """Return what OpenCV gives when called as the published script does."""
    nothing: Any = None
    match method:
        case "tvl1":
            found = cv2.optflow.createOptFlow_DualTVL1().calc(first, second, nothing)
        case "dis":
            medium = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            found = medium.calc(first, second, nothing)
        case _:
            found = cv2.calcOpticalFlowFarneback(first, second, nothing, 0.5, 3, 15, 3, 5, 1.2, 0)
    return np.asarray(found)


@pytest.mark.parametrize("method", METHODS)
def test_the_flow_at_a_frame_is_that_of_opencv_to_the_next_one(method: str, tmp_path: Path) -> None:
    path = moving_video(tmp_path / "a.mp4", 2, 1)
    with open_video(path) as source:
        pictures = [grey(frame) for frame in source.frames_at(range(FRAMES))]
    video = FlowVideo(open_video(path), path, method=method)
    for number in (0, FRAMES - 2):
        expected = quantise(opencv(method, pictures[number], pictures[number + 1]))
        assert np.array_equal(video.frames_at([number])[0], expected)
    with pytest.raises(IndexError, match=f"has frames 0 to {FRAMES - 2}, but not {FRAMES - 1}"):
        video.frames_at([FRAMES - 1])


def test_any_order_with_repeats_gives_the_same_flow(tmp_path: Path) -> None:
    path = moving_video(tmp_path / "a.mp4", 2, 1)
    video = FlowVideo(open_video(path), path, method="dis")
    everything = video.frames_at(range(FRAMES - 1))
    assert np.array_equal(video.frames_at([4, 0, 4, 2]), everything[[4, 0, 4, 2]])
    cropped = video.frames_at([3, 1], each=lambda frame: frame[:8, :10])
    assert np.array_equal(cropped, everything[[3, 1], :8, :10])


def test_equals_stored_images_within_the_error_of_jpeg(tmp_path: Path) -> None:
    path = moving_video(tmp_path / "a.mp4", 3, -2)
    flow = FlowVideo(open_video(path), path).frames_at(range(FRAMES - 1))
    for number, (x, y) in enumerate(np.moveaxis(flow, -1, 1), start=1):
        cv2.imwrite(str(tmp_path / f"flow_x_{number:05d}.jpg"), x)
        cv2.imwrite(str(tmp_path / f"flow_y_{number:05d}.jpg"), y)
    stored = open_frames(tmp_path, flow=True)
    assert stored.num_frames == FRAMES - 1
    difference = np.abs(stored.frames_at(range(FRAMES - 1)).astype(int) - flow)
    assert difference.mean() < 1 and difference.max() <= 12


def test_large_frames_are_resized_first_and_small_ones_are_not(tmp_path: Path) -> None:
    path = moving_video(tmp_path / "a.mp4", 4, 2)
    halved = FlowVideo(open_video(path), path, method="farneback", short_side=HEIGHT // 2)
    assert (halved.height, halved.width) == (HEIGHT // 2, WIDTH // 2)
    flow = halved.frames_at([2])
    assert flow.shape == (1, HEIGHT // 2, WIDTH // 2, 2)
    pixels = (flow[0, 6:-6, 6:-6].astype(float) - 127.5) * 20 / 127.5
    assert np.abs(np.median(pixels, axis=(0, 1)) - (2, 1)).max() < 0.2  # half as many pixels
    frame = moving_pictures(0, 0, 1)[0]
    assert shrink(frame) is frame and shrink(frame, None) is frame
    assert shrink(frame, 32).shape == (32, 48, 3)


def test_a_list_of_videos_or_of_flow_images_is_opened(tmp_path: Path) -> None:
    moving_video(tmp_path / "a.mp4", 1, 1)
    videos = VideoList(root=tmp_path, num_classes=2)
    source = open_flow(videos, Record("a.mp4", ()), 1, method="dis")
    assert isinstance(source, FlowVideo) and source.num_frames == FRAMES - 1
    source.close()
    (tmp_path / "stored").mkdir()
    for name in ("x_00001.jpg", "y_00001.jpg"):
        cv2.imwrite(str(tmp_path / "stored" / name), np.zeros((8, 8), np.uint8))
    stored = VideoList(root=tmp_path, num_classes=2, kind="flow")
    assert open_flow(stored, Record("stored", ()), 1).num_frames == 1


def test_a_video_of_one_frame_and_an_unknown_method_are_refused(tmp_path: Path) -> None:
    path = moving_video(tmp_path / "one.mp4", 0, 0, count=1)
    with pytest.raises(DataError, match=r"one.mp4 has one frame: optical flow needs two"):
        open_flow(VideoList(root=tmp_path, num_classes=2), Record(path.name, ()), 1)
    with pytest.raises(RecipeError, match="no flow method 'tvl'. Did you mean 'tvl1'"):
        flow_method("tvl")
