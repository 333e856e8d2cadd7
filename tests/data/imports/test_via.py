"""VIA 3 projects and the csv of VIA 2, and what is neither."""

import json
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.imports.tracks import Found, Left, Segment, Track
from praxiscope.data.imports.via import read_via
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import DataError
from tests.data.imports.exports import FPS, HEIGHT, WIDTH, via, via_2


def read(
    folder: Path, content: Any, person_from: str | None = None, name: str = "via.json"
) -> list[Found]:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    videos = Videos(None, fps=FPS, size=(WIDTH, HEIGHT))
    return list(read_via(file, videos, person_from=person_from, max_gap=1))


def test_without_an_attribute_that_tells_persons_apart_every_box_is_a_person(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, via())
    assert all(isinstance(one, Track) and len(one.states) == 1 for one in found)
    assert [one.person for one in found if isinstance(one, Track)] == list(range(7))


def test_persons_are_followed_over_gaps_that_are_short_enough(tmp_path: Path) -> None:
    found = [one for one in read(tmp_path, via(), "who") if isinstance(one, Track)]
    assert [(one.person, one.first, one.last) for one in found] == [
        (0, 0, 30),
        (1, 0, 10),
        (1, 30, 30),
    ]
    assert found[0].box(5)[0] * WIDTH == pytest.approx(20)
    assert "who" not in found[0].attributes(0)


def test_names_of_persons_are_numbered_as_they_appear(tmp_path: Path) -> None:
    project = via()
    for one in project["metadata"].values():
        one["av"]["2"] = {"0": "Zoe", "1": "Al"}[one["av"]["2"]]
    found = [one for one in read(tmp_path, project, "who") if isinstance(one, Track)]
    assert {one.person for one in found} == {0, 1}


def test_a_person_without_a_name_is_not_followed(tmp_path: Path) -> None:
    project = via()
    for one in project["metadata"].values():
        one["av"]["2"] = ""
    assert len(read(tmp_path, project, "who")) == 7


def test_parts_of_the_time_line_checkboxes_and_free_text_are_attributes(tmp_path: Path) -> None:
    project = via()
    project["attribute"]["1"] |= {"type": 2}
    project["attribute"]["3"] = {"aname": "scene", "type": 1, "options": {"default": "x"}}
    parts = {"z": [1.0, 2.5], "xy": [], "av": {"3": "a dance", "1": "0,2"}}
    project["metadata"] = {"1_a": {"vid": "1", "flg": 0, **parts}}
    (part,) = read(tmp_path, project)
    assert isinstance(part, Segment)
    assert (part.first, part.end) == (10, 25)
    assert part.attributes == {"scene": ("a dance",), "action": ("walk", "wave")}


def test_other_shapes_are_left_out(tmp_path: Path) -> None:
    project = via()
    project["metadata"] = {"1_a": {"vid": "1", "z": [1], "xy": [3, 5, 5, 2], "av": {}}}
    (left,) = read(tmp_path, project)
    assert isinstance(left, Left)


@pytest.mark.parametrize(
    ("name", "video", "frame"),
    [
        ("one/img_00011.jpg", "one", 10),
        ("one/00011.png", "one", 10),
        ("one_00011.jpg", "one", 10),
        ("one-frame11.jpeg", "one", 10),
        ("day_2_clip.v3_0011.jpg", "day_2_clip.v3", 10),
    ],
)
def test_images_of_via_2_say_video_and_frame(
    tmp_path: Path, name: str, video: str, frame: int
) -> None:
    head, line = via_2().split("\n")[:2]
    text = head + "\n" + line.replace("one/img_00001.jpg", name) + "\n"
    (track,) = read(tmp_path, text, name="via.csv")
    assert isinstance(track, Track)
    assert (track.clip.name, track.first) == (video, frame)


def test_checkboxes_of_via_2_are_several_values(tmp_path: Path) -> None:
    shape = '{""name"":""rect"",""x"":1,""y"":1,""width"":5,""height"":5}'
    said = '{""does"":{""walk"":true,""sit"":false,""talk"":true}}'
    head = via_2().split("\n")[0]
    (track,) = read(tmp_path, f'{head}\na_1.jpg,0,"{{}}",1,0,"{shape}","{said}"\n', name="v.csv")
    assert isinstance(track, Track)
    assert track.attributes(0) == {"does": ("walk", "talk")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": []}, "expected 'metadata' to be an object"),
        ({"_via_img_metadata": {}}, "is a project of VIA 2: export its annotations as csv"),
        ({"view": {}}, "expected view 1 to be an object, not null"),
        ({"file": {"1": {"fname": 3}}}, "metadata 1_0: its file has no name"),
        ({"metadata": {"1_0": {"vid": "1", "z": ["x"], "xy": []}}}, "expected z to be a number"),
        ({"metadata": {"1_0": {"vid": "1", "z": 3}}}, "expected z to be a list"),
        ({"metadata": {"1_0": {"vid": "1", "z": [1], "xy": [2, 1, 1, "q", 1]}}}, "expected xy"),
        ({"metadata": {"1_0": 5}}, "metadata 1_0: expected it to be an object, not 5"),
        ({"attribute": {"1": 5}}, "attribute 1: expected it to be an object, not 5"),
    ],
)
def test_what_is_no_project_is_refused_in_a_sentence(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path, {**via(), **change})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filename,", "name,", ":1: a csv of VIA 2 has the columns filename"),
        ("one/img_00001.jpg", "img.jpg", ":2: 'img.jpg' names no video and frame"),
        ('"{""name', '"{""name""', ":2: the attributes of the region are no JSON"),
        ('""x"": 16.0', '""x"": null', ":2: expected x to be a number"),
    ],
)
def test_a_csv_of_via_2_that_is_none_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = via_2()
    assert old in text
    with pytest.raises(DataError) as raised:
        read(tmp_path, text.replace(old, new, 1), name="via.csv")
    assert message in str(raised.value)
