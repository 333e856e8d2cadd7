import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.catalog import folder, kinetics400, kinetics600, kinetics700
from praxiscope.data.class_folders import divide
from praxiscope.data.list_formats import Form, parse_lines
from praxiscope.data.lists import (
    Record,
    VideoList,
    check_files,
    class_names,
    find_list,
    read_list,
)
from praxiscope.errors import DataError, RecipeError


def listed(folder: Path, text: str | bytes, name: str = "list.txt", **fields: Any) -> VideoList:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return VideoList(**{"root": folder, "annotations": file, "num_classes": 10, **fields})


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_video_list_gives_paths_and_labels_in_order(tmp_path: Path) -> None:
    videos = listed(tmp_path, "b/one.mp4 3\na/two.mp4 0\nb/one.mp4 3\n")
    assert read_list(videos) == (
        Record("b/one.mp4", (3,)),
        Record("a/two.mp4", (0,)),
        Record("b/one.mp4", (3,)),
    )


def test_paths_may_contain_spaces_and_numbers(tmp_path: Path) -> None:
    videos = listed(tmp_path, "playing the drums/take 2.mp4 3\n7 8 9\tx.mp4\t4\n12 5\n")
    assert [(r.path, r.labels) for r in read_list(videos)] == [
        ("playing the drums/take 2.mp4", (3,)),
        ("7 8 9\tx.mp4", (4,)),
        ("12", (5,)),
    ]


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(tmp_path: Path) -> None:
    videos = listed(tmp_path, b"\xef\xbb\xbfa.mp4 1\r\nb.mp4 2\r\n\r\n  \r\n")
    assert [(r.path, r.labels) for r in read_list(videos)] == [("a.mp4", (1,)), ("b.mp4", (2,))]


def test_a_frame_list_gives_the_number_of_frames(tmp_path: Path) -> None:
    videos = listed(tmp_path, "jump rope/x_1 250 3\n100218 42 7\n", kind="frames")
    assert read_list(videos) == (
        Record("jump rope/x_1", (3,), 0, 250),
        Record("100218", (7,), 0, 42),
    )


def test_a_frame_list_with_offset_says_where_the_clip_starts(tmp_path: Path) -> None:
    videos = listed(tmp_path, "long video 120 42 7\n", kind="frames", with_offset=True)
    assert read_list(videos) == (Record("long video", (7,), 120, 42),)


def test_lists_with_several_labels_take_all_numbers_at_the_end(tmp_path: Path) -> None:
    videos = listed(tmp_path, "take 2.mp4 3\nb.mp4 1 2 5\n", multi_label=True)
    assert [r.labels for r in read_list(videos)] == [(3,), (1, 2, 5)]
    frames = listed(tmp_path, "7 30 1 2\n", kind="flow", multi_label=True)
    assert read_list(frames) == (Record("7", (1, 2), 0, 30),)


def test_json_lists_hold_the_same(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {"filename": "a b.mp4", "label": 3},
        {"filename": "c.mp4", "label": [4]},
    ]
    videos = listed(tmp_path, json.dumps(items), "list.json")
    assert [(r.path, r.labels) for r in read_list(videos)] == [("a b.mp4", (3,)), ("c.mp4", (4,))]
    items = [{"frame_dir": "a", "total_frames": 9, "label": [1, 2], "offset": 5}]
    frames = listed(tmp_path, json.dumps(items), "f.json", kind="frames", multi_label=True)
    assert read_list(frames) == (Record("a", (1, 2), 5, 9),)


