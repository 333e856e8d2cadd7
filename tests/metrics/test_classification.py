import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchmetrics.functional.classification import (
    multiclass_accuracy,
)

from praxiscope.errors import DataError, PraxiscopeError, RecipeError
from praxiscope.metrics.classification import (
    confusion_matrix,
    evaluate,
    mean_average_precision,
    mean_class_accuracy,
    top_k_accuracy,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

REFERENCE = json.loads((Path(__file__).parent / "data" / "classification.json").read_text())


def splitmix64(stream: int, count: int) -> Floats:
    """The published counter-based generator that the reference figures were made from."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(
            (stream * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def reference_case() -> tuple[Floats, Integers, Integers]:
    labels = np.array(REFERENCE["labels"])
    scores = splitmix64(REFERENCE["scores_stream"], 60 * 12).reshape(60, 12)
    scores[1::2][np.arange(30), labels[1::2]] += 0.5
    many = np.array([[int(bit) for bit in row] for row in REFERENCE["labels_as_bits"]])
    return scores, labels, many


@st.composite
def evaluations(draw: st.DrawFn) -> tuple[Floats, Integers]:
    """Few distinct scores, so that most rows have ties; few labels, so that classes are absent."""
    videos, classes = draw(st.integers(1, 12)), draw(st.integers(2, 7))
    steps = draw(hnp.arrays(np.int64, (videos, classes), elements=st.integers(-2, 2)))
    labels = draw(hnp.arrays(np.int64, videos, elements=st.integers(0, classes - 1)))
    return steps / 2, labels


def test_the_numbers_are_those_of_the_reference() -> None:
    scores, labels, many = reference_case()
    one = evaluate(scores, labels, ["top_k_accuracy", "mean_class_accuracy"], ks=(1, 2, 3, 5))
    several = evaluate(scores, many, ["mean_average_precision", "mmit_mean_average_precision"])
    assert {**one, **several} == pytest.approx(REFERENCE["numbers"], abs=1e-9)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_tensors_and_arrays_give_the_same_numbers(kind: torch.dtype) -> None:
    scores, labels, _ = reference_case()
    tensor = torch.from_numpy(scores).to(kind).requires_grad_()
    names = ["top_k_accuracy", "mean_class_accuracy"]
    assert evaluate(tensor, torch.from_numpy(labels), names) == evaluate(scores, labels, names)


@given(evaluations())
@settings(deadline=None)
def test_top_k_is_a_stable_sort_in_which_the_lower_class_wins_ties(
    case: tuple[Floats, Integers],
) -> None:
    scores, labels = case
    for k in range(1, scores.shape[1] + 1):
        hits = [
            label in sorted(range(len(row)), key=lambda c: -row[c])[:k]
            for row, label in zip(scores, labels, strict=True)
        ]
        assert top_k_accuracy(scores, labels, k) == pytest.approx(sum(hits) / len(hits))


def test_top_k_agrees_with_torchmetrics_where_nothing_ties() -> None:
    scores, labels, _ = reference_case()
    for k in (1, 2, 5):
        theirs = multiclass_accuracy(
            torch.from_numpy(scores), torch.from_numpy(labels), 12, average="micro", top_k=k
        )
        assert top_k_accuracy(scores, labels, k) == pytest.approx(float(theirs), abs=1e-6)


def test_k_above_the_number_of_classes_counts_as_all_of_them() -> None:
    scores, labels = np.eye(3), np.array([2, 2, 2])
    assert evaluate(scores, labels, ["top_k_accuracy"]) == {
        "top1_acc": pytest.approx(1 / 3),
        "top5_acc": 1.0,
    }


@given(evaluations())
@settings(deadline=None)
def test_the_confusion_matrix_counts_every_video_at_its_class_and_prediction(
    case: tuple[Floats, Integers],
) -> None:
    scores, labels = case
    expected = np.zeros((scores.shape[1], scores.shape[1]), dtype=np.int64)
    np.add.at(expected, (labels, scores.argmax(axis=1)), 1)
    assert (confusion_matrix(scores, labels) == expected).all()
    assert np.trace(expected) / len(labels) == pytest.approx(top_k_accuracy(scores, labels, 1))


@given(evaluations())
@settings(deadline=None)
def test_mean_class_accuracy_is_the_mean_recall_of_the_classes_seen_or_predicted(
    case: tuple[Floats, Integers],
) -> None:
    scores, labels = case
    predicted = scores.argmax(axis=1)
    recalls = [
        (predicted[labels == c] == c).mean() if (labels == c).any() else 0.0
        for c in set(labels) | set(predicted)
    ]
    ours = mean_class_accuracy(scores, labels)
    theirs = multiclass_accuracy(
        torch.from_numpy(predicted), torch.from_numpy(labels), scores.shape[1], average="macro"
    )
    assert ours == pytest.approx(np.mean(recalls))
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_a_class_that_is_absent_from_labels_and_predictions_does_not_lower_the_mean() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert mean_class_accuracy(scores, [0, 1]) == 1.0


def test_a_class_that_is_only_predicted_counts_as_zero() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]])
    assert mean_class_accuracy(scores, [0, 0]) == pytest.approx((0.5 + 0.0) / 2)


def test_mean_average_precision_tells_large_logits_apart() -> None:
    scores = np.array([[40.0], [41.0], [42.0]])  # a float32 sigmoid makes all three 1
    assert mean_average_precision(scores, [[0], [0], [1]]) == 1.0
    assert mean_average_precision(scores, [[1], [0], [0]]) == pytest.approx(1 / 3)


def test_classes_without_a_positive_are_left_out_of_the_mean_average_precision() -> None:
    scores = np.array([[0.9, 0.5], [0.1, 0.4]])
    assert mean_average_precision(scores, [[1, 0], [0, 0]]) == 1.0
    with pytest.raises(DataError, match="no positive"):
        mean_average_precision(scores, np.zeros((2, 2)))


def test_a_misspelt_metric_is_refused_with_the_intended_name() -> None:
    with pytest.raises(RecipeError, match=r"top_k_acuracy.*Did you mean 'top_k_accuracy'"):
        evaluate(np.eye(2), [0, 1], ["mean_class_accuracy", "top_k_acuracy"])


def test_a_label_outside_the_classes_is_named() -> None:
    for label in (3, -1):
        with pytest.raises(DataError, match=rf"Video 1 .* label {label}.* 3 classes"):
            evaluate(np.eye(3), [0, label, 1], ["top_k_accuracy"])


def test_scores_of_many_views_are_refused_with_the_way_to_average_them() -> None:
    with pytest.raises(PraxiscopeError, match="--average-clips"):
        evaluate(np.zeros((2, 30, 5)), [0, 1], ["top_k_accuracy"])


def test_nan_scores_are_an_error_and_not_a_perfect_accuracy() -> None:
    scores = np.eye(3)
    scores[1] = np.nan
    with pytest.raises(PraxiscopeError, match=r"1 of 3 videos are NaN \(first: 1\)"):
        evaluate(scores, [0, 1, 2], ["top_k_accuracy"])


def test_no_videos_are_an_error() -> None:
    with pytest.raises(DataError, match="test list is empty"):
        evaluate(np.zeros((0, 5)), [], ["top_k_accuracy"])


def test_labels_of_the_wrong_kind_name_the_metric_to_use_instead() -> None:
    with pytest.raises(DataError, match="mean_average_precision"):
        evaluate(np.eye(3), np.eye(3), ["top_k_accuracy"])
    with pytest.raises(DataError, match="top_k_accuracy"):
        evaluate(np.eye(3), [0, 1, 2], ["mean_average_precision"])
