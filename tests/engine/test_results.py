import csv
import json
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.engine.results import (
    DUMP_SUFFIXES,
    check_writable,
    dump_predictions,
    write_results,
)
from praxiscope.errors import PraxiscopeError


def scores_of(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(4, 3), (4, 6, 3), (0, 3)])
def test_json_holds_the_exact_scores_as_nested_lists(tmp_path: Path, shape: tuple[int]) -> None:
    scores = scores_of(*shape)
    write_results(tmp_path / "result.json", scores)
    read = json.loads((tmp_path / "result.json").read_text())
    assert isinstance(read, list) and len(read) == len(scores)
    assert torch.equal(torch.tensor(read, dtype=torch.float32).reshape(shape), scores)


@pytest.mark.parametrize("shape", [(4, 3), (4, 6, 3)])
def test_pkl_holds_a_list_of_float32_arrays(tmp_path: Path, shape: tuple[int]) -> None:
    scores = scores_of(*shape)
    write_results(tmp_path / "result.pkl", scores)
    read = pickle.loads((tmp_path / "result.pkl").read_bytes())
    assert type(read) is list and len(read) == 4
    assert all(type(row) is np.ndarray and row.dtype == np.float32 for row in read)
    assert np.array_equal(np.stack(read), scores.numpy())


def test_csv_holds_one_row_of_numbers_a_video_and_no_header(tmp_path: Path) -> None:
    scores = scores_of(4, 3)
    write_results(tmp_path / "result.csv", scores)
    with (tmp_path / "result.csv").open(newline="") as file:
        rows = [[float(cell) for cell in row] for row in csv.reader(file)]
    assert np.array_equal(np.array(rows, dtype=np.float32), scores.numpy())


def test_numpy_scores_of_another_precision_are_written_as_float32(tmp_path: Path) -> None:
    scores = scores_of(2, 3).double().numpy()
    write_results(tmp_path / "result.pkl", scores)
    read = pickle.loads((tmp_path / "result.pkl").read_bytes())
    assert np.array_equal(np.stack(read), scores.astype(np.float32))


def test_csv_refuses_scores_of_every_view_before_and_after_the_test(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    with pytest.raises(PraxiscopeError, match=r"result\.csv.*\.json or \.pkl.*--average-clips"):
        write_results(path, scores_of(4, 6, 3))
    with pytest.raises(PraxiscopeError, match=r"result\.csv.*--average-clips"):
        check_writable(path, per_view=True)
    check_writable(tmp_path / "result.json", per_view=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["result.npy", "result", "result.JSON.txt"])
def test_another_suffix_is_refused_naming_the_three(tmp_path: Path, name: str) -> None:
    for refuse in (check_writable, lambda path: write_results(path, scores_of(2, 3))):
        with pytest.raises(PraxiscopeError, match=r"\.json, \.pkl, \.csv"):
            refuse(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_dump_holds_one_dict_a_video_with_tensors_of_its_own(tmp_path: Path) -> None:
    scores = scores_of(3, 400)
    labels = torch.tensor([7, 0, 399])
    names = ["a/b.mp4", "c d.mp4", "é.mp4"]
    dump_predictions(tmp_path / "dump.pkl", scores, labels, names)
    read = pickle.loads((tmp_path / "dump.pkl").read_bytes())
    assert [set(item) for item in read] == [
        {"pred_score", "pred_label", "gt_label", "filename"}
    ] * 3
    assert torch.equal(torch.stack([item["pred_score"] for item in read]), scores)
    assert torch.equal(torch.cat([item["pred_label"] for item in read]), scores.argmax(1))
    assert torch.equal(torch.cat([item["gt_label"] for item in read]), labels)
    assert [item["pred_label"].shape for item in read] == [(1,)] * 3
    assert [item["filename"] for item in read] == names
    # A row that took the whole matrix with it would make the file grow with the square of N.
    assert all(item["pred_score"].untyped_storage().nbytes() == 4 * 400 for item in read)


def test_a_dump_of_several_labels_a_video_holds_their_numbers(tmp_path: Path) -> None:
    labels = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    dump_predictions(tmp_path / "dump.pkl", scores_of(2, 3), labels, ["a", "b"])
    read = pickle.loads((tmp_path / "dump.pkl").read_bytes())
    assert [item["gt_label"].tolist() for item in read] == [[1, 2], []]


def test_a_dump_refuses_views_and_other_suffixes(tmp_path: Path) -> None:
    labels, names = torch.zeros(2, dtype=torch.int64), ["a", "b"]
    with pytest.raises(PraxiscopeError, match="--average-clips"):
        dump_predictions(tmp_path / "dump.pkl", scores_of(2, 5, 3), labels, names)
    with pytest.raises(PraxiscopeError, match=r"dump\.json.*\.pkl"):
        dump_predictions(tmp_path / "dump.json", scores_of(2, 3), labels, names)
    with pytest.raises(PraxiscopeError, match=r"dump\.json.*\.pkl"):
        check_writable(tmp_path / "dump.json", DUMP_SUFFIXES)


def test_checking_makes_the_folder_and_leaves_no_file(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep" / "result.json")
    assert list((tmp_path / "new" / "deep").iterdir()) == []


def test_checking_keeps_an_earlier_result(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("[]")
    check_writable(path)
    assert path.read_text() == "[]"


def test_a_place_that_cannot_hold_a_file_is_named_before_the_test(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PraxiscopeError, match=r"result\.json.*Choose another place"):
        check_writable(tmp_path / "file" / "result.json")
    (tmp_path / "result.json").mkdir()
    with pytest.raises(PraxiscopeError, match="is a folder"):
        check_writable(tmp_path / "result.json")


def test_a_failed_write_keeps_the_earlier_result_and_leaves_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "result.json"
    write_results(path, scores_of(2, 3))
    before = path.read_bytes()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, unlimited[1]))  # as a disk that fills up
    try:
        with pytest.raises(PraxiscopeError, match=r"result\.json could not be written"):
            write_results(path, scores_of(200, 400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_not_written(tmp_path: Path, value: float) -> None:
    path = tmp_path / "scores.json"
    with pytest.raises(PraxiscopeError, match="scores.json is not written: some scores are no num"):
        write_results(path, np.array([[0.5, value]]))
    assert not path.exists()