@settings(deadline=None)
@given(
    path=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1),
    words=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), max_size=3),
    offset=st.integers(0, 9999),
    num_frames=st.integers(0, 9999),
    label=st.integers(0, 9),
)
def test_any_path_survives_the_way_through_a_line(
    path: str, words: list[str], offset: int, num_frames: int, label: int
) -> None:
    path = " ".join([path, *words])
    form = Form(frames=True, with_offset=True, multi_label=False)
    (entry,) = parse_lines(f"{path} {offset} {num_frames} {label}\n", form, Path("l"))
    assert entry == ("l:1", path, (label,), offset, num_frames, ())


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("a.mp4 1\nb.mp4\n", {}, r"list\.txt:2: expected 'path label', not 'b\.mp4'"),
        ("a.mp4 one\n", {}, r":1: expected 'path label', not 'a\.mp4 one'"),
        ("a.mp4 1\n\nb.mp4 10\n", {}, r":3: label 10 is outside 0 \.\. 9 \(num_classes=10\)"),
        ("a.mp4 -1\n", {}, r":1: label -1 is outside"),
        ("a 5\n", {"kind": "frames"}, "expected 'folder num_frames label', not 'a 5'"),
        ("a -5 1\n", {"kind": "frames"}, "expected 'folder num_frames label'"),
        (
            "a 5 1\n",
            {"kind": "flow", "with_offset": True, "multi_label": True},
            r"expected 'folder offset num_frames label \[label \.\.\.\]'",
        ),
        ("a.mp4\n", {"multi_label": True}, r"expected 'path label \[label \.\.\.\]'"),
        ("", {}, r"list\.txt is empty\. Expected one 'path label' a line"),
        ("\n \n", {}, r"list\.txt is empty"),
        (b"\xff\xfe\x00a", {}, r"list\.txt: cannot be read as a list of videos in UTF-8"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_expected(
    tmp_path: Path, text: str | bytes, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_list(listed(tmp_path, text, **fields))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"list\.json is no JSON"),
        ("[" * 100_000, r"list\.json is no JSON"),
        ('{"a": 1}', "expected a JSON list of objects"),
        ("[]", r"list\.json is empty"),
        ('[{"filename": "a", "label": 1}, 7]', 'item 1: expected {"filename": a path, "label"'),
        ('[{"filename": "a"}]', "item 0: expected"),
        ('[{"filename": 3, "label": 1}]', "item 0: expected"),
        ('[{"filename": "a", "label": true}]', "item 0: expected"),
        ('[{"filename": "a", "label": [1, 2]}]', "item 0: expected"),
        ('[{"filename": "a", "label": 77}]', "item 0: label 77 is outside"),
    ],
)
def test_a_wrong_json_list_is_named_with_what_was_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_list(listed(tmp_path, text, "list.json"))


def test_a_json_frame_list_needs_the_number_of_frames(tmp_path: Path) -> None:
    videos = listed(tmp_path, '[{"frame_dir": "a", "label": 1}]', "l.json", kind="frames")
    with pytest.raises(DataError, match=r'item 0: expected {"frame_dir": a path, "total_frames"'):
        read_list(videos)


def test_a_missing_list_comes_with_the_nearest_name_in_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "val_list.txt")
    wrong = VideoList(root=tmp_path, annotations=tmp_path / "val_lst.txt", num_classes=2)
    with pytest.raises(DataError, match=r"no list of videos .*val_lst.txt. Did you mean 'val_list"):
        read_list(wrong)
    lost = VideoList(root=tmp_path, annotations=tmp_path / "no" / "list.txt", num_classes=2)
    with pytest.raises(DataError, match="no list of videos"):
        read_list(lost)


def test_a_folder_in_place_of_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as a list of videos"):
        read_list(VideoList(root=tmp_path, annotations=tmp_path, num_classes=2))


def test_the_alternative_is_used_with_a_note_where_only_it_exists(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = kinetics400("val", root=tmp_path)
    videos = kinetics400("val", "video", root=tmp_path)
    assert find_list(frames) is frames
    touch(tmp_path, "kinetics400_val_list_videos.txt")
    with caplog.at_level(logging.WARNING):
        assert find_list(frames) == videos
    assert "kinetics400_val_list_rawframes.txt does not exist: using" in caplog.text
    touch(tmp_path, "kinetics400_val_list_rawframes.txt")
    assert find_list(frames) is frames
    assert find_list(videos) is videos


def test_missing_videos_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "there.mp4")
    videos = listed(tmp_path, "".join(f"v{i}.mp4 1\n" for i in range(1000)) + "there.mp4 2\n")
    records = read_list(videos)
    expected = r"list\.txt: 1000 of 1001 videos do not exist: first .*v0.mp4, .*v1.mp4, .*v2.mp4\. "
    with pytest.raises(DataError, match=expected):
        check_files(videos, records)
    check_files(videos, records[-1:])


def test_a_frame_list_needs_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b/img_00001.jpg")
    videos = listed(tmp_path, "b 1 1\na 1 1\n", kind="frames")
    records = read_list(videos)
    check_files(videos, records[:1])
    with pytest.raises(DataError, match="1 of 2 videos do not exist"):
        check_files(videos, records)


