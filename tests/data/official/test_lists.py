"""What is found on disk of what official files name."""

from pathlib import Path

import pytest

from praxiscope.data import catalog
from praxiscope.data.official.lists import (
    Count,
    Missing,
    build,
    changed,
    count_images,
    count_numbered,
    find_videos,
    targets_of,
)
from praxiscope.data.official.reading import Listed
from praxiscope.errors import DataError
from tests.data.official import files


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["img_00001.jpg", "img_00002.jpg", "x_00001.jpg", "img_.jpg", "img_00001.png"], 2),
        (["img_00001.jpg", "img_00003.jpg"], "img_00002.jpg is missing, of 2 images"),
        (["img_00000.jpg", "img_00001.jpg"], "img_00002.jpg is missing, of 2 images"),
        (["img_1.jpg"], "img_00001.jpg is missing, of 1 images"),
        (["x_00001.jpg"], "no img_00001.jpg"),
        ([], "no img_00001.jpg"),
    ],
)
def test_images_are_counted_if_their_numbers_have_no_gaps(names: list[str], count: Count) -> None:
    assert count_numbered(frozenset(names), "img_{:05d}.jpg") == count


def test_flow_has_two_images_a_number_under_either_name(tmp_path: Path) -> None:
    (target,) = targets_of([catalog.kinetics400("train", "flow", root=tmp_path)])
    files.images(target.root, "a", templates=("flow_x_{:05d}.jpg", "flow_y_{:05d}.jpg"))
    files.images(target.root, "b", templates=files.FLOW)
    (target.root / "b/y_00003.jpg").unlink()
    files.images(target.root, "c", templates=files.FLOW[:1])
    files.images(target.root, "e")
    assert count_images(target, ["a", "b", "c", "e", "d"]) == [
        3,
        "3 images as x_00001.jpg, but 2 as y_00001.jpg",
        "no y_00001.jpg",
        "no optical flow",
        "cannot be read: No such file or directory",
    ]


def test_a_list_that_frames_and_flow_share_has_as_many_as_both(tmp_path: Path) -> None:
    both = (catalog.gym99("train", root=tmp_path), catalog.gym99("train", "flow", root=tmp_path))
    (target,) = targets_of(both)
    assert target.kinds == ("frames", "flow")
    files.images(target.root, "both", templates=files.RGB_AND_FLOW)
    files.images(target.root, "frames")
    assert count_images(target, ["both", "frames"]) == [3, 4]


def test_videos_are_found_under_each_of_their_names_and_any_suffix(tmp_path: Path) -> None:
    (target,) = targets_of([catalog.kinetics600("train", root=tmp_path)])
    names = [
        "a_b/one.mp4",
        "a b/two.WEBM",
        "three.mkv",
        "a_b/four.mp4",
        "a_b/four.avi",
        "a_b/x.txt",
    ]
    for name in names:
        files.put(target.root / name, "x")
    (target.root / "a_b/five.mp4").mkdir()  # no file
    wanted = ["one", "two", "three", "four", "five", "x"]
    videos = [Listed("", f"a_b/{name}", 7, (f"a b/{name}", name)) for name in wanted]
    again = Listed("", "c/three", 8, ("three",))
    found, missing = find_videos(target, [*videos, again])
    assert found == {"a_b/one.mp4": 7, "a b/two.WEBM": 7, "three.mkv": 7}
    assert missing == [
        Missing("a_b/four", "several files: a_b/four.avi, a_b/four.mp4", broken=True),
        Missing("a_b/five", "no such file"),
        Missing("a_b/x", "no such file"),
        Missing("c/three", "three.mkv is that of another class too", broken=True),
    ]


def test_a_list_keeps_the_official_order(tmp_path: Path) -> None:
    (target,) = targets_of([catalog.jester("val", root=tmp_path)])
    files.images(target.root, "10", "9", "8", templates=("{:05d}.jpg",))
    built = build(target, [Listed("", name, int(name)) for name in ("9", "11", "10", "8")])
    assert (built.text, built.num_listed) == ("9 4 9\n10 4 10\n8 4 8\n", 3)
    assert built.missing == (Missing("11", "no such folder"),)


def test_what_is_there_instead_of_a_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        changed(tmp_path, "")
    path = files.put(tmp_path / "list.txt", "a 1")
    assert [changed(path, "a 1\n"), changed(path, "b 1\n"), changed(tmp_path / "no", "")] == [
        False,
        True,
        None,
    ]
