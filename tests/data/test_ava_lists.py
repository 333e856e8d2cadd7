"""Key frames of lists in AVA's format: who takes part, in which order, and what is refused."""

import logging
import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_key_frames import KeyFrames
from praxiscope.data.ava_lists import AvaList, open_source, read_key_frames
from praxiscope.data.catalog import ava_kinetics
from praxiscope.data.keyframes import key_frame_clip, key_frame_index
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic import write_video
from praxiscope.errors import DataError, RecipeError, VideoError

ROWS = """\
b,0903,0.1,0.2,0.3,0.4,12,5
a,0902,0.5,0.5,0.9,0.9,3,1
b,0903,0,0,1,1,1,6
b,0903,0.100,0.2,0.3,0.4,80,5
a,0904,0.5,0.5,0.9,0.9,3,1
"""
SCORED = np.array(
    [[0, 0, 0.5, 1, 0.3], [0.1, 0.1, 0.9, 0.9, 0.95], [0, 0, 0.2, 0.2, 0.9], [0, 0, 0.3, 0.3, 0.99]]
)


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    path = tmp_path / "ava.csv"
    path.write_text(ROWS)
    return AvaList(root=tmp_path, annotations=path)


def with_rows(ava: AvaList, rows: str, **changes: Any) -> AvaList:
    ava.annotations.write_text(rows)
    return replace(ava, **changes)


def with_proposals(ava: AvaList, content: object, **changes: Any) -> KeyFrames:
    path = ava.root / "proposals.pkl"
    path.write_bytes(pickle.dumps(content))
    return read_key_frames(replace(ava, proposals=path, **changes))


def test_key_frames_come_in_the_order_in_which_they_first_appear(ava: AvaList) -> None:
    frames = read_key_frames(ava)
    assert [(f.video, f.timestamp) for f in frames] == [("b", 903), ("a", 902), ("a", 904)]
    assert frames[0].source == Source("b", 30, 900)
    assert frames[0].proposals is None
    assert frames[0].scores is None


def test_lines_with_the_same_box_are_one_person_with_several_labels(ava: AvaList) -> None:
    first = read_key_frames(ava)[0]
    np.testing.assert_array_equal(
        first.boxes, np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]], np.float32)
    )
    assert first.labels == ((12, 80), (1,))
    assert first.persons == (5, 6)
    targets = first.targets(81)
    assert targets.shape == (2, 81)
    assert [np.flatnonzero(row).tolist() for row in targets] == [[12, 80], [1]]


def test_excluded_timestamps_and_frames_without_people_are_left_out(ava: AvaList) -> None:
    excluded = ava.root / "excluded.csv"
    excluded.write_text("b,0903\na,0999\n")
    ava = with_rows(ava, ROWS + "c,0905,,,,,,\n", excluded=excluded)
    assert [(f.video, f.timestamp) for f in read_key_frames(ava)] == [("a", 902), ("a", 904)]


def test_proposals_that_score_enough_are_taken_in_the_order_of_the_file(ava: AvaList) -> None:
    content = {"b,0903": SCORED, "a,0902": SCORED[:1]}
    first, second, third = with_proposals(ava, content)
    assert first.proposals is not None
    assert first.scores is not None
    np.testing.assert_allclose(first.proposals, SCORED[1:, :4])
    np.testing.assert_allclose(first.scores, SCORED[1:, 4])  # 0.9 itself is enough
    np.testing.assert_allclose(second.proposals, SCORED[:1, :4])  # none is enough: the best
    np.testing.assert_allclose(third.proposals, [[0, 0, 1, 1]])  # none at all: the whole frame
    np.testing.assert_allclose(third.scores, [1])


def test_no_more_proposals_are_taken_than_allowed(ava: AvaList) -> None:
    first = with_proposals(ava, {"b,0903": SCORED}, max_proposals=2)[0]
    np.testing.assert_allclose(first.proposals, SCORED[1:3, :4])


def test_a_key_frame_with_an_empty_array_of_proposals_has_the_whole_frame(ava: AvaList) -> None:
    frames = with_proposals(ava, {"b,0903": SCORED, "a,0902": np.empty((0, 5))})
    np.testing.assert_allclose(frames[1].proposals, [[0, 0, 1, 1]])


