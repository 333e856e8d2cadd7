from pathlib import Path

import numpy as np
import pytest

from praxiscope.banks.bank import Bank
from praxiscope.banks.check import Counts, count_seconds, find_faults
from praxiscope.banks.layout import Rows, write_layout
from tests.banks.banks import CHANNELS, write_bank


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, Counts(0, 0, 0)),
        ({"v": {}}, Counts(0, 0, 1)),
        ({"v": {5: 3, 6: 1, 9: 2}}, Counts(3, 2, 0)),
        ({"v": {5: 3, 9: 2}, "w": {}, "x": {9: 1, 10: 1}, "y": {0: 1}, "z": {}}, Counts(5, 3, 2)),
    ],
)
def test_seconds_are_counted_within_videos(
    tmp_path: Path, counts: dict[str, dict[int, int]], expected: Counts
) -> None:
    bank = write_bank(tmp_path / "x", counts)
    assert count_seconds(bank) == expected
    assert list(find_faults(bank)) == []


def test_features_that_are_no_numbers_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    seconds = np.repeat(np.arange(3000, dtype=np.int32), 3)
    features = np.ones((9000, CHANNELS), np.float16)
    broken = features.copy()
    broken[[4, 5000, 8999], 2] = [np.nan, np.inf, -np.inf]
    write_layout(
        tmp_path / "x",
        ["a", "b"],
        lambda video: Rows(seconds, broken if video == "b" else features),
        channels=CHANNELS,
        dtype="float16",
        metadata={},
    )
    (fault,) = find_faults(Bank(tmp_path / "x"))
    assert fault == "3 of 18000 features have NaN or infinity; the first is in 'b', second 1."


def changed(path: Path, array: str, values: list[int]) -> Bank:
    """Write other numbers over the index of a bank of three videos."""
    bank = write_bank(path, {"a": {1: 2}, "b": {3: 1, 4: 1}, "c": {2: 1}})
    starts = bank.arrays[0]
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    begin = size + (0 if array == "starts" else starts.nbytes)
    if array == "videos":
        begin = len(data) - 3
    kind = {"starts": "<i8", "seconds": "<i4", "videos": "u1"}[array]
    new = np.array(values, kind).tobytes()
    path.write_bytes(data[:begin] + new + data[begin + len(new) :])
    return Bank(path)


@pytest.mark.parametrize(
    ("array", "values", "reason"),
    [
        ("starts", [0, 4, 2, 5], "a video ends before it begins"),
        ("seconds", [1, 1, 4, 3, 2], "seconds run backwards in 'b'"),
        ("seconds", [2, 1, 3, 4, 2], "seconds run backwards in 'a'"),
        ("videos", [97, 99, 98], "names of its videos are not in order"),
        ("videos", [97, 97, 98], "names of its videos are not in order, or stand there twice"),
    ],
)
def test_an_index_in_disorder_is_found(
    tmp_path: Path, array: str, values: list[int], reason: str
) -> None:
    (fault,) = find_faults(changed(tmp_path / "x", array, values))
    assert reason in fault
