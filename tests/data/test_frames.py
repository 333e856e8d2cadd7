from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.frames import FrameFolder, open_frames
from praxiscope.data.video import open_video
from praxiscope.errors import DataError
from praxiscope.types import Frame
from tests.data.make_videos import number_shown, numbered_picture


def write_frames(
    folder: Path,
    numbers: list[int],
    template: str = "img_{:05d}.jpg",
    size: tuple[int, int] = (32, 48),
) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        picture = numbered_picture(number, *size)
        assert cv2.imwrite(str(folder / template.format(number)), picture[..., ::-1])
    return folder


def write_flow(folder: Path, x: str, y: str, count: int) -> Path:
    """Write flow whose x is the frame's number times 10, and whose y is 5 more."""
    for number in range(1, count + 1):
        for part, value in ((x, 10 * number), (y, 10 * number + 5)):
            grey = np.full((32, 48), value, np.uint8)
            assert cv2.imwrite(str(folder / f"{part}_{number:05d}.jpg"), grey)
    return folder


def test_frame_0_is_image_1_and_colours_are_red_green_blue(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", [1, 2, 3, 4])
    with open_frames(folder) as frames:
        assert (frames.num_frames, frames.height, frames.width) == (4, 32, 48)
        read = frames.frames_at([3, 0, 3])
    assert [number_shown(frame) for frame in read] == [4, 1, 4]
    theirs = cv2.cvtColor(cv2.imread(str(folder / "img_00004.jpg")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(read[0], theirs)


@pytest.mark.parametrize("first", [0, 1, 7])
def test_the_number_of_the_first_image_can_be_given(first: int, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", list(range(first, first + 5)))
    frames = open_frames(folder, first=first)
    assert frames.num_frames == 5
    assert [number_shown(frame) for frame in frames.frames_at([0, 4])] == [first, first + 4]


def test_a_template_names_the_images(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", [1, 2, 3], "{:03d}.png")
    frames = open_frames(str(folder), template="{:03d}.png")
    assert np.array_equal(frames.frames_at([2])[0], numbered_picture(3))


def test_counting_ends_at_the_first_missing_number(tmp_path: Path) -> None:
    assert open_frames(write_frames(tmp_path / "a", [1, 2, 3, 5, 6])).num_frames == 3


def test_a_given_number_of_frames_is_taken_at_its_word(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", [1, 2, 3, 5])
    frames = open_frames(folder, num_frames=5)
    assert frames.num_frames == 5
    assert number_shown(frames.frames_at([4])[0]) == 5
    with pytest.raises(DataError, match=r"img_00004.jpg cannot be read .* frames that the list"):
        frames.frames_at([3])


def test_open_video_takes_a_folder_of_images(tmp_path: Path) -> None:
    video = open_video(write_frames(tmp_path / "a", [1, 2]))
    assert isinstance(video, FrameFolder)
    assert number_shown(video.frames_at([1])[0]) == 2


@pytest.mark.parametrize(
    ("parts", "template"),
    [
        (("x", "y"), None),
        (("flow_x", "flow_y"), None),
        (("flow_x", "flow_y"), "flow_{}_{:05d}.jpg"),
        (("flow_x", "flow_y"), "{}_{:05d}.jpg"),
    ],
)
def test_flow_is_the_x_image_before_the_y_image(
    parts: tuple[str, str], template: str | None, tmp_path: Path
) -> None:
    frames = open_frames(write_flow(tmp_path, *parts, 5), template=template, flow=True)
    assert (frames.num_frames, frames.height, frames.width) == (5, 32, 48)
    read = frames.frames_at([4, 0])
    assert read.shape == (2, 32, 48, 2)
    assert np.abs(read[:, 16, 24].astype(int) - [[50, 55], [10, 15]]).max() <= 1
    assert frames.frames_at([]).shape == (0, 32, 48, 2)


@pytest.mark.parametrize("lacking", ["y_00001.jpg", "y_00004.jpg", "x_00004.jpg", "y_00005.jpg"])
def test_flow_that_lacks_an_image_names_the_folder_and_the_image(
    lacking: str, tmp_path: Path
) -> None:
    write_flow(tmp_path, "x", "y", 5)
    (tmp_path / lacking).unlink()
    with pytest.raises(DataError, match=f"^{tmp_path} lacks {lacking}: expected two images"):
        open_frames(tmp_path, flow=True)


def test_flow_whose_y_images_end_early_names_the_first_that_is_missing(tmp_path: Path) -> None:
    write_flow(tmp_path, "flow_x", "flow_y", 5)
    for number in (3, 4, 5):
        (tmp_path / f"flow_y_{number:05d}.jpg").unlink()
    with pytest.raises(DataError, match="lacks flow_y_00003.jpg"):
        open_frames(tmp_path, flow=True)
    with pytest.raises(DataError, match=r"flow_y_00003.jpg cannot be read"):
        open_frames(tmp_path, flow=True, num_frames=5).frames_at([4, 2])


def test_flow_parts_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_flow(tmp_path, "x", "y", 2)
    cv2.imwrite(str(tmp_path / "y_00002.jpg"), np.zeros((16, 16), np.uint8))
    with pytest.raises(DataError, match=r"x_00002.jpg and y_00002.jpg differ in size"):
        open_frames(tmp_path, flow=True).frames_at([1])


@settings(deadline=None, max_examples=50)
@given(indices=st.lists(st.integers(0, 9), max_size=20))
def test_any_order_with_repeats_reads_each_image_once(
    indices: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "shared"
    if not folder.exists():
        write_frames(folder, list(range(1, 11)))
    given_to_each: list[int] = []

    def note(frame: Frame) -> Frame:
        given_to_each.append(number_shown(frame))
        return frame[:8, :8]

    frames = open_frames(folder)
    assert [number_shown(f) - 1 for f in frames.frames_at(indices)] == indices
    if indices:
        assert frames.frames_at(indices, each=note).shape == (len(indices), 8, 8, 3)
        assert sorted(given_to_each) == sorted({index + 1 for index in indices})


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_names_the_range(index: int, tmp_path: Path) -> None:
    frames = open_frames(write_frames(tmp_path / "a", [1, 2, 3]))
    with pytest.raises(IndexError, match=f"a has frames 0 to 2, but not {index}"):
        frames.frames_at([index])


def test_a_folder_without_images_names_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no frames: expected images from img_00001.jpg on"):
        open_frames(tmp_path)
    with pytest.raises(DataError, match=r"expected images from x_00001.jpg and y_00001.jpg on"):
        open_frames(tmp_path, flow=True)
    with pytest.raises(DataError, match="holds no frames"):
        open_frames(write_frames(tmp_path / "a", [1]), num_frames=0)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        open_frames(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_damaged_image_is_named(content: bytes | None, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", [1, 2, 3])
    image = folder / "img_00002.jpg"
    image.write_bytes(image.read_bytes()[:-200] if content is None else content)
    frames = open_frames(folder)
    with pytest.raises(DataError, match=r"img_00002.jpg is damaged or no image"):
        frames.frames_at([0, 1])
    assert number_shown(frames.frames_at([2])[0]) == 3


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", [1, 2])
    write_frames(folder, [3], size=(64, 48))
    with pytest.raises(DataError, match=r"img_00003.jpg is 48x64, but the first image is 48x32"):
        open_frames(folder).frames_at([2])


@pytest.mark.parametrize("template", ["{}_{:05d}.jpg", "img_{number}.jpg", "img_{:05d", "{0.x}"])
def test_a_template_that_does_not_fit_is_explained(template: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a place for the number"):
        open_frames(tmp_path, template=template)


def test_a_template_without_a_number_is_explained(tmp_path: Path) -> None:
    write_frames(tmp_path, [1], "img.jpg")
    with pytest.raises(DataError, match="expected a place for the number"):
        open_frames(tmp_path, template="img.jpg")
