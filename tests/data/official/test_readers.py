"""Official annotation files: what they say, and what is said about broken ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from praxiscope.data.official import gym, reading
from praxiscope.data.official.gym import Element, read_elements, read_gym99
from praxiscope.data.official.hmdb51 import read_hmdb51
from praxiscope.data.official.kinetics import csv_names, read_kinetics
from praxiscope.data.official.reading import Listed, Subset
from praxiscope.data.official.twentybn import read_jester, read_twentybn
from praxiscope.data.official.ucf101 import read_ucf101
from praxiscope.errors import DataError
from tests.data.official import files

HEAD = "label,youtube_id,time_start,time_end,split"
ROW = "archery,abcdefghijk,5,15,train"


def test_kinetics_numbers_classes_in_the_order_of_the_published_lists(tmp_path: Path) -> None:
    # As in the published label map of Kinetics-600: capitals before small letters, blanks before
    # letters.
    names = [
        "passing American football (in game)",
        "passing american football (not in game)",
        "passing soccer ball",
        "water skiing",
        "watering plants",
    ]
    rows = [f'"{name}",abcdefghij{i},{i}.0,{i + 10},train,0' for i, name in enumerate(names)]
    files.put(tmp_path / "train.csv", f"\ufeff{HEAD},is_cc", *reversed(rows), end="\r\n")
    subset = read_kinetics(tmp_path, "train", 5)
    assert subset.classes == tuple(names)
    assert [video.label for video in subset.videos] == [4, 3, 2, 1, 0]
    assert subset.videos[-1] == Listed(
        f"{tmp_path / 'train.csv'}:6",
        "passing_American_football_(in_game)/abcdefghij0_000000_000010",
        0,
        (
            "passing American football (in game)/abcdefghij0_000000_000010",
            "abcdefghij0_000000_000010",
        ),
    )


def test_a_kinetics_file_is_found_under_the_names_it_is_given(tmp_path: Path) -> None:
    for name in ("validate.csv", "kinetics_val.csv", "kinetics700_val.csv", "kinetics-700_val.csv"):
        assert name in csv_names("val", 700)
    files.put(tmp_path / "kinetics_train.csv", HEAD, ROW)
    assert read_kinetics(tmp_path, "train", 1).classes == ("archery",)
    with pytest.raises(DataError, match=r"There is no val list .*val.csv \(or validate.csv"):
        read_kinetics(tmp_path, "val", 1)


def test_elements_of_gym_have_times_of_the_whole_video(tmp_path: Path) -> None:
    # the example of the FineGym site
    stages = [[0.04, 3.2], [3.2, 4.49], [4.49, 6.57]]
    segments = {"A_0000_0006": {"stages": 3, "timestamps": stages}}
    event = {"event": 1, "segments": segments, "timestamps": [[2681.88, 2688.48]]}
    none = {"event": 1, "segments": None, "timestamps": [[1781.76, 1789.16]]}
    events = {"E_002681_002688": event, "E_001781_001789": none}
    path = files.put(tmp_path / "info.json", json.dumps({"0LtLS9wROrk": events}))
    (element,) = read_elements(path)
    name = "0LtLS9wROrk_E_002681_002688_A_0000_0006"
    assert element == Element(name, "0LtLS9wROrk", 2681.88 + 0.04, 2681.88 + 6.57)


def test_gym_needs_neither_the_names_of_classes_nor_times(tmp_path: Path) -> None:
    files.put(tmp_path / "gym99_val_element.txt", f"{files.EVENT}_A_0035_0036 93")
    videos, classes = read_gym99(tmp_path, "val")
    assert [(video.name, video.label) for video in videos] == [(f"{files.EVENT}_A_0035_0036", 93)]
    assert classes == ()


def test_hmdb51_is_read_from_the_folder_that_its_archive_unpacks_to(tmp_path: Path) -> None:
    files.hmdb51(tmp_path)
    (tmp_path / "annotations").rename(tmp_path / "testTrainMulti_7030_splits")
    train, val = (read_hmdb51(tmp_path, split, 2) for split in ("train", "val"))
    assert [video.name for video in train.videos[:2]] == [
        "class_00/class_0_2#a (b)",
        "class_01/class_1_2#a (b)",
    ]
    assert [video.label for video in val.videos] == list(range(51))


def test_ucf101_numbers_classes_as_its_index_does(tmp_path: Path) -> None:
    files.ucf101(tmp_path)
    train = read_ucf101(tmp_path / "annotations", "train", 2)
    assert train.classes == tuple(files.UCF)
    names = [f"Class003/v_Class003_g02_c0{n}" for n in (0, 1)]
    assert [(video.name, video.label) for video in train.videos] == [(name, 1) for name in names]


ELEMENT = f"{files.EVENT}_A_0035_0036"


def kinetics(folder: Path) -> Subset:
    return read_kinetics(folder, "train", 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW], "train.csv: expected the columns label,youtube_id,time_start,time_end,split"),
        ([], "train.csv: expected the columns"),
        ([HEAD], "train.csv names 0 classes, not 1"),
        ([HEAD, "archery,abcdefghijk,5,15"], "train.csv:2: has 4 fields, the head 5"),
        ([HEAD, "", f"{ROW},0"], "train.csv:3: has 6 fields, the head 5"),
        ([HEAD, ROW, ROW], r"train.csv:3: 'archery/.*' is named a second time, first in .*csv:2"),
        ([HEAD, ROW.replace("train", "test")], "train.csv:2: the split 'test' is not train"),
        ([HEAD, ROW.replace("archery", "../../x")], "train.csv:2: '../../x' cannot be the name"),
        ([HEAD, ROW.replace("archery", "..")], r"train.csv:2: '\.\.' cannot be the name"),
        ([HEAD, ROW.replace("archery", "a\x00b")], "train.csv:2: has control characters"),
        ([HEAD, ROW.replace("archery", "a\rb")], "train.csv:2: has control characters"),
        ([HEAD, ROW.replace("archery", "a\u2028b")], "train.csv:2: .* cannot be the name"),
        ([HEAD, ROW.replace("archery", "")], "train.csv:2: '' cannot be the name"),
        ([HEAD, ROW.replace("archery", "é" * 200)], "train.csv:2: 'é+' cannot be the name"),
        ([HEAD, ROW.replace("abc", "../")], "train.csv:2: '../defghijk' is no YouTube id"),
        ([HEAD, ROW.replace("abcdefghijk", "#NAME?")], "train.csv:2: '#NAME\\?' is no YouTube id"),
        ([HEAD, ROW.replace(",5,", ",x,")], "train.csv:2: 'x' is no time in seconds"),
        ([HEAD, ROW.replace(",5,", ",nan,")], "train.csv:2: 'nan' is no time"),
        ([HEAD, ROW.replace(",5,", ",-5,")], "train.csv:2: '-5' is no time"),
        ([HEAD, ROW.replace(",15,", ",1e300,")], "train.csv:2: '1e300' is no time"),
        ([HEAD, ROW.replace(",5,", ",15,")], "train.csv:2: second 15 is not before 15"),
        ([HEAD, f'"{ROW}'], "train.csv:2: is no row of comma-separated fields"),
        ([HEAD, ROW.replace("archery", "a" * 2**17)], "train.csv:2: longer than 65536 bytes"),
        ([HEAD, ROW, ROW.replace("archery", "judo")], "names 2 classes, not 1: labels would be"),
    ],
)
def test_a_broken_kinetics_file_is_told_with_its_line(
    rows: list[str], message: str, tmp_path: Path
) -> None:
    files.put(tmp_path / "train.csv", *rows)
    with pytest.raises(DataError, match=message):
        kinetics(tmp_path)


def test_a_text_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(f"{HEAD}\n{ROW}\n".encode() + b"jud\xff,b,1,2,train\n")
    with pytest.raises(DataError, match=r"train\.csv:3: is no UTF-8 text"):
        kinetics(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{ELEMENT} 99", "element.txt:1: label 99 is outside 0 .. 98"),
        (f"{ELEMENT} -1", "element.txt:1: expected '<video>_E_"),
        (ELEMENT, "element.txt:1: expected '<video>_E_"),
        (f"../../../{ELEMENT} 1", "element.txt:1: expected '<video>_E_"),
        (f"{ELEMENT} 1\n{ELEMENT} 2", "element.txt:2: '.*' is named a second time"),
        ("", "element.txt names no videos"),
    ],
)
def test_a_broken_list_of_gym_is_told_with_its_line(
    line: str, message: str, tmp_path: Path
) -> None:
    files.put(tmp_path / "gym99_val_element.txt", line)
    with pytest.raises(DataError, match=message):
        read_gym99(tmp_path, "val")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a JSON object"),
        ({"v": []}, "video v: expected a JSON object"),
        ({"v": {"e": {}}}, 'v_e: expected "timestamps"'),
        ({"v": {"e": {"timestamps": [[1, "2"]]}}}, 'v_e: expected "timestamps"'),
        ({"v": {"e": {"timestamps": [[1, 1e999]]}}}, 'v_e: expected "timestamps"'),
        ({"v": {"e": {"timestamps": [[]]}}}, 'v_e: expected "timestamps"'),
        ({"v": {"e": {"timestamps": [[1, 2]], "segments": [1]}}}, "v_e: expected a JSON object"),
        (
            {"v": {"e": {"timestamps": [[1, 2]], "segments": {"../a": {"timestamps": [[1, 2]]}}}}},
            "'v_e_../a' is no name of an element",
        ),
    ],
)
def test_broken_times_of_gym_are_told_with_their_place(
    value: object, message: str, tmp_path: Path
) -> None:
    path = files.put(tmp_path / "info.json", json.dumps(value))
    with pytest.raises(DataError, match=message):
        list(read_elements(path))


def test_times_of_gym_that_are_no_json_or_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.put(tmp_path / "info.json", "[" * 10**5)
    with pytest.raises(DataError, match="is no JSON"):
        list(read_elements(path))
    monkeypatch.setattr(gym, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="has more than 10 bytes"):
        list(read_elements(path))


def test_broken_categories_of_gym_are_told_with_their_line(tmp_path: Path) -> None:
    lines = ["Clabel: 0; set: 1; Glabel: 1; a", "Clabel: 2; set: 1; Glabel: 3; b"]
    with pytest.raises(DataError, match="categories.txt:2: expected 'Clabel: 1;"):
        gym.read_categories(files.put(tmp_path / "categories.txt", *lines))
    with pytest.raises(DataError, match="categories.txt names 1 classes, not 99"):
        gym.read_categories(files.put(tmp_path / "categories.txt", lines[0]))


@pytest.mark.parametrize(
    ("labels", "line", "message"),
    [
        (["a"], "1;a", "labels.csv names 1 classes, not 2"),
        (["a", "a"], "1;a", "labels.csv:2: the class 'a' is named a second time"),
        (["a", "b c"], "1;b", "train.csv:1: there is no class 'b'"),
        (["a", "b"], "1", "train.csv:1: expected 'number;class', not '1'"),
        (["a", "b"], "../1;a", "train.csv:1: expected 'number;class'"),
        (["a", "b"], "1;a\n1;b", "train.csv:2: '1' is named a second time, first in .*:1"),
    ],
)
def test_a_broken_file_of_twentybn_is_told_with_its_line(
    labels: list[str], line: str, message: str, tmp_path: Path
) -> None:
    files.put(tmp_path / "x-labels.csv", *labels)
    files.put(tmp_path / "x-train.csv", line)
    with pytest.raises(DataError, match=message):
        read_twentybn(tmp_path, "train", "x", 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.avi", "class_07_test_split1.txt:1: expected 'video.avi 0', 1 or 2, not 'a.avi'"),
        ("a.avi 3", "class_07_test_split1.txt:1: expected 'video.avi 0'"),
        ("../../a.avi 1", "class_07_test_split1.txt:1: '../../a.avi' cannot be the name"),
        ("a.avi 1\na.avi 1", "class_07_test_split1.txt:2: 'class_07/a' is named a second time"),
    ],
)
def test_a_broken_file_of_hmdb51_is_told_with_its_line(
    line: str, message: str, tmp_path: Path
) -> None:
    files.hmdb51(tmp_path)
    files.put(tmp_path / "annotations/class_07_test_split1.txt", line)
    with pytest.raises(DataError, match=message):
        read_hmdb51(tmp_path / "annotations", "train", 1)


def test_hmdb51_without_some_of_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no list .*brush_hair_test_split1.txt"):
        read_hmdb51(tmp_path / "annotations", "train", 1)
    files.hmdb51(tmp_path)
    (tmp_path / "annotations/class_07_test_split1.txt").unlink()
    with pytest.raises(DataError, match=r"\*_test_split1.txt names 50 classes, not 51"):
        read_hmdb51(tmp_path / "annotations", "train", 1)


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("classInd.txt", "2 Class003", "classInd.txt:1: expected '1' and another class"),
        ("classInd.txt", "1 ../x", "classInd.txt:1: '../x' cannot be the name"),
        ("classInd.txt", "1 Archery", "classInd.txt names 1 classes, not 101"),
        ("trainlist01.txt", "Class003/a.avi 3", "01.txt:1: class '3' is not 2, the number of"),
        ("trainlist01.txt", "Class03/a.avi 2", "01.txt:1: there is no class 'Class03'. Did you"),
        ("trainlist01.txt", "a.avi 2", "01.txt:1: expected 'class/video.avi', not 'a.avi 2'"),
        ("trainlist01.txt", "Class003/../a.avi 2", "01.txt:1: '../a.avi' cannot be the name"),
        ("trainlist01.txt", "Class003/a.avi\nClass003/a.avi", "01.txt:2: .* a second time"),
    ],
)
def test_a_broken_file_of_ucf101_is_told_with_its_line(
    file: str, line: str, message: str, tmp_path: Path
) -> None:
    files.ucf101(tmp_path)
    folder = tmp_path / "annotations/ucfTrainTestlist"
    files.put(folder / file, line)
    with pytest.raises(DataError, match=message):
        read_ucf101(folder, "train", 1)


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    files.put(tmp_path / "jester-v1-label.csv", "a")
    message = r"There is no file of classes .*jester-v1-labels.csv\. Did you mean 'jester-v1-label"
    with pytest.raises(DataError, match=message):
        read_jester(tmp_path, "train")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(reading.read_lines(tmp_path))


READERS: dict[str, Callable[[Path], Subset]] = {
    "kinetics/annotations/train.csv": lambda folder: read_kinetics(folder, "train", 400),
    "gym/annotations/gym99_train_element_v1.0.txt": lambda folder: read_gym99(folder, "train"),
    "gym/annotations/gym99_categories.txt": lambda folder: read_gym99(folder, "val"),
    "gym/annotations/finegym_annotation_info_v1.0.json": lambda folder: read_gym99(folder, "val"),
    "jester/annotations/jester-v1-train.csv": lambda folder: read_jester(folder, "train"),
    "jester/annotations/jester-v1-labels.csv": lambda folder: read_jester(folder, "train"),
    "hmdb/annotations/class_05_test_split1.txt": lambda folder: read_hmdb51(folder, "train", 1),
    "ucf/annotations/trainlist01.txt": lambda folder: read_ucf101(folder, "train", 1),
    "ucf/annotations/classInd.txt": lambda folder: read_ucf101(folder, "train", 1),
}


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("official")
    files.kinetics(root / "kinetics", 400)
    files.gym99(root / "gym")
    files.twentybn(root / "jester", "jester-v1", 27)
    files.hmdb51(root / "hmdb")
    files.ucf101(root / "ucf")
    folder = root / "ucf/annotations"
    for path in (folder / "ucfTrainTestlist").iterdir():
        path.rename(folder / path.name)
    return root


@pytest.mark.parametrize("file", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1), cut=st.integers(0, 9), data=st.binary(max_size=12))
def test_whatever_bytes_a_file_has_it_gives_safe_names_or_an_error_of_one_sentence(
    file: str, place: float, cut: int, data: bytes, official: Path
) -> None:
    path = official / file
    right = path.read_bytes()
    at = int(place * len(right))
    path.write_bytes(right[:at] + data + right[at + cut :])
    subset, said = Subset((), ()), ""
    try:
        subset = READERS[file](path.parent)
    except DataError as error:
        said = str(error)
    finally:
        path.write_bytes(right)
    assert not said or (str(path.parent) in said and "\n" not in said)
    for video in subset.videos:
        for name in (video.name, *video.elsewhere):
            assert re.fullmatch(r"([^/.][^/]*/)?[^/.][^/]*", name)
            assert name.isprintable() and "\\" not in name and name == name.strip()
    assert not any("\n" in name or "\r" in name for name in subset.classes)


def test_the_unchanged_files_of_that_test_are_read(official: Path) -> None:
    assert all(read((official / file).parent).videos for file, read in READERS.items())
