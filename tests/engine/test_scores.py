import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.engine.results import dump_predictions, write_results
from praxiscope.engine.scores import as_truth, read_scores
from praxiscope.errors import DataError

SCORES = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))


def pickled(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize("suffix", [".json", ".pkl", ".csv"])
def test_what_out_writes_is_read_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    write_results(tmp_path / f"result{suffix}", SCORES)
    file = read_scores(tmp_path / f"result{suffix}")
    assert np.array_equal(file.scores.astype(np.float32), SCORES.numpy())
    assert file.labels is None and file.videos is None


def test_what_dump_writes_is_read_back_with_labels_and_names(tmp_path: Path) -> None:
    names = [f"{n}.mp4" for n in range(5)]
    dump_predictions(tmp_path / "one.pkl", SCORES, torch.tensor([3, 0, 1, 1, 2]), names)
    file = read_scores(tmp_path / "one.pkl")
    assert np.array_equal(file.scores, SCORES.numpy())
    assert file.labels == ((3,), (0,), (1,), (1,), (2,))
    assert file.videos == tuple(names)
    several = torch.tensor([[0, 1, 1, 0]] * 4 + [[0, 0, 0, 1]])
    dump_predictions(tmp_path / "several.pkl", SCORES, several, names)
    assert read_scores(tmp_path / "several.pkl").labels == ((1, 2),) * 4 + ((3,),)


@pytest.mark.parametrize(
    ("item", "labels"),
    [
        ({"pred_score": torch.ones(4), "gt_label": torch.tensor([2])}, (2,)),
        ({"pred_score": torch.ones(4), "gt_label": torch.tensor([0.0, 1, 0, 1])}, (1, 3)),
        ({"pred_score": torch.ones(4), "gt_label": torch.tensor([0, 1, 0, 1])}, (1, 3)),
        ({"pred_score": torch.ones(2), "gt_label": torch.tensor([0, 1])}, (0, 1)),
        ({"pred_score": np.ones(4), "gt_label": 3}, (3,)),
        (
            {"pred_scores": {"item": torch.ones(4)}, "gt_labels": {"item": torch.tensor([2])}},
            (2,),
        ),
        ({"pred_score": torch.ones(4, dtype=torch.bfloat16), "num_classes": 4}, None),
    ],
    ids=["1.x", "zeros and ones", "as integers", "two classes", "plain", "candidate", "no label"],
)
def test_dicts_of_other_writers_are_read(
    tmp_path: Path, item: dict[str, Any], labels: tuple[int, ...] | None
) -> None:
    file = read_scores(pickled(tmp_path / "dump.pkl", [item, item]))
    assert file.labels == (None if labels is None else (labels, labels))
    assert file.scores.tolist() == [[1.0] * file.scores.shape[1]] * 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "no list of scores"),
        ([], "the list is empty"),
        ([[1.0, 2.0], [1.0]], "video 1: scores of 1 classes, but of 2 before it"),
        ([[1.0, float("nan")], [1.0, 2.0]], "1 of 2 videos hold NaN .*first: video 0"),
        ([[[1.0, 2.0]], [[1.0, 2.0]]], "--average-clips prob or score"),
        ([["a", "b"]], "no vector of numbers"),
        ([[1.0, [2.0]]], "no vector of numbers"),
        ([1.0, 2.0], "no vector of numbers"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_other_content_is_refused_in_one_sentence(
    tmp_path: Path, content: Any, words: str, suffix: str
) -> None:
    path = tmp_path / f"result{suffix}"
    path.write_bytes(pickle.dumps(content) if suffix == ".pkl" else json.dumps(content).encode())
    with pytest.raises(DataError, match=words) as error:
        read_scores(path)
    assert str(path) in str(error.value)


def test_missing_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.pkl does not exist"):
        read_scores(tmp_path / "absent.pkl")
    for name in ("a.pkl", "a.json", "a.csv"):
        (tmp_path / name).write_bytes(b"\x80\x05no")
        with pytest.raises(DataError, match=f"{name} is damaged or no score file"):
            read_scores(tmp_path / name)
    with pytest.raises(DataError, match="no score file by its name"):
        read_scores(tmp_path / "a.yaml")
    with pytest.raises(DataError, match="video 1: no scores"):
        read_scores(pickled(tmp_path / "b.pkl", [{"pred_score": torch.ones(2)}, {}]))
    for label in ("left", 0.5, float("nan"), float("inf")):
        with pytest.raises(DataError, match="no whole numbers"):
            read_scores(
                pickled(tmp_path / "c.pkl", [{"pred_score": torch.ones(2), "gt_label": label}])
            )


def test_a_pickle_that_calls_something_calls_nothing(tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "touched",)

    with pytest.raises(DataError, match="no list"):
        read_scores(pickled(tmp_path / "bad.pkl", Call()))
    assert not (tmp_path / "touched").exists()


def test_labels_become_what_metrics_take() -> None:
    assert as_truth(((2,), (0,)), 3, several=False).tolist() == [2, 0]
    assert as_truth(((2, 0), ()), 3, several=True).tolist() == [[1, 0, 1], [0, 0, 0]]
    with pytest.raises(DataError, match="Video 1 .* has label 3, but there are scores of 3"):
        as_truth(((0,), (3,)), 3, several=False)
    with pytest.raises(DataError, match="Video 0 .* has 2 labels where one is expected"):
        as_truth(((0, 1),), 3, several=False)
