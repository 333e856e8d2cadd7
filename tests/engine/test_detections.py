import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.data.ava_lists import AvaList
from praxiscope.engine.detections import (
    as_action_boxes,
    dump_detections,
    evaluate_frames,
    list_detections,
    read_detections,
    read_dump,
    write_detections,
)
from praxiscope.errors import DataError, PraxiscopeError, RecipeError
from praxiscope.metrics.ava import PROTOCOLS, evaluate_files
from praxiscope.metrics.ava_csv import ActionBoxes, read_boxes
from praxiscope.types import ScoredFrame

NAMES = {1: "stand", 2: "sit", 4: "run"}  # 3 does not count
NOBODY = np.empty((0, 4), np.float32), np.empty((0, 5), np.float32)


def frame_of(video: str, timestamp: float, boxes: Any, scores: Any) -> ScoredFrame:
    own = np.array(boxes, np.float32).reshape(-1, 4)
    return ScoredFrame(video, timestamp, own, np.array(scores, np.float32), *NOBODY)


def made_up(outputs: int = 5, *, seconds: float = 1.0) -> tuple[ScoredFrame, ...]:
    """Twelve key frames of two videos, of which the last of each shows nobody."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(12):
        count = 3 if number % 6 < 5 else 0
        corners = random.random((count, 2)) / 2
        boxes = np.concatenate([corners, corners + 0.1 + random.random((count, 2)) / 3], axis=1)
        scores = random.random((count, outputs)) ** 4
        frames.append(frame_of(f"video{number // 6}", 902 + seconds * (number % 6), boxes, scores))
    return tuple(frames)


def write_list(folder: Path, frames: tuple[ScoredFrame, ...], **fields: Any) -> AvaList:
    """A list whose ground truth is a part of what was found, a bit beside it."""
    random = np.random.default_rng(1)
    found = as_action_boxes(frames, 0.3, labels=fields.pop("numbers", None))
    moved = found.boxes + random.normal(0, 0.03, found.boxes.shape)
    lines = ["video_id,middle_frame_timestamp,x1,y1,x2,y2,action_id,person_id\n"]
    for row, key in enumerate(found.frames):
        if random.random() < 0.7:
            box = ",".join(f"{x:.3f}" for x in moved[row])
            lines.append(f"{key},{box},{found.classes[row]},{row}\n")
    lines.append("video0,0904,0.1,0.1,0.5,0.5,,7\n")  # who does nothing that has a class
    (folder / "truth.csv").write_text("".join(lines))
    (folder / "excluded.csv").write_text("video1,0903\n")
    items = (f'item {{\n  name: "{name}"\n  id: {n}\n}}\n' for n, name in NAMES.items())
    (folder / "labels.pbtxt").write_text("".join(items))
    return AvaList(
        **{
            "root": folder,
            "annotations": folder / "truth.csv",
            "excluded": folder / "excluded.csv",
            "label_map": folder / "labels.pbtxt",
            "num_classes": 5,
        }
        | fields
    )


def assert_equal(one: ActionBoxes, other: ActionBoxes) -> None:
    assert list(one.frames) == list(other.frames)
    for name in ("boxes", "classes", "scores"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_the_rows_are_those_of_the_reference(tmp_path: Path) -> None:
    # its results2csv on two boxes, class 3 exactly at the threshold of 0.002
    boxes = [[0.123456, 0.2, 0.7654321, 0.99996], [0.0, 0.05, 0.5, 1.0]]
    scores = np.zeros((2, 81), np.float32)
    scores[0, [1, 80]] = 0.5, 0.00205
    scores[1, [0, 1, 3, 4, 12]] = 0.9, 0.9, 0.002, 0.0020001, 0.9876539707183838
    scores[1, 1] = 0
    found = as_action_boxes([frame_of("vid", 902, boxes, scores)], 0.002)
    write_detections(tmp_path / "result.csv", found)
    assert (tmp_path / "result.csv").read_text().splitlines() == [
        "vid,0902,0.1235,0.2000,0.7654,1.0000,1,0.5000",  # it writes 902, and reads both as one
        "vid,0902,0.0000,0.0500,0.5000,1.0000,4,0.0020",
        "vid,0902,0.0000,0.0500,0.5000,1.0000,12,0.9877",
        "vid,0902,0.1235,0.2000,0.7654,1.0000,80,0.0021",
    ]


def test_numbers_are_rounded_as_text_is() -> None:
    values = np.random.default_rng(0).random(4000).astype(np.float32)
    values = np.concatenate([values, np.arange(64, dtype=np.float32) / 64])  # the latter: ties
    frames = [frame_of("a", 1, np.zeros((len(values), 4)), np.stack([values] * 2, axis=1))]
    for digits in (3, 4):
        found = as_action_boxes(frames, 0, digits=digits)
        texts = [f"{x:.{digits}f}" for x in values[values > 0].tolist()]
        assert found.scores.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("seconds", [1.0, 0.4, 1 / 3])
def test_a_csv_file_reads_back_as_what_was_written(tmp_path: Path, seconds: float) -> None:
    frames = (*made_up(seconds=seconds), frame_of('a, "b"', 7.25, [0, 0, 1, 1], [[0, 1, 0, 0, 0]]))
    found = as_action_boxes(frames, 0.002)
    write_detections(tmp_path / "result.csv", found)
    assert_equal(read_boxes(tmp_path / "result.csv"), found)
    assert_equal(read_detections(tmp_path / "result.csv"), found)


def test_labels_are_those_of_the_files() -> None:
    frames = [frame_of("a", 1, [0, 0, 1, 1], [[0.9, 0.8, 0, 0.7]])]
    assert as_action_boxes(frames, 0.1).classes.tolist() == [1, 3]
    base = AvaList(root=Path(), annotations=Path(), num_classes=4, label_base=0)
    assert list_detections(frames, base, min_score=0.1).classes.tolist() == [0, 2]
    part = AvaList(root=Path(), annotations=Path(), num_classes=4, classes=(12, 80, 5))
    assert list_detections(frames, part, min_score=0.1).classes.tolist() == [12, 5]


def test_below_zero_the_threshold_leaves_one_class_a_person() -> None:
    frames = [frame_of("a", 1, np.zeros((2, 4)), [[0.9, 0.1, 0.3, 0.2], [0.0, 0.5, 0.0, 0.4]])]
    found = as_action_boxes(frames, -1)
    assert (found.classes.tolist(), found.scores.tolist()) == ([1, 2], [0.5, 0.3])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seconds", [1.0, 0.5])
@pytest.mark.parametrize("fields", [{}, {"classes": (4, 1), "num_classes": 3}])
def test_the_map_of_a_test_is_that_of_the_file_it_writes(
    tmp_path: Path, protocol: str, seconds: float, fields: dict[str, Any]
) -> None:
    frames = made_up(fields.get("num_classes", 5), seconds=seconds)
    ava = write_list(tmp_path, frames, numbers=fields.get("classes"), **fields)
    found = list_detections(frames, ava, min_score=0.1, protocol=protocol)
    write_detections(tmp_path / "result.csv", found)
    names = {n: NAMES[n] for n in fields.get("classes", NAMES)}
    files = tmp_path / "result.csv", ava.annotations, names, ava.excluded
    expected = evaluate_files(*files, protocol)
    assert 0.1 < expected["mAP@0.5IOU"] < 0.9
    ours = evaluate_frames(frames, ava, min_score=0.1, protocol=protocol)
    assert ours["mAP@0.5IOU"] == expected["mAP@0.5IOU"]
    assert list(ours["AP"]) == list(names.values())
    assert ours["AP"] == pytest.approx(expected["AP"], abs=0, nan_ok=True)


def test_the_0x_protocol_counts_three_decimals_and_the_others_four() -> None:
    frames = [frame_of("a", 1, [0.12345, 0, 1, 1], [[0, 0.98768]])]
    ava = AvaList(root=Path(), annotations=Path(), num_classes=2)
    for protocol, box, score in (
        ("reference-0.x", 0.123, 0.988),
        ("reference-1.x", 0.1235, 0.9877),
        ("activitynet", 0.1235, 0.9877),
    ):
        found = list_detections(frames, ava, min_score=0.1, protocol=protocol)
        assert (found.boxes[0, 0], found.scores[0]) == (box, score)


def test_without_a_label_map_all_classes_count_by_their_numbers(tmp_path: Path) -> None:
    ava = write_list(tmp_path, made_up())
    found = evaluate_frames(made_up(), replace(ava, label_map=None), min_score=0.1)
    assert list(found["AP"]) == ["1", "2", "3", "4"]
    named = evaluate_frames(made_up(), ava, min_score=0.1)
    assert list(named["AP"]) == ["stand", "sit", "run"]
    assert named["mAP@0.5IOU"] == pytest.approx(np.nanmean([*named["AP"].values()]))


def test_frames_without_people_are_an_empty_valid_result(tmp_path: Path) -> None:
    ava = write_list(tmp_path, made_up())
    nobody = [frame_of("video0", 902, [], np.empty((0, 5)))]
    assert evaluate_frames(nobody, ava, min_score=0.1)["mAP@0.5IOU"] == 0
    write_detections(tmp_path / "result.csv", as_action_boxes(nobody, 0.1))
    dump_detections(tmp_path / "result.pkl", nobody)
    for name in ("result.csv", "result.pkl"):
        assert len(read_detections(tmp_path / name)) == 0


def test_a_dump_is_a_list_of_dicts_of_tensors_and_reads_back(tmp_path: Path) -> None:
    frames = made_up(seconds=0.5)
    dump_detections(tmp_path / "result.pkl", frames)
    first, second = pickle.loads((tmp_path / "result.pkl").read_bytes())[:2]
    assert (first["video_id"], first["timestamp"], first["img_key"]) == (
        "video0",
        902,
        "video0,0902",
    )
    assert type(first["timestamp"]) is int
    assert (second["timestamp"], second["img_key"]) == (902.5, "video0,902.5")
    assert torch.equal(first["pred_instances"]["scores"], torch.from_numpy(frames[0].scores))
    for frame, read in zip(frames, read_dump(tmp_path / "result.pkl"), strict=True):
        assert (read.video, read.timestamp) == (frame.video, frame.timestamp)
        assert np.array_equal(read.boxes, frame.boxes)
        assert np.array_equal(read.scores, frame.scores)
    labels = (1, 2, 0, 7)
    assert_equal(
        read_detections(tmp_path / "result.pkl", min_score=0.2, labels=labels, digits=3),
        as_action_boxes(frames, 0.2, labels=labels, digits=3),
    )


def test_a_dump_of_openmmlab_is_read(tmp_path: Path) -> None:
    def sample(video: str, boxes: torch.Tensor, scores: torch.Tensor) -> dict[str, Any]:
        return {
            "img_shape": (256, 340),
            "img_key": f"{video},0902",
            "video_id": video,
            "timestamp": 902,
            "gt_instances": {"bboxes": boxes * 256, "labels": scores.round()},
            "proposals": {"bboxes": boxes * 256},
            "pred_instances": {"bboxes": boxes, "scores": scores},
        }

    everything = torch.rand(7, 9, generator=torch.Generator().manual_seed(0))
    part = everything[2:5]  # a view, as results of a batch are
    content = [sample("a", part[:, :4], part[:, 4:]), sample("b", part[:0, :4], part[:0, 4:])]
    (tmp_path / "theirs.pkl").write_bytes(pickle.dumps(content, protocol=4))
    one, none = read_dump(tmp_path / "theirs.pkl")
    assert (one.video, one.timestamp) == ("a", 902)
    assert np.array_equal(one.scores, part[:, 4:].numpy())
    assert (len(none.boxes), none.scores.shape) == (0, (0, 5))


class Hostile:
    def __reduce__(self) -> Any:
        return print, ("executed",)


ONE_BOX = {"bboxes": np.zeros((1, 4)), "scores": np.zeros((1, 3))}
GOOD = {"video_id": "a", "timestamp": 1, "pred_instances": ONE_BOX}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "holds no list of key frames"),
        ([GOOD, 3], "key frame 1: no 'video_id'"),
        ([GOOD | {"video_id": 5}], "key frame 0: no 'video_id'"),
        ([{"pred_score": 1, "gt_label": 2}], "no 'pred_instances'"),
        ([GOOD | {"timestamp": "x"}], "'timestamp' is no number of seconds"),
        ([GOOD | {"timestamp": math.nan}], "'timestamp' is no number of seconds"),
        ([GOOD | {"pred_instances": {"bboxes": 3}}], "no arrays of numbers"),
        (
            [GOOD | {"pred_instances": ONE_BOX | {"bboxes": np.zeros((2, 4))}}],
            r"boxes of shape \(2, 4\), scores of shape \(1, 3\)",
        ),
        ([Hostile()], "no 'video_id'"),
    ],
)
def test_dumps_of_another_kind_are_refused_and_nothing_runs(
    tmp_path: Path, content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=rf"x\.pkl.*{message}.*Expected what a detection test"):
        read_detections(tmp_path / "x.pkl")
    assert not capsys.readouterr().out


def test_files_that_are_missing_damaged_or_of_another_suffix_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.pkl cannot be read: No such file"):
        read_detections(tmp_path / "none.pkl")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps([GOOD])[:-9])
    with pytest.raises(DataError, match=r"cut\.pkl is damaged or refused"):
        read_detections(tmp_path / "cut.pkl")
    with pytest.raises(PraxiscopeError, match=r"x\.json: results are written as \.csv, not"):
        write_detections(tmp_path / "x.json", as_action_boxes([], 0.1))
    with pytest.raises(PraxiscopeError, match=r"x\.csv: results are written as \.pkl, not"):
        dump_detections(tmp_path / "x.csv", [])
    assert not list(tmp_path.glob("x.*"))


def test_scores_of_a_diverged_network_or_of_other_outputs_are_refused() -> None:
    frames = [frame_of("a", 902, [0, 0, 1, 1], [[0, 0.5, math.nan]])]
    with pytest.raises(PraxiscopeError, match="a,0902 has scores or boxes that are no numbers"):
        as_action_boxes(frames, 0.1)
    ava = AvaList(root=Path(), annotations=Path(), num_classes=81)
    with pytest.raises(DataError, match="a,0902 has scores of 3 outputs.* but the list has 81"):
        list_detections(frames, ava, min_score=0.1)
    with pytest.raises(RecipeError, match="no protocol"):
        list_detections(frames, ava, min_score=0.1, protocol="ava")


def test_a_class_that_the_label_map_lacks_is_named(tmp_path: Path) -> None:
    ava = write_list(tmp_path, made_up(), num_classes=3, classes=(1, 3))
    with pytest.raises(DataError, match=r"labels\.pbtxt has no class 3 of AvaList\.classes"):
        evaluate_frames(made_up(3), ava, min_score=0.1)
