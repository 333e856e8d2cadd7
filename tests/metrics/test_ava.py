import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.errors import DataError, PraxiscopeError, RecipeError
from praxiscope.metrics.ava import PROTOCOLS, evaluate, evaluate_files
from praxiscope.metrics.ava_csv import ActionBoxes
from tests.metrics.ava_by_hand import mean_precision_by_hand

DATA = Path(__file__).parent / "data" / "ava"
FIGURES = json.loads((DATA / "figures.json").read_text())
FILES = DATA / "detections.csv", DATA / "gt.csv", DATA / "label_map.pbtxt"
BOX, FAR = (0.1, 0.1, 0.5, 0.5), (0.6, 0.6, 0.9, 0.9)
NAMES = {1: "stand", 2: "sit", 3: "run"}
Row = tuple[str, tuple[float, float, float, float], int, float]


def boxes_of(*rows: Row) -> ActionBoxes:
    return ActionBoxes(
        [row[0] for row in rows],
        np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 4),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.float64),
    )


def assert_equal(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    assert found["mAP@0.5IOU"] == pytest.approx(expected["mAP"], abs=tolerance)
    for name, value in found["AP"].items():
        other = expected["AP"].get(name)  # the figures have no number where there is no AP
        wanted = math.nan if other is None else other
        assert value == pytest.approx(wanted, abs=tolerance, nan_ok=True), name


@pytest.mark.parametrize(
    ("case", "protocol", "excluded"),
    [
        ("v1", "reference-1.x", True),
        ("v1_no_exclusions", "reference-1.x", False),
        ("v0", "reference-0.x", True),
        ("v0_no_exclusions", "reference-0.x", False),
    ],
)
def test_the_figures_are_those_of_the_reference(case: str, protocol: str, excluded: bool) -> None:
    file = DATA / "excluded.csv" if excluded else None
    assert_equal(evaluate_files(*FILES, file, protocol), FIGURES[case])


def test_a_subset_of_classes_also_changes_which_frames_are_looked_at() -> None:
    names = {number: f"action{number}" for number in (1, 14, 64, 80)}
    found = evaluate_files(*FILES[:2], names, DATA / "excluded.csv")
    assert_equal(found, FIGURES["v1_custom_classes"])


def test_fewer_than_50_detections_a_frame_are_the_same_for_activitynet_and_0x() -> None:
    assert_equal(evaluate_files(*FILES, DATA / "excluded.csv", "activitynet"), FIGURES["v0"])


PLACE = st.integers(0, 4).map(lambda n: n / 10)
SIDE = st.integers(0, 4).map(lambda n: n / 10)


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_all_at_once_is_one_by_one(data: st.DataObject) -> None:
    corner = st.tuples(PLACE, PLACE, SIDE, SIDE)
    box = corner.map(lambda c: (c[0], c[1], c[0] + c[2] + 0.1, c[1] + c[3] + 0.1))
    row = st.tuples(st.sampled_from("abcd"), box, st.integers(1, 4), st.just(0.0))
    truth = boxes_of(*data.draw(st.lists(row, max_size=12)), ("a", BOX, 1, 1.0))
    rows = data.draw(st.lists(row, max_size=20))
    order = data.draw(st.permutations(range(len(rows))))
    found = boxes_of(*((f, b, c, n / 64) for (f, b, c, _), n in zip(rows, order, strict=True)))
    excluded = data.draw(st.sets(st.sampled_from("abcd"), max_size=2))
    for protocol, old in (("reference-1.x", False), ("reference-0.x", True)):
        mean, precisions = mean_precision_by_hand(found, truth, NAMES, excluded, old=old)
        ours = evaluate(found, truth, NAMES, excluded, protocol)
        assert_equal(ours, {"mAP": mean, "AP": precisions}, 1e-12)


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(PROTOCOLS)))
@settings(deadline=None, max_examples=20)
def test_the_order_of_rows_does_not_matter_with_equal_scores(random: Any, protocol: str) -> None:
    rows: list[Row] = [
        (frame, box, label, 0.5)
        for frame in "abc"
        for box in (BOX, FAR, (0.1, 0.1, 0.5, 0.4))
        for label in (1, 2)
    ]
    truth = boxes_of(("a", BOX, 1, 0), ("b", BOX, 1, 0), ("b", FAR, 2, 0))
    first = evaluate(boxes_of(*rows), truth, NAMES, (), protocol)
    random.shuffle(rows)
    assert_equal(
        evaluate(boxes_of(*rows), truth, NAMES, (), protocol),
        {"mAP": first["mAP@0.5IOU"], "AP": first["AP"]},
    )


