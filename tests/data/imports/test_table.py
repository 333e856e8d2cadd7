"""A csv in any order of columns."""

from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.imports.table import read_table
from praxiscope.data.imports.tracks import Track
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import DataError, PraxiscopeError
from tests.data.imports.exports import FPS, HEIGHT, WIDTH

HEAD = "video,timestamp,x1,y1,x2,y2,label,person\n"


def read(
    folder: Path, text: str, size: tuple[float, float] | None = None, **options: Any
) -> list[Track]:
    file = folder / "boxes.csv"
    file.write_text(text)
    options = {"columns": {}, "max_gap": 1.0, "first_timestamp": 0.0, **options}
    found = list(read_table(file, Videos(None, fps=FPS, size=size), **options))
    assert all(isinstance(one, Track) for one in found)
    return found  # type: ignore[return-value]


def test_lines_of_one_person_at_one_moment_are_one_person_of_several_labels(
    tmp_path: Path,
) -> None:
    box = "0.1,0.2,0.3,0.4"
    text = f"{HEAD}a,1,{box},run,5\na,1,{box},talk,5\na,1,0.5,0.2,0.6,0.4,,6\na,2,{box},sit,5\n"
    one, other = read(tmp_path, text)
    assert (one.person, one.first, one.last, other.person) == (5, 10, 20, 6)
    assert one.attributes(10)["label"] == ("run", "talk")
    assert one.attributes(20)["label"] == ("sit",)
    assert other.attributes(10)["label"] == ("",)


def test_headers_separators_and_further_columns_are_taken_as_they_come(tmp_path: Path) -> None:
    text = "Mood;frame;h;w;y;x;Class;File\nglad;7;12;16;24;32;run;a.mp4\n"
    columns = {"video": "file", "label": "Class"}
    (track,) = read(tmp_path, text, (WIDTH, HEIGHT), columns=columns)
    assert track.box(7) == (0.5, 0.5, 0.75, 0.75)
    assert (track.clip.name, track.first) == ("a", 7)
    assert track.attributes(7) == {"label": ("run",), "Mood": ("glad",)}


def test_unknown_persons_are_not_followed(tmp_path: Path) -> None:
    lines = "".join(f"a,{time},0.1,0.2,0.3,0.4,run,-1\n" for time in (1, 2))
    assert [one.first for one in read(tmp_path, HEAD + lines)] == [10, 20]


def test_times_may_begin_elsewhere_as_avas_do(tmp_path: Path) -> None:
    text = f"{HEAD}a,902,0.1,0.2,0.3,0.4,run,1\n"
    assert read(tmp_path, text, first_timestamp=900)[0].first == 20
    with pytest.raises(DataError, match="902 lies outside the video, whose first frame is at 950"):
        read(tmp_path, text, first_timestamp=950)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, ":1: no column is the video; name it with --columns video=HEADER. It has no he"),
        ("video,time,x1,y1,x2\n", {}, ":1: no column is the y2"),
        (HEAD, {"columns": {"vido": "a"}}, "there is no field 'vido'. Did you mean 'video'?"),
        (HEAD, {"columns": {"x1": "lab"}}, ":1: there is no column 'lab'. Did you mean 'label'?"),
        (f"{HEAD}a,1,0,0,1\n", {}, ":2: 5 columns; the header has 8"),
        (f"{HEAD}a,1,0,0,1,x,run,1\n", {}, ":2: expected y2 to be a number"),
        (f"{HEAD}a,1,16,0,32,9,run,1\n", {}, ":2: expected the box as shares of the frame; if"),
        (f"{HEAD}a,inf,0,0,1,1,run,1\n", {}, ":2: expected timestamp to be a number"),
        (f"{HEAD},1,0,0,1,1,run,1\n", {}, ":2: '' names no video"),
        (f"{HEAD}a,1,0,0,1,1,r,1\na,1,0,0,1,0.9,s,1\n", {}, ":3: person '1' has another box"),
        (f'{HEAD}a,1,0,0,1,1,"{"r" * 200_000}",1\n', {}, "this is no csv"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PraxiscopeError) as raised:
        read(tmp_path, text, **options)
    assert message in str(raised.value)
