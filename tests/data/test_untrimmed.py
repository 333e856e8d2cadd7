"""Untrimmed videos in parts: their lists, and which part is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.lists import Record, VideoList, check_files, read_list
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform
from praxiscope.data.untrimmed import part_path
from praxiscope.errors import DataError, RecipeError
from praxiscope.types import Broken, ItemKey
from tests.data.fakes import FakeSource

# the example of the published format
PUBLISHED = """\
some/path/D32_1gwq35E 66 10 0 1 2
some/path/-G-5CJ0JkKY 254 5 3 4
some/path/T4h1bvOd9DA 33 1 0
some/path/4uZ27ivBl00 341 2 0 1
some/path/0LfESFkfBSw 186 234 7 9 11
some/path/-YIsNpBEx6c 169 100 9 10 11
"""


def untrimmed(folder: Path, text: str, name: str = "list.txt", **fields: Any) -> VideoList:
    file = folder / name
    file.write_text(text)
    return VideoList(
        **{"root": folder, "annotations": file, "num_classes": 400, "kind": "parts", **fields}
    )


def test_the_published_list_gives_the_positive_parts(tmp_path: Path) -> None:
    records = read_list(untrimmed(tmp_path, PUBLISHED))
    assert [record.parts for record in records] == [
        (0, 1, 2),
        (3, 4),
        (0,),
        (0, 1),
        (7, 9, 11),
        (9, 10, 11),
    ]
    assert records[0] == Record("some/path/D32_1gwq35E", (66,), parts=(0, 1, 2))
    assert [record.labels for record in records] == [(66,), (254,), (33,), (341,), (186,), (169,)]


def test_all_parts_may_be_drawn_instead(tmp_path: Path) -> None:
    records = read_list(untrimmed(tmp_path, PUBLISHED, parts="all"))
    assert [len(record.parts) for record in records] == [10, 5, 1, 2, 234, 100]
    assert records[1].parts == (0, 1, 2, 3, 4)


def test_videos_without_a_positive_part_are_left_out_unless_all_are_drawn(tmp_path: Path) -> None:
    text = "a 1 3\njump rope/b 2 3 1\n"
    assert [record.path for record in read_list(untrimmed(tmp_path, text))] == ["jump rope/b"]
    assert len(read_list(untrimmed(tmp_path, text, parts="all"))) == 2
    with pytest.raises(DataError, match=r"is empty. Expected one 'folder label num_clips"):
        read_list(untrimmed(tmp_path, "a 1 3\n"))


def test_json_lists_hold_the_same_parts(tmp_path: Path) -> None:
    items = [
        {"video_dir": "p/a", "label": 66, "num_clips": 10, "positive_clip_inds": [0, 1, 2]},
        {"video_dir": "p/b", "label": [7], "num_clips": 2, "positive_clip_inds": []},
    ]
    videos = untrimmed(tmp_path, json.dumps(items), "list.json")
    assert read_list(videos) == (Record("p/a", (66,), parts=(0, 1, 2)),)
    videos = untrimmed(tmp_path, json.dumps(items), "list.json", parts="all")
    assert read_list(videos)[1] == Record("p/b", (7,), parts=(0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 3 0\nb 1\n", r"list\.txt:2: expected 'folder label num_clips \[positive_clip"),
        ("a 1 3 zero\n", r"list\.txt:1: expected 'folder label num_clips"),
        ("a 1 3 0 3\n", r"list\.txt:1: positive clip 3 is none of 3 clips"),
        ("a 1 3 -1\n", r"list\.txt:1: positive clip -1 is none of 3 clips"),
        ("a 1 0\n", r"list\.txt:1: there must be a clip: 0 clips"),
        ("a 400 3 0\n", r"list\.txt:1: label 400 is outside 0 \.\. 399"),
        ("", r"list\.txt is empty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_list(untrimmed(tmp_path, text))


@pytest.mark.parametrize(
    "item",
    [
        7,
        {"video_dir": "a", "label": 1},
        {"video_dir": "a", "label": True, "num_clips": 3},
        {"video_dir": 1, "label": 1, "num_clips": 3},
        {"video_dir": "a", "label": 1, "num_clips": 3, "positive_clip_inds": 2},
        {"video_dir": "a", "label": 1, "num_clips": 3, "positive_clip_inds": [0.0]},
    ],
)
def test_a_wrong_json_item_is_named(tmp_path: Path, item: Any) -> None:
    with pytest.raises(DataError, match=r'list\.json, item 0: expected {"video_dir": a path'):
        read_list(untrimmed(tmp_path, json.dumps([item]), "list.json"))


def test_missing_parts_are_found_before_a_run_those_never_drawn_are_not_looked_for(
    tmp_path: Path,
) -> None:
    videos = untrimmed(tmp_path, "v/a 1 4 1 3\n")
    (tmp_path / "v/a").mkdir(parents=True)
    (tmp_path / "v/a/part_1.mp4").touch()
    with pytest.raises(DataError, match=r"1 of 2 videos do not exist: first .*v/a/part_3\.mp4"):
        check_files(videos, read_list(videos))
    (tmp_path / "v/a/part_3.mp4").touch()
    check_files(videos, read_list(videos))


def test_parts_may_have_other_names() -> None:
    assert part_path("a/b", None, 7) == "a/b/part_7.mp4"
    assert part_path("a/b", "clip{:03d}.mkv", 7) == "a/b/clip007.mkv"
    for template in ("part.mp4", "part_{}_{}.mp4", "{name}.mp4"):
        with pytest.raises(DataError, match="does not fit: expected a place for the number"):
            part_path("a/b", template, 7)


def test_lists_of_parts_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs annotations"):
        VideoList(root=tmp_path, num_classes=3, kind="parts")


def test_every_epoch_draws_a_positive_part_that_depends_on_nothing_else() -> None:
    opened: list[str] = []

    def remember(videos: VideoList, record: Record, threads: int) -> FakeSource:
        opened.append(record.path)
        return FakeSource(40)

    data = RecognitionDataset(
        VideoList(root=Path("raw"), annotations=Path("l.txt"), num_classes=9, kind="parts"),
        Clip(frames=4, stride=2),
        TrainTransform(short_side=None, size=16),
        records=[Record("v/a", (1,), parts=(1, 3))],
        open_source=remember,
    )
    first = [data.load(ItemKey(epoch, 0)) for epoch in range(40)]
    assert [sample.video for sample in first] == opened
    assert set(opened) == {"v/a/part_1.mp4", "v/a/part_3.mp4"}
    assert 10 <= opened.count("v/a/part_1.mp4") <= 30  # 20 +- 3 deviations
    again = [data.load(ItemKey(epoch, 0)) for epoch in reversed(range(40))]
    assert [sample.video for sample in reversed(again)] == opened[:40]
    assert all(a.clips.equal(b.clips) for a, b in zip(first, reversed(again), strict=True))


def test_a_broken_part_is_named(tmp_path: Path) -> None:
    data = RecognitionDataset(
        untrimmed(tmp_path, "v/a 1 3 2\n"),
        Clip(frames=4, stride=2),
        TrainTransform(short_side=None, size=16),
    )
    found = data[0]
    assert isinstance(found, Broken)
    assert found.video == "v/a/part_2.mp4"
    assert "list.txt, item 0: " in found.reason and "v/a/part_2.mp4" in found.reason