def test_a_second_detection_of_the_same_box_is_wrong() -> None:
    truth = boxes_of(("a", BOX, 1, 0), ("b", BOX, 1, 0))
    found = boxes_of(("a", BOX, 1, 0.9), ("a", BOX, 1, 0.8), ("b", BOX, 1, 0.7))
    assert evaluate(found, truth, NAMES)["AP"]["stand"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_detection_goes_to_its_best_box_even_if_that_one_is_taken() -> None:
    near = (0.1, 0.1, 0.5, 0.45)
    truth = boxes_of(("a", BOX, 1, 0), ("a", near, 1, 0))
    found = boxes_of(("a", BOX, 1, 0.9), ("a", BOX, 1, 0.8))
    assert evaluate(found, truth, NAMES)["AP"]["stand"] == pytest.approx(0.5)


def test_an_overlap_of_exactly_one_half_counts() -> None:
    truth = boxes_of(("a", (0.0, 0.0, 1.0, 1.0), 1, 0))
    assert evaluate(boxes_of(("a", (0, 0, 0.5, 1), 1, 1)), truth, NAMES)["mAP@0.5IOU"] == 1
    assert evaluate(boxes_of(("a", (0, 0, 0.49, 1), 1, 1)), truth, NAMES)["mAP@0.5IOU"] == 0


def test_what_the_protocols_do_with_frames_and_classes() -> None:
    truth = boxes_of(("a", BOX, 1, 0), ("x", BOX, 1, 0), ("a", BOX, 2, 0))
    found = boxes_of(("empty", BOX, 1, 0.9), ("a", BOX, 1, 0.8), ("x", BOX, 1, 0.7))
    new = evaluate(found, truth, NAMES, {"x"}, "reference-1.x")
    assert new["AP"] == pytest.approx({"stand": 0.5, "sit": math.nan, "run": math.nan}, nan_ok=True)
    assert new["mAP@0.5IOU"] == pytest.approx(0.5)  # the box in x is missing, sit is left out
    for protocol in ("reference-0.x", "activitynet"):
        old = evaluate(found, truth, NAMES, {"x"}, protocol)
        assert old["AP"] == pytest.approx({"stand": 0.5, "sit": 0, "run": math.nan}, nan_ok=True)
        assert old["mAP@0.5IOU"] == pytest.approx(0.25)  # a wrong one in "empty", sit is 0


def test_detections_without_an_area_are_wrong_in_1x_and_ignored_elsewhere() -> None:
    flat: Row = ("a", (0.2, 0.2, 0.2, 0.4), 1, 0.9)
    truth, found = boxes_of(("a", BOX, 1, 0)), boxes_of(flat, ("a", BOX, 1, 0.5))
    values = [evaluate(found, truth, NAMES, (), name)["mAP@0.5IOU"] for name in PROTOCOLS]
    assert values == pytest.approx([0.5, 1, 1])


def test_activitynet_counts_the_50_best_of_a_frame() -> None:
    truth = boxes_of(("a", BOX, 1, 0), ("b", BOX, 1, 0))
    crowd: list[Row] = [("a", FAR, 2, 0.9 - n / 1000) for n in range(49)]
    rows = [*crowd, ("a", FAR, 1, 0.5), ("a", BOX, 1, 0.4), ("b", BOX, 1, 0.3)]
    found = boxes_of(*rows)
    assert evaluate(found, truth, NAMES, (), "reference-0.x")["AP"]["stand"] == pytest.approx(2 / 3)
    assert evaluate(found, truth, NAMES, (), "activitynet")["AP"]["stand"] == pytest.approx(1 / 4)


def test_at_the_limit_of_50_an_equal_score_pushes_nothing_out() -> None:
    truth = boxes_of(("a", BOX, 1, 0), ("a", FAR, 2, 0))
    crowd: list[Row] = [("a", FAR, 3, 0.5) for _ in range(48)]
    ends: list[Row] = [("a", BOX, 1, 0.5), ("a", FAR, 2, 0.5)]
    full = evaluate(boxes_of(*crowd, *ends, ("a", BOX, 3, 0.5)), truth, NAMES, (), "activitynet")
    assert (full["AP"]["stand"], full["AP"]["sit"]) == (1, 1)
    # the lowest class leaves first
    pushed = evaluate(boxes_of(*crowd, *ends, ("a", BOX, 3, 0.6)), truth, NAMES, (), "activitynet")
    assert (pushed["AP"]["stand"], pushed["AP"]["sit"]) == (0, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_detections_are_a_map_of_0(tmp_path: Path, protocol: str) -> None:
    (tmp_path / "none.csv").touch()
    found = evaluate_files(tmp_path / "none.csv", *FILES[1:], None, protocol)
    assert found["mAP@0.5IOU"] == 0
    assert math.isnan(found["AP"]["action1"]) == (protocol == "reference-1.x")


def test_ground_truth_without_boxes_has_no_map(tmp_path: Path) -> None:
    (tmp_path / "none.csv").touch()
    with pytest.raises(DataError, match=r"none\.csv holds no box of a class in the label map"):
        evaluate_files(FILES[0], tmp_path / "none.csv", FILES[2])
    with pytest.raises(DataError, match="holds no box"):
        evaluate(boxes_of(), boxes_of(("a", BOX, 7, 0)), NAMES)


def test_ground_truth_with_corners_in_another_order_is_refused() -> None:
    with pytest.raises(DataError, match="frame a ends before it begins"):
        evaluate(boxes_of(), boxes_of(("a", (0.5, 0.1, 0.1, 0.5), 1, 0)), NAMES)


def test_detections_in_pixels_are_not_held_against_shares() -> None:
    shares, pixels = boxes_of(("a", BOX, 1, 0)), boxes_of(("a", (32, 24, 160, 120), 1, 0))
    with pytest.raises(DataError, match="The detections are in pixels"):
        evaluate(pixels, shares, NAMES)
    with pytest.raises(DataError, match="The boxes of the ground truth are in pixels"):
        evaluate(shares, pixels, NAMES)
    assert evaluate(pixels, pixels, NAMES)["mAP@0.5IOU"] == 1


def test_scores_of_a_diverged_network_are_refused() -> None:
    with pytest.raises(PraxiscopeError, match="NaN"):
        evaluate(boxes_of(("a", BOX, 1, math.nan)), boxes_of(("a", BOX, 1, 0)), NAMES)


def test_a_protocol_that_is_none_is_refused_with_a_guess() -> None:
    with pytest.raises(RecipeError, match=r"Did you mean 'reference-1\.x'"):
        evaluate_files(*FILES, protocol="reference-1")
