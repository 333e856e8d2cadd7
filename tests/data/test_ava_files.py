"""Files in AVA's format: what they say, and what is said where they are wrong."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from praxiscope.data.ava_files import (
    Source,
    read_annotations,
    read_excluded,
    read_proposals,
    read_sources,
)
from praxiscope.errors import DataError

LINE = "clip,0902,0.1,0.2,0.3,0.4,12,7"
BOXES = np.array([[0.25, 0.5, 0.75, 1, 0.5], [0, 0, 1, 1, 0.25]])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_annotations_are_read_line_by_line(tmp_path: Path) -> None:
    text = f"{LINE}\r\n\r\nclip,902,0.5,0,1,1,3\nclip,0903,,,,,,\nb,1.5,0,0,1,1,,\n"
    first, second, third = read_annotations(written(tmp_path / "a.csv", text))
    assert first == (1, "clip", 902.0, (0.1, 0.2, 0.3, 0.4), 12, 7)
    assert second == (3, "clip", 902.0, (0.5, 0.0, 1.0, 1.0), 3, -1)
    assert third == (5, "b", 1.5, (0.0, 0.0, 1.0, 1.0), None, -1)


def test_a_header_is_passed_over(tmp_path: Path) -> None:
    header = "video_id,middle_frame_timestamp,x_1,y_1,x_2,y_2,action_id,person_id"
    assert len(read_annotations(written(tmp_path / "a.csv", f"{header}\n{LINE}\n"))) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clip,0902,0.1,0.2,x,0.4,12,7", r"a.csv:2, column 5 \(x2\): expected a number, not 'x'"),
        ("clip,t,0.1,0.2,0.3,0.4,12,7", r"a.csv:2, column 2 \(timestamp\): expected a number"),
        ("clip,0902,0.1,0.2,nan,0.4,12,7", r"column 5 \(x2\): expected a number, not 'nan'"),
        ("clip,0902,0.1,0.2,0.3,0.4,1.5,7", r"column 7 \(label\): expected a whole number"),
        ("clip,0902,0.1,0.2,0.3,0.4,12,p", r"column 8 \(person_id\): expected a number, not 'p'"),
        ("clip,0902,0.1,0.2,0.3,0.4,12,1e300", r"column 8 \(person_id\): .* at most 18 digits"),
        ("c" * 300 + ",0902,0.1,0.2,0.3,0.4,12,1", r"column 1 \(video\): a name of 300 characters"),
        ("clip,0902,0.1", r"a.csv:2: expected 'video,timestamp,x1,y1.*, not 3 columns"),
        (f"{LINE},0.9", r"a.csv:2: expected 'video,timestamp,x1,y1.*, not 9 columns"),
        ("clip", r"a.csv:2: expected 'video,timestamp,x1,y1.*, not 1 columns"),
        (",0902,0.1,0.2,0.3,0.4,12,7", r"a.csv:2, column 1 \(video\): it is empty"),
    ],
)
def test_a_malformed_line_is_named_with_its_column(line: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", f"{LINE}\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_annotations(path)


def test_a_missing_annotation_file_suggests_another(tmp_path: Path) -> None:
    written(tmp_path / "ava_train_v2.2.csv", LINE)
    with pytest.raises(DataError, match=r"no file of annotations .*mean 'ava_train_v2.2.csv'"):
        read_annotations(tmp_path / "ava_train_v2.1.csv")


def test_excluded_timestamps_and_sources_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "a,0906\nb,1000\n")
    assert read_excluded(path) == {("a", 906), ("b", 1000)}
    assert read_excluded(written(tmp_path / "none.csv", "")) == frozenset()
    path = written(tmp_path / "s.csv", "video,path,fps,first_timestamp\na,ava/a,30,900\n")
    assert read_sources(path) == {"a": Source("ava/a", 30, 900)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,x,0,1", r"s.csv:1, column 3 \(fps\): expected more than 0, not '0'"),
        ("a,x,30", r"s.csv:1: expected 'video,path,fps,first_timestamp', not 3 columns"),
        ("a,x,30,0\na,y,30,0", r"s.csv:2: video 'a' stands there a second time"),
    ],
)
def test_malformed_sources_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_sources(written(tmp_path / "s.csv", text))


def test_an_excluded_line_with_more_than_two_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x.csv:1: expected 'video,timestamp', not 3 columns"):
        read_excluded(written(tmp_path / "x.csv", "a,1,2"))


def test_proposals_are_the_same_in_all_three_formats(tmp_path: Path) -> None:
    (tmp_path / "p.pkl").write_bytes(pickle.dumps({"a,0902": BOXES, "b,c,0903": BOXES[:1]}))
    np.savez(tmp_path / "p.npz", **{"a,0902": BOXES, "b,c,0903": BOXES[:1]})
    lines = [f"a,0902,{','.join(map(str, box))}" for box in BOXES.tolist()]
    written(tmp_path / "p.csv", "\n".join([*lines, '"b,c",903,0.25,0.5,0.75,1,0.5']))
    for suffix in ("pkl", "npz", "csv"):
        proposals = read_proposals(tmp_path / f"p.{suffix}")
        assert list(proposals) == [("a", 902), ("b,c", 903)]
        np.testing.assert_array_equal(proposals["a", 902], BOXES)
        assert proposals["a", 902].dtype == np.float32


@pytest.mark.parametrize("protocol", range(2, 6))
def test_published_pickles_of_any_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "p.pkl"
    path.write_bytes(pickle.dumps({"a,0902": BOXES[:, :4], "b,1": np.empty((0, 5))}, protocol))
    proposals = read_proposals(path)
    np.testing.assert_array_equal(proposals["a", 902][:, 4], [1, 1])  # where there is no score
    assert proposals["b", 1].shape == (0, 5)


class _Hostile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_that_would_execute_is_refused_and_nothing_is_run(
    nested: bool, tmp_path: Path
) -> None:
    trace, path = tmp_path / "trace", tmp_path / "p.pkl"
    hostile = _Hostile(trace)
    path.write_bytes(pickle.dumps({"a,0902": hostile} if nested else hostile))
    with pytest.raises(DataError, match="refused.*mkdir|refused.*no array of numbers"):
        read_proposals(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())  # the file is as dangerous as it should be
    assert trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a0902": BOXES}, "'a0902' names no video and timestamp"),
        ({"a,x": BOXES}, "'a,x' names no video and timestamp"),
        ({1: BOXES}, "1 names no video and timestamp"),
        ({"a,1": BOXES[:, :3]}, r"'a,1' is an array of shape \(2, 3\)"),
        ({"a,1": BOXES * np.nan}, "or not finite"),
        ({"a,1": np.full((1, 5), 1e300)}, "or not finite"),
        ({"a,1": "boxes"}, "'a,1' is refused, it is no array of numbers"),
        ([BOXES], r"was refused: it holds \[array"),
    ],
)
def test_pickles_of_something_else_are_refused(
    content: object, message: str, tmp_path: Path
) -> None:
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        read_proposals(tmp_path / "p.pkl")


def test_damaged_proposals_are_one_sentence(tmp_path: Path) -> None:
    for name in ("p.pkl", "p.npz"):
        (tmp_path / name).write_bytes(b"\x80\x04broken")
        with pytest.raises(DataError, match="damaged or refused proposals file"):
            read_proposals(tmp_path / name)
    with pytest.raises(DataError, match="no proposals file"):
        read_proposals(tmp_path / "missing.pkl")
    with pytest.raises(DataError, match=r"p.csv:1, column 7 \(score\): expected a number"):
        read_proposals(written(tmp_path / "p.csv", "a,1,0,0,1,1,high"))
