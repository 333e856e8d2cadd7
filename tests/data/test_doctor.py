"""What is found in annotations that are wrong, each mistake planted by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.doctor.compare import compare
from praxiscope.data.doctor.examine import Examined, examine
from praxiscope.data.doctor.findings import Finding
from praxiscope.data.doctor.rows import read_rows
from praxiscope.errors import DataError
from tests.data.tiny_ava import LINES, write_tiny_ava

BOX = "0.2,0.2,0.6,0.8"


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    return write_tiny_ava(tmp_path)


def wrong(one: Examined) -> Mapping[str, Finding]:
    """Return the findings that are not in order, by what they are about."""
    return {finding.what: finding for finding in one.findings if finding.severity != "ok"}


def only(one: Examined) -> Finding:
    """Return the one finding that is not in order."""
    (finding,) = wrong(one).values()
    return finding


def test_a_dataset_in_order_has_only_findings_that_say_so(ava: AvaList) -> None:
    findings = examine(ava).findings
    assert len(findings) > 30
    assert {(one.severity, one.count) for one in findings} == {("ok", 0)}
    assert len(read_key_frames(ava)) == 4


@pytest.mark.parametrize(
    ("line", "changes", "severity", "what", "example"),
    [
        ("b,0012,x,0,1,1,1", {}, "error", "malformed lines", "column 3 (x1): expected a number"),
        ("b,0012", {"num_classes": 5}, "warning", "nobody does, of 4", "4"),
        (f"b,0012,{BOX},7", {}, "error", "labels that are no class (1 to 3)", "label 7"),
        (f"b,0012,{BOX},{10**30}", {}, "error", "labels that are no class", "label 46116"),
        ("b,0012,20,30,60,80,1", {}, "error", "boxes in pixels", "box 20, 30, 60, 80"),
        ("b,0012,-0.1,0.2,0.6,0.8,1", {}, "warning", "beyond the frame", "box -0.1, 0.2"),
        ("b,0012,-9,0.2,0.6,0.8,1", {}, "error", "boxes in pixels", "box -9, 0.2"),
        ("b,0012,0.6,0.2,0.2,0.8,1", {}, "error", "end before they begin", "box 0.6, 0.2"),
        ("b,0012,0.2,0.2,0.2,0.8,1", {}, "warning", "without an area", "box 0.2, 0.2, 0.2"),
        ("b,0012,0.2,0.2,0.205,0.8,1", {}, "warning", "narrower or lower than 1%", "0.205"),
        (f"b,013,{BOX},2,4", {}, "warning", "repeat a box and its label", "label 2"),
        (f"b,0013,{BOX},1,4", {"multi_label": False}, "error", "persons with several", "label 1"),
    ],
)
def test_a_planted_line_is_found_with_its_number(
    ava: AvaList, line: str, changes: dict[str, Any], severity: str, what: str, example: str
) -> None:
    if changes.get("multi_label") is False:
        ava.annotations.write_text(LINES.replace("a,0011,0.1,0.2,0.3,0.4,2", "a,0010,0,0,1,1,2"))
    with ava.annotations.open("a") as file:
        file.write(line + "\n")
    spoilt = replace(ava, **changes)
    found = [one for one in wrong(examine(spoilt)).values() if what in one.what]
    assert [(one.severity, one.count) for one in found] == [(severity, 1)]
    assert example in found[0].example
    assert found[0].example.startswith(f"{ava.annotations}:6") or "nobody" in what
    assert found[0].advice
    if severity == "error":  # what is called an error does stop training
        with pytest.raises(DataError):
            read_key_frames(spoilt)
    else:
        read_key_frames(spoilt)


def test_it_does_not_stop_at_the_first_mistake(ava: AvaList) -> None:
    lines = [f"c,99,{BOX},9", "b,12,x,y", 'b,12,"0.2,0.2', f"b,0012,{BOX},0", "b,11,9,0.1,0.2,0,1"]
    ava.annotations.write_text("\n".join(lines) + "\n" + LINES)
    found = wrong(examine(ava))
    assert found["malformed lines"].count == 2  # a quotation mark takes no other line with it
    assert found["malformed lines"].example.startswith(f"{ava.annotations}:2: expected")
    errors = [what for what, one in found.items() if one.severity == "error"]
    for what in ("begin elsewhere", "no class", "in pixels", "end before", "whose time", "on disk"):
        assert any(what in error for error in errors), what


@pytest.mark.parametrize(
    ("labels", "changes", "severity", "advice"),
    [
        ((0, 1, 2), {}, "error", "Set label_base=0."),
        ((0, 1, 3), {}, "error", "Set label_base=0 and num_classes=5, or leave"),
        ((1, 2, 3), {"label_base": 0, "label_map": None}, "error", "Set label_base=1."),
        ((1, 2, 2), {"label_base": 0, "label_map": None}, "warning", "Set label_base=1, unless"),
    ],
)
def test_labels_that_begin_elsewhere_are_told_with_the_base_to_set(
    ava: AvaList, labels: tuple[int, ...], changes: dict[str, Any], severity: str, advice: str
) -> None:
    lines = [line.split(",") for line in LINES.splitlines()]
    for fields in lines:
        fields[6] = str(labels[int(fields[6]) - 1])
    ava.annotations.write_text("".join(",".join(fields) + "\n" for fields in lines))
    found = wrong(examine(replace(ava, **changes)))
    (finding,) = (one for what, one in found.items() if what.startswith("labels that begin"))
    assert finding.severity == severity
    assert finding.advice.partition("Set")[2] in finding.advice
    assert advice in finding.advice
    assert finding.example.startswith(f"{ava.annotations}:1: label")


def test_times_outside_the_videos_and_within_seconds_are_told(ava: AvaList) -> None:
    with ava.annotations.open("a") as file:
        file.write(f"b,0009,{BOX},1\nb,0015,{BOX},1\nb,12.5,{BOX},1\n")
    found = wrong(examine(ava))
    outside = found["lines whose time the list's videos do not have"]
    assert (outside.severity, outside.count) == ("error", 2)
    assert outside.example == f"{ava.annotations}:6: b at 9 s, not in 10 to 15"
    part = found["lines whose time is no whole second"]
    assert (part.severity, part.count) == ("warning", 1)
    assert part.example == f"{ava.annotations}:8: b at 12.5 s"


def test_label_maps_are_compared_with_the_classes(ava: AvaList) -> None:
    assert ava.label_map is not None
    ava.label_map.write_text('item { name: "sit" id: 1 } item { name: "fly" id: 4 }')
    found = wrong(examine(ava))
    assert found["ids of the label map that are no class"].example.endswith("id 4 ('fly')")
    assert found["ids of the label map that are no class"].severity == "error"
    assert found["classes that the label map does not name"].example.endswith(": 2, 3")
    nameless = found["lines whose class the label map does not name"]
    assert (nameless.severity, nameless.count) == ("warning", 3)
    assert nameless.example == f"{ava.annotations}:2: label 2"
    ava.label_map.write_text("sit 1")
    found = wrong(examine(ava))
    assert list(found) == ["label maps that cannot be read"]
    assert found["label maps that cannot be read"].severity == "error"


def test_of_some_classes_only_those_count(ava: AvaList) -> None:
    part = replace(ava, classes=(3, 1), num_classes=3)
    assert wrong(examine(part)) == {}
    found = wrong(examine(replace(part, classes=(3, 8))))
    assert found["classes that nobody does, of 2"].example == "8"
    assert found["classes of the list that the label map does not name"].severity == "error"


def test_exclusions_that_leave_nothing_or_name_nobody_are_told(ava: AvaList) -> None:
    assert ava.excluded is not None
    ava.excluded.write_text("a,0011\na,0012\nb,11\nb,13.0\nd,0011\n?\n")
    found = wrong(examine(ava))
    assert found["lists of which everything is excluded"].severity == "error"
    strange = found["excluded moments of videos without annotations"]
    assert (strange.count, strange.example) == (1, f"{ava.excluded}:5: d at 11 s")
    assert found["malformed lines of excluded timestamps"].example.startswith(f"{ava.excluded}:6:")


@pytest.mark.parametrize(
    "text", ["", "\n", "video,timestamp,x1,y1,x2,y2,label,person\n", "b,0012\n"]
)
def test_an_empty_file_is_one_error(ava: AvaList, text: str) -> None:
    ava.annotations.write_text(text)
    assert only(examine(ava)).what == "annotation files that name no person"


def test_files_that_are_missing_are_findings_too(ava: AvaList, tmp_path: Path) -> None:
    no = tmp_path / "no.csv"
    assert only(examine(replace(ava, annotations=no))).example.startswith("There is no file of")
    for field in ("excluded", "label_map", "proposals"):
        finding = only(examine(replace(ava, **{field: no})))
        assert (finding.severity, finding.count) == ("error", 1)
        assert str(no) in finding.example


def test_a_csv_of_sources_must_name_all_videos(ava: AvaList, tmp_path: Path) -> None:
    sources = tmp_path / "sources.csv"
    sources.write_text("a,a,4,10\nb,b,4,10\n")
    listed = replace(ava, sources=sources)
    assert wrong(examine(listed)) == {}
    sources.write_text("a,a,4,10\na,a,4,10\nB,b,4,10\n")
    found = wrong(examine(listed))
    assert found["videos that the sources do not name"].example == f"{ava.annotations}:4: b"
    assert "second time" in found["malformed lines of video sources"].example


NAMES = st.sampled_from(["a", "b", ".", "/", "..", "é", "\0", "x" * 300, '"', "", "[b]"])
NUMBERS = st.sampled_from(
    ["0011", "0012", "12.5", "0", "1", "2", "0.2", "0.7", "-1", "1e308", "-1e308", "9" * 30, "nan"]
)
LINES_OF_ANY_KIND = st.lists(
    st.tuples(NAMES, *[NUMBERS] * 6) | st.lists(NAMES | NUMBERS, max_size=9), max_size=8
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=LINES_OF_ANY_KIND)
def test_whatever_an_annotation_file_holds_is_a_finding(
    ava: AvaList, lines: list[Sequence[str]]
) -> None:
    ava.annotations.write_text("\n".join(",".join(line) for line in lines))
    one = examine(ava, num_videos=2)
    assert compare({"train": one, "val": one})
    errors = [finding for finding in one.findings if finding.severity == "error"]
    try:
        read_key_frames(ava)
    except DataError:
        assert errors  # whatever stops training is one


def test_lists_are_compared_with_the_training_list(ava: AvaList, tmp_path: Path) -> None:
    val = write_tiny_ava(tmp_path / "val", "c,0011,0.1,0.2,0.3,0.4,1,1\n", "c")
    val = replace(val, root=ava.root)
    lists = {"train": examine(ava), "val": examine(val)}
    found = {one.what: one for one in compare(lists)}
    assert found["videos in both train and val"].severity == "ok"
    assert found["classes in val that train does not have"].severity == "ok"
    assert found["classes in train that val does not have"].count == 2
    assert found["classes in train that val does not have"].example == "label 2"
    val.annotations.write_text(LINES.replace("b,", "c,"))
    ava.annotations.write_text("a,0011,0.1,0.2,0.3,0.4,1,1\n")
    found = {one.what: one for one in compare({"train": examine(ava), "val": examine(val)})}
    shared = found["videos in both train and val"]
    assert (shared.severity, shared.example) == ("warning", str(ava.root / "a"))
    assert found["classes in val that train does not have"].count == 2
    ava.annotations.write_text("a,0011,0.1,0.2,0.3,0.4,1,1\n")
    val.annotations.write_text("a,0011,0.1,0.2,0.3,0.4,2,1\n")
    found = {one.what: one for one in compare({"train": examine(ava), "val": examine(val)})}
    assert found["classes in val that train does not have"].severity == "error"
    assert found["videos on disk but not in annotations"].example == str(ava.root / "b")


def test_of_a_file_of_another_form_one_line_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("name,900.0,x,y\n" * 1000)
    rows, malformed = read_rows(file)
    assert len(rows) == 0 and malformed.count == 1000
    assert malformed.first.startswith(f"{file}:1")