def test_proposals_of_unknown_videos_are_told_and_not_used(
    ava: AvaList, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        with_proposals(ava, {"b,0903": SCORED, "x,0903": SCORED})
    assert "has proposals for 1 videos that" in caplog.text
    assert "such as 'x'" in caplog.text


@pytest.mark.parametrize("key", ["x,0903", "b,0950"])
def test_proposals_for_none_of_the_key_frames_are_refused(ava: AvaList, key: str) -> None:
    with pytest.raises(DataError, match="none of the key frames .* do not belong together"):
        with_proposals(ava, {key: SCORED})


def test_proposals_in_pixels_are_refused(ava: AvaList) -> None:
    with pytest.raises(DataError, match="'b,0903': expected boxes as shares of the frame"):
        with_proposals(ava, {"b,0903": SCORED * 100})


def test_a_part_of_the_classes_becomes_outputs_in_its_order(ava: AvaList) -> None:
    frames = read_key_frames(replace(ava, classes=(80, 3), num_classes=3))
    # The first line of b is of another class, so that a is the first to appear.
    assert [f.labels for f in frames] == [((2,),), ((1,),), ((2,),)]


def test_labels_may_begin_at_zero(ava: AvaList) -> None:
    ava = with_rows(ava, "b,903,0,0,1,1,0,5\nb,903,0,0,1,1,2,5\n", label_base=0, num_classes=4)
    assert read_key_frames(ava)[0].labels == ((1, 3),)


def test_mixed_sources_have_frame_rates_and_starts_of_their_own(ava: AvaList) -> None:
    sources = ava.root / "sources.csv"
    sources.write_text("a,ava/a,30,900\nb,kinetics/b_000010,25,10\n")
    rows = ROWS.replace("b,0903", "b,15.04")
    frames = read_key_frames(with_rows(ava, rows, sources=sources))
    assert frames[0].timestamp == 15.04
    assert [f.source for f in frames[:2]] == [
        Source("kinetics/b_000010", 25, 10),
        Source("ava/a", 30, 900),
    ]
    with pytest.raises(DataError, match=r"ava.csv:6, column 1 \(video\): .* has no 'bb'.*'b'"):
        read_key_frames(with_rows(ava, rows + "bb,15,0,0,1,1,3,1", sources=sources))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0902,0,0,1,1,81,0", r"ava.csv:6, column 7 \(label\): 81 is no class.* 1 to 80"),
        ("a,0902,0,0,1,1,0,0", r"column 7 \(label\): 0 is no class"),
        ("a,0899,0,0,1,1,1,0", r"ava.csv:6, column 2 \(timestamp\): 899 lies outside its video"),
        ("a,1800,0,0,1,1,1,0", r"1800 lies outside .* begin at 900 seconds and end before 1800"),
        ("a,0902,0,0,320,1,1,0", r"ava.csv:6, column 5 \(x2\): expected a share .* 320; pixels"),
        ("a,0902,0,0.5,1,0.4,1,0", r"ava.csv:6, columns 3 to 6: expected x1 <= x2"),
    ],
)
def test_lines_that_do_not_fit_the_list_are_named(ava: AvaList, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_key_frames(with_rows(ava, ROWS + row))


def test_an_open_end_takes_timestamps_of_any_length(ava: AvaList) -> None:
    ava = with_rows(ava, "a,9000,0,0,1,1,1,0", first_timestamp=0, last_timestamp=None)
    assert read_key_frames(ava)[0].timestamp == 9000


@pytest.mark.parametrize("rows", ["", "a,0902\nb,0903,,,,,,\n"])
def test_an_empty_split_is_refused(ava: AvaList, rows: str) -> None:
    with pytest.raises(DataError, match="gives no key frames: it names no person"):
        read_key_frames(with_rows(ava, rows))


def test_a_split_that_is_excluded_or_deselected_as_a_whole_is_refused(ava: AvaList) -> None:
    excluded = ava.root / "excluded.csv"
    excluded.write_text("b,0903\na,0902\na,0904\n")
    with pytest.raises(DataError, match="all its timestamps are excluded"):
        read_key_frames(replace(ava, excluded=excluded))
    with pytest.raises(DataError, match="none of its persons does any of AvaList.classes"):
        read_key_frames(replace(ava, classes=(7,), num_classes=2))


def test_a_second_label_is_refused_where_persons_have_one(ava: AvaList) -> None:
    with pytest.raises(DataError, match=r"ava.csv:4: this person has 2 labels"):
        read_key_frames(replace(ava, multi_label=False))


def test_label_maps_may_have_gaps_but_not_where_a_class_is_needed(ava: AvaList) -> None:
    label_map = ava.root / "map.pbtxt"
    label_map.write_text('item { name: "sit" id: 3 }\nitem { name: "run" id: 80 }')
    ava = replace(ava, label_map=label_map)
    assert len(read_key_frames(ava)) == 3
    with pytest.raises(DataError, match=r"has no class 7, .* with gaps, are 3, 80"):
        read_key_frames(replace(ava, classes=(3, 7), num_classes=3))
    with pytest.raises(DataError, match=r"id 80 \('run'\) is no class; the list's are 1 to 50"):
        read_key_frames(replace(ava, num_classes=51))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (1, 2)}, "num_classes must be 3"),
        ({"classes": (0, 2), "num_classes": 3}, "different labels, from 1 on"),
        ({"classes": (2, 2), "num_classes": 3}, "different labels, from 1 on"),
        ({"fps": 0}, "AvaList.fps"),
        ({"min_score": 1.5}, "AvaList.min_score"),
        ({"kind": "flow"}, "AvaList.kind"),
        ({"label_base": 2}, "AvaList.label_base"),
        ({"max_proposals": 0}, "AvaList.max_proposals"),
    ],
)
def test_lists_with_mistaken_fields_are_refused(
    ava: AvaList, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        replace(ava, **changes)


def test_the_centre_is_a_frame_late_in_the_1x_convention_of_numbered_images(ava: AvaList) -> None:
    assert ava.late == 1
    assert replace(ava, kind="video").late == 0
    assert replace(ava, convention="0.x").late == 0


CLIP = "ab_cd-f_hij_000012_000022"


@pytest.fixture
def kinetics(tmp_path: Path) -> AvaList:
    """Return a list as AVA-Kinetics' are prepared: films beside clips cut from other videos."""
    made = ava_kinetics("train", root=tmp_path)
    made.annotations.parent.mkdir()
    made.annotations.write_text(
        f"{CLIP},14,0.1,0.2,0.3,0.4,12,-1\n{CLIP},14,0.1,0.2,0.3,0.4,80,-1\n"
        "ab_cd-f_hij,0902,0.5,0.5,0.9,0.9,3,1\nb_012345_01,0903,0,0,1,1,1,6\n"
    )
    assert made.excluded is not None
    assert made.label_map is not None
    assert made.proposals is not None
    made.excluded.write_text("b_012345_01,0903\n")
    made.label_map.write_text('item { name: "stand" id: 12 }')
    content = {"ab_cd-f_hij,0014": SCORED[1:2], "ab_cd-f_hij,0902": SCORED[2:3]}
    made.proposals.write_bytes(pickle.dumps(content))
    return made


def test_clips_named_after_their_seconds_begin_there(
    kinetics: AvaList, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        clip, film = read_key_frames(kinetics)
    assert not caplog.text  # the proposals of a clip are those of the video that it is cut from
    assert (clip.video, clip.timestamp, clip.labels) == (CLIP, 14, ((12, 80),))
    assert clip.source == Source(CLIP, 30, 12)
    assert film.source == Source("ab_cd-f_hij", 30, 900)
    for frame, expected in ((clip, SCORED[1:2]), (film, SCORED[2:3])):
        assert frame.proposals is not None
        np.testing.assert_allclose(frame.proposals, expected[:, :4])


@pytest.mark.parametrize("timestamp", [11, 22])
def test_a_timestamp_outside_the_seconds_of_a_clip_is_refused(
    kinetics: AvaList, timestamp: int
) -> None:
    wrong = with_rows(kinetics, f"{CLIP},{timestamp},0,0,1,1,1,-1\n")
    with pytest.raises(DataError, match=r"begin at 12 seconds and end before 22"):
        read_key_frames(wrong)


def test_the_centre_is_a_frame_early_in_ava_kinetics_as_published(kinetics: AvaList) -> None:
    clip, film = read_key_frames(kinetics)
    for frame, first in ((clip, 12), (film, 900)):
        for frames, stride in ((8, 8), (4, 16)):
            index = key_frame_index(
                frame.timestamp,
                300,
                fps=frame.source.fps,
                first_timestamp=frame.source.first_timestamp,
                late=kinetics.late,
            )
            # The reference: number fps * (timestamp - first) of images that count from 1.
            image = 30 * (int(frame.timestamp) - first)
            wanted = [image + (i - frames // 2) * stride for i in range(frames)]
            clipped = [min(max(number, 1), 300) for number in wanted]
            taken = key_frame_clip(index, 300, Clip(frames=frames, stride=stride))
            assert (taken + 1).tolist() == clipped
    assert replace(kinetics, kind="video").late == 0
    assert replace(kinetics, convention="0.x").late == 0
    assert key_frame_index(12, 300, fps=30, first_timestamp=12, late=kinetics.late) == 0


def test_frame_folders_and_video_files_open_under_the_name_of_the_video(
    ava: AvaList,
) -> None:
    folder = ava.root / "b"
    folder.mkdir()
    for number in (0, 1):
        cv2.imwrite(str(folder / f"f{number}.png"), np.full((4, 6, 3), number, np.uint8))
    source = read_key_frames(ava)[0].source
    with closing(open_source(replace(ava, template="f{}.png", first_frame=0), source)) as opened:
        assert (opened.num_frames, opened.height, opened.width) == (2, 4, 6)
    with pytest.raises(VideoError, match="b"):
        open_source(replace(ava, kind="video", root=ava.root / "none"), source)
    write_video(ava.root / "b.mkv", np.zeros((3, 32, 48, 3), np.uint8), fps=30)
    with closing(open_source(replace(ava, kind="video"), source)) as opened:
        assert (opened.num_frames, opened.height, opened.width) == (3, 32, 48)


def test_boxes_that_reach_beyond_the_frame_stay_as_they_are(ava: AvaList) -> None:
    listed = with_rows(ava, "a,0902,-0.02,0.1,1.03,0.9,3,1\n")
    beyond = np.array([[-0.02, 0.1, 1.03, 0.9]], np.float32)
    np.testing.assert_array_equal(read_key_frames(listed)[0].boxes, beyond)
    scored = np.concatenate((beyond, [[0.95]]), axis=1)
    (frame,) = with_proposals(listed, {"a,0902": scored})
    np.testing.assert_array_equal(frame.proposals, beyond)