def test_class_names_come_from_the_label_map_or_the_folders(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("brush hair\ncart wheel\n")
    touch(tmp_path, "list.txt", "zebra/x.mp4", "ant/y.mp4", ".cache/z.mp4")
    where = {"root": tmp_path, "num_classes": 2}
    mapped = VideoList(**where, label_map=tmp_path / "map.txt", annotations=tmp_path / "list.txt")
    assert class_names(mapped) == ("brush hair", "cart wheel")
    assert class_names(VideoList(**where)) == ("ant", "zebra")
    assert class_names(VideoList(**where, annotations=tmp_path / "list.txt")) is None
    with pytest.raises(DataError, match=r"map.txt names 2 classes, one a line, but num_classes=3"):
        class_names(VideoList(root=tmp_path, num_classes=3, label_map=tmp_path / "map.txt"))


def test_a_plain_folder_is_divided_by_class_without_loss_or_overlap(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{i}.mp4" for name in ("run", "jump") for i in range(20)))
    touch(tmp_path, "jump/deep/er/z.MKV", "jump/notes.txt", "run/.hidden.mp4")
    train, val = read_list(folder(tmp_path, "train")), read_list(folder(tmp_path, "val"))
    paths = {record.path for record in train + val}
    assert len(train) + len(val) == len(paths) == 41
    assert "jump/deep/er/z.MKV" in paths
    assert read_list(folder(tmp_path, "test")) == val
    for records in (train, val):
        assert {r.path.split("/")[0]: r.labels for r in records} == {"jump": (0,), "run": (1,)}
    assert read_list(folder(tmp_path, "val", split_seed=1)) != val


def test_a_video_stays_on_its_side_when_others_are_added() -> None:
    some, more = [f"a/{i}.mp4" for i in range(100)], [f"a/new {i}.mp4" for i in range(100)]
    train, val = divide(some, 0.2, seed=0)
    train_more, val_more = divide(some + more, 0.2, seed=0)
    assert set(train) <= set(train_more)
    assert set(val) <= set(val_more)
    assert 8 <= len(val) <= 32


@settings(deadline=None)
@given(count=st.integers(2, 30), share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_both_sides_of_a_class_hold_a_video(count: int, share: float, seed: int) -> None:
    paths = [f"{i}.mp4" for i in range(count)]
    train, val = divide(paths, share, seed)
    assert train and val
    assert sorted(train + val) == sorted(paths)


def test_a_folder_of_frame_folders_is_read_by_class(tmp_path: Path) -> None:
    touch(tmp_path, *(f"run/{i}/img_00001.jpg" for i in range(3)))
    videos = folder(tmp_path, "train", "frames")
    both = read_list(videos) + read_list(folder(tmp_path, "val", "frames"))
    assert sorted(record.path for record in both) == ["run/0", "run/1", "run/2"]


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no sub-folders\. Expected one per class"):
        folder(tmp_path, "train")
    with pytest.raises(DataError, match="cannot be read as a folder of videos: No such file"):
        folder(tmp_path / "nowhere", "train")
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match="holds no videos for the train split"):
        read_list(folder(tmp_path, "train"))
    with pytest.raises(DataError, match="has 1 sub-folders, one per class, but num_classes=3"):
        read_list(VideoList(root=tmp_path, num_classes=3))
    (tmp_path / "map.txt").write_text("runs\n")
    mapped = VideoList(root=tmp_path, num_classes=1, label_map=tmp_path / "map.txt")
    with pytest.raises(DataError, match=r"names no such class\. Did you mean 'runs'"):
        read_list(mapped)


def test_kinetics_lies_where_the_published_configs_look_for_it() -> None:
    train = kinetics400("train")
    assert train.annotations == Path("data/kinetics400/kinetics400_train_list_rawframes.txt")
    assert train.root == Path("data/kinetics400/rawframes_train")
    assert train.alternative == kinetics400("train", "video")
    video = kinetics400("val", "video")
    assert video.annotations == Path("data/kinetics400/kinetics400_val_list_videos.txt")
    assert video.root == Path("data/kinetics400/videos_val")
    flow = kinetics400("val", "flow")
    assert flow.annotations == Path("data/kinetics400/kinetics_flow_val_list.txt")
    assert flow.root == Path("data/kinetics400/rawframes_val")
    small = kinetics400("train", short_side=320)
    assert small.annotations == Path("data/kinetics400/kinetics400_train_list_rawframes_320p.txt")
    assert small.root == Path("data/kinetics400/rawframes_train_320p")
    assert kinetics600("val").annotations == Path(
        "data/kinetics600/kinetics600_val_list_videos.txt"
    )
    assert kinetics700("train").root == Path("data/kinetics700/videos_train")
    assert [kinetics600("val").num_classes, kinetics700("val").num_classes] == [600, 700]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_classes": 0}, "VideoList.num_classes must be a whole number of at least 1"),
        ({"kind": "audio"}, "VideoList.kind must be one of 'video', 'frames', 'flow'"),
        ({"split": "dev"}, "VideoList.split must be one of"),
        ({"val_share": 1.0}, "VideoList.val_share must lie between 0 and 1"),
        ({"flip_pairs": ((0, 2),)}, "VideoList.flip_pairs: no class 2 of 2"),
    ],
)
def test_a_wrong_field_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        VideoList(**{"root": Path(), "num_classes": 2, **fields})
