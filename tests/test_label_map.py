"""Label maps in both published forms, and what is said of those in neither."""

from pathlib import Path

import pytest

from praxiscope.errors import DataError
from praxiscope.label_map import read_label_map


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_label_maps_of_both_forms_are_read_and_keep_their_gaps(tmp_path: Path) -> None:
    text = 'item {\n  name: "sit"\n  id: 11\n}\nitem { name: "bend/bow (at the waist)" id: 1 }\n'
    assert read_label_map(written(tmp_path / "a.pbtxt", text)) == {
        1: "bend/bow (at the waist)",
        11: "sit",
    }
    text = "# AVA\nlabel {\n name: 'sit'\n label_id: 11\n label_type: PERSON_MOVEMENT\n}"
    assert read_label_map(written(tmp_path / "b.pbtxt", text)) == {11: "sit"}
    text = "item { id: 1 name: 'bend/bow (at the waist)' } item { id: 80 name: '{}' }"
    assert read_label_map(str(written(tmp_path / "c.pbtxt", text))) == {
        1: "bend/bow (at the waist)",
        80: "{}",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no entries"),
        ('item { name: "sit"', "last entry is not closed"),
        ('item { name: "sit" }', "l.pbtxt:1: the entry that ends here needs a name and a whole id"),
        ("item { id: 1 }", "needs a name and a whole id"),
        ('item { name: "a" id: -1 }', "needs a name and a whole id"),
        ('item { name: "a" id: 1 }\nitem { name: "b" id: 1 }', "l.pbtxt:2: id 1 is already 'a'"),
        ('item { name: "a" id: 1 }\nitem { name: "a" id: 2 }', "l.pbtxt:2: 'a' stands there a sec"),
        ("item { item { } }", "l.pbtxt:1: expected 'item"),
        ("}", "l.pbtxt:1: expected 'item"),
        ("id: 1", "'id' stands outside"),
        ("\n\nsit 11", "l.pbtxt:3: expected 'item"),
    ],
)
def test_malformed_label_maps_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_label_map(written(tmp_path / "l.pbtxt", text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a" * 10**6, "a" + " " * 10**6, "item { a: 1 " + "b: 1 " * 10**5])
def test_a_hostile_label_map_is_refused_in_linear_time(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="l.pbtxt"):
        read_label_map(written(tmp_path / "l.pbtxt", text))


def test_what_cannot_be_read_is_no_label_map(tmp_path: Path) -> None:
    written(tmp_path / "ava_v2.2.pbtxt", "")
    with pytest.raises(DataError, match=r"no label map .*Did you mean 'ava_v2.2.pbtxt'"):
        read_label_map(tmp_path / "ava_v2.1.pbtxt")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_label_map(tmp_path)
    (tmp_path / "x.pbtxt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no text in UTF-8"):
        read_label_map(tmp_path / "x.pbtxt")
