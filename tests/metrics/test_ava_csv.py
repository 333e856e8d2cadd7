from pathlib import Path

import pytest

from praxiscope.errors import DataError
from praxiscope.metrics.ava_csv import (
    frame_key,
    read_boxes,
    read_excluded,
    read_truth,
)

ROW = "clip,0902,0.1,0.2,0.3,0.4,12,0.5"


def written(folder: Path, text: str) -> Path:
    path = folder / "file.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_with_and_without_a_score(tmp_path: Path) -> None:
    text = f"\ufeff{ROW}\r\n\r\nclip,903.0,0,0,1,1,3\n"
    found = read_boxes(written(tmp_path, text))
    assert found.frames == ["clip,0902", "clip,0903"]
    assert found.boxes.tolist() == [[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]]
    assert (found.classes.tolist(), found.scores.tolist()) == ([12, 3], [0.5, 1.0])


def test_frames_without_people_and_empty_files_have_no_boxes(tmp_path: Path) -> None:
    assert len(read_boxes(written(tmp_path, "clip,0902,,,,,,\nclip,0903\n"))) == 0
    assert read_boxes(written(tmp_path, "")).boxes.shape == (0, 4)


def test_ground_truth_may_have_persons_without_a_class_and_persons_of_any_name(
    tmp_path: Path,
) -> None:
    text = f"{ROW[:-4]},anna\nclip,0902,0,0,1,1,,7\nclip,0902,0,0,1,1\nclip,0903,0,0,1,1,3.0,\n"
    found = read_truth(written(tmp_path, text))
    assert (found.frames, found.classes.tolist()) == (["clip,0902", "clip,0903"], [12, 3])
    assert found.scores.tolist() == [1, 1]
    with pytest.raises(DataError, match=r"line 1, column 8 \(score\): expected a number"):
        read_boxes(written(tmp_path, text))
    with pytest.raises(DataError, match=r"line 1, column 7 \(class\).*found 'x'"):
        read_truth(written(tmp_path, "clip,0902,0,0,1,1,x,anna\n"))


def test_a_header_and_blanks_around_a_name_are_passed_over(tmp_path: Path) -> None:
    header = "video_id,middle_frame_timestamp,x1,y1,x2,y2,action_id,score\n"
    assert read_boxes(written(tmp_path, f"{header} {ROW}\n")).frames == ["clip,0902"]
    assert len(read_boxes(written(tmp_path, f"video,{ROW.partition(',')[2]}\n"))) == 1
    with pytest.raises(DataError, match="line 2, column 2"):
        read_boxes(written(tmp_path, f"{ROW}\n{header}"))


def test_seconds_are_compared_as_numbers() -> None:
    assert frame_key("a", "0902") == frame_key("a", "902") == frame_key("a", 902) == "a,0902"
    assert frame_key("a", "902.5") == "a,902.5"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("clip,x,0.1,0.2,0.3,0.4,12,0.5", r"column 2 \(second\): expected seconds, but found 'x'"),
        ("clip,-1,0.1,0.2,0.3,0.4,12,0.5", r"column 2 \(second\)"),
        (",0902,0.1,0.2,0.3,0.4,12,0.5", r"column 1 \(video\): expected a video's name"),
        ("clip,0902,0.1,0.2,O.3,0.4,12,0.5", r"column 5 \(x2\): expected a number.*'O\.3'"),
        ("clip,0902,0.1,nan,0.3,0.4,12,0.5", r"column 4 \(y1\): expected a number.*'nan'"),
        ("clip,0902,0.1,0.2,0.3,0.4,1.5,0.5", r"column 7 \(class\): expected a class number"),
        ("clip,0902,0.1,0.2,0.3,0.4,-1,0.5", r"column 7 \(class\)"),
        ("clip,0902,0.1,0.2,0.3,0.4,12,", r"column 8 \(score\).*found ''"),
        ("clip,0902,0.1,0.2,0.3,0.4", "there are 6 columns"),
        ("clip,0902,0.1,0.2,0.3,0.4,12,0.5,7", "there are 9 columns"),
        ("clip", "there are 1 columns"),
        ("clip,0902,1e308,1e308,0.3,0.4,12,0.5", "the numbers are too large"),
    ],
)
def test_a_wrong_row_is_named_with_its_line_and_column(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(DataError, match=rf"file\.csv, line 2.*{message}"):
        read_boxes(written(tmp_path, f"{ROW}\n{row}\n{ROW}\n"))


def test_files_that_are_no_csv_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_boxes(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no csv file in UTF-8"):
        read_boxes(tmp_path / "x.csv")


def test_excluded_frames_are_keys(tmp_path: Path) -> None:
    assert read_excluded(written(tmp_path, "a,0902\n\nb,903\n")) == {"a,0902", "b,0903"}
    assert read_excluded(written(tmp_path, "")) == set()
    with pytest.raises(DataError, match=r"line 2: expected video,second .* found 'b,903,1'"):
        read_excluded(written(tmp_path, "a,0902\nb,903,1\n"))
