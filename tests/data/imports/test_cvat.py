"""CVAT for video 1.1: tasks, steps, gaps, turned boxes, and what is no export."""

from pathlib import Path

import pytest

from praxiscope.data.imports.cvat import read_cvat
from praxiscope.data.imports.tracks import Left, Track
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import DataError
from tests.data.imports.exports import FPS, HEIGHT, WIDTH, cvat, cvat_box, cvat_tracks


def read(folder: Path, text: str | bytes, videos: Videos | None = None) -> list[Track | Left]:
    file = folder / "export.xml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    found = list(read_cvat(file, videos or Videos(None, fps=FPS)))
    assert all(isinstance(one, Track | Left) for one in found)
    return found  # type: ignore[return-value]


def tracks(folder: Path, text: str) -> list[Track]:
    return [one for one in read(folder, text) if isinstance(one, Track)]


def one_track(*boxes: str, label: str = "person") -> str:
    return f'<track id="4" label="{label}">{"".join(boxes)}</track>'


def test_a_person_is_there_until_a_box_outside_and_again_after_it(tmp_path: Path) -> None:
    walker, *waver = tracks(tmp_path, cvat())
    assert (walker.first, walker.last, walker.person) == (0, 39, 0)
    assert [(one.first, one.last, one.person) for one in waver] == [(0, 19, 1), (30, 39, 1)]
    assert walker.labels == ("person",)
    assert [dict(walker.attributes(f)) for f in (19, 20)] == [
        {"action": ("walk",)},
        {"action": ("sit",)},
    ]
    assert walker.box(10) == (24 / WIDTH, 12 / HEIGHT, 40 / WIDTH, 36 / HEIGHT)


def test_between_boxes_that_are_missing_it_moves_steadily(tmp_path: Path) -> None:
    boxes = (cvat_box(f, x, 16, 12, "run") for f, x in ((20, 16), (0, 0), (28, 16)))
    (track,) = tracks(tmp_path, cvat(one_track(*boxes)))
    assert [track.box(f)[0] * WIDTH for f in (0, 5, 10, 20, 24, 28)] == [0, 4, 8, 16, 16, 16]


def test_with_a_step_the_last_box_holds_for_the_whole_step(tmp_path: Path) -> None:
    boxes = [cvat_box(f, 0, 8, 8, "run") for f in (2, 8)]
    step = "<frame_filter>step=6</frame_filter>"
    (track,) = tracks(tmp_path, cvat(one_track(*boxes), step))
    assert (track.first, track.last) == (2, 13)
    outside = cvat_box(14, 0, 8, 8, "run", outside=1)
    (track,) = tracks(tmp_path, cvat(one_track(boxes[0], outside), step))
    assert (track.first, track.last) == (2, 13)


def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path: Path) -> None:
    box = cvat_box(0, 20, 16, 8, "run").replace("<box ", '<box rotation="90.00" ')
    (track,) = tracks(tmp_path, cvat(one_track(box)))
    x1, y1, x2, y2 = track.box(0)
    pixels = (x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT)
    assert pixels == pytest.approx((24, 8, 32, 24))  # about the middle, (28, 16)


def test_occluded_persons_stay_and_are_marked(tmp_path: Path) -> None:
    (track,) = tracks(tmp_path, cvat(one_track(cvat_box(0, 0, 8, 8, "run", occluded=1))))
    assert track.attributes(0)["occluded"] == ("true",)


def test_a_project_has_several_tasks_each_with_its_video(tmp_path: Path) -> None:
    task = (
        "<task><id>{0}</id><name>{1}</name><frame_filter>{2}</frame_filter><original_size>"
        "<width>{3}</width><height>48</height></original_size><source>{1}.mp4</source></task>"
    )
    tasks = task.format(11, "one", "", 64) + task.format(12, "two", "step=5", 128)
    text = (
        f"<annotations><version>1.1</version><meta><project><id>1</id><name>all</name><tasks>"
        f"{tasks}</tasks></project></meta>{cvat_tracks('11')}{cvat_tracks('12')}</annotations>"
    )
    found = tracks(tmp_path, text)
    assert [one.clip.path for one in found] == ["one.mp4"] * 3 + ["two.mp4"] * 3
    assert found[3].box(0)[0] == found[0].box(0)[0] / 2
    assert found[3].last == 39 + 4
    assert len({one.source for one in found}) == 2
    with pytest.raises(DataError, match=r"export.xml:\d+: the file describes no task 13\."):
        read(tmp_path, text.replace('task_id="12"', 'task_id="13"'))


def test_the_export_of_a_job_names_the_size_beside_it(tmp_path: Path) -> None:
    text = cvat().replace("<task>", "<job>").replace("</task>", "</job>")
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    text = text.replace(size, "").replace("</job>", f"</job>{size}")
    assert tracks(tmp_path, text)[0].box(0)[0] == 0.25
    text = text.replace("<source>one.mp4</source>", "").replace("<name>first</name>", "")
    assert tracks(tmp_path, text)[0].clip.name == "export"  # as the file


def test_other_shapes_and_skeletons_are_left_out(tmp_path: Path) -> None:
    line = '<track id="1" label="ball"><polygon frame="0" points="1,1;2,2" /></track>'
    bones = f'<track id="2" label="bones"><skeleton frame="0">{cvat_box(0, 0, 8, 8, "")}'
    found = read(tmp_path, cvat(line + bones + "</skeleton></track>"))
    assert [one.what for one in found if isinstance(one, Left)] == [
        "tracks with shapes of the kind 'polygon'",
        "tracks with shapes of the kind 'skeleton'",
    ]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>', ":1: it declares a doc"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', ":1: it declares a document"),
        ("<annotations>\n<track></annotations>", ":2: this is no well-formed XML: mismatched tag"),
        ("<annotations>" + "<a>" * 60, "elements within more than 50 others: refused"),
        ("<annotations>&x;</annotations>", "no well-formed XML: undefined entity"),
        ("", "no well-formed XML: no element found"),
        ("<other/>", "is no export of CVAT: expected an element 'annotations'"),
        ('<annotations><image id="0" name="a.png"/></annotations>', "annotations of images"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotations/>', "unknown encoding"),
        (b"PK\x03\x04rest", "is a zip archive: unpack it"),
        (cvat(one_track('<box frame="0" xtl="1"/>')), "expected ytl to be a number"),
        (cvat(one_track(cvat_box(0, float("nan"), 1, 1, ""))), "expected xtl to be a number"),
        (cvat(one_track('<box frame="-1"/>')), "expected frame to be a number from 0"),
        (cvat(one_track('<box frame="1e300"/>')), "expected frame to be a number from 0"),
        (cvat().replace("<width>64", "<width>0"), "original_size: expected width to be a number"),
        (cvat(cvat_tracks("9")), "the file describes no task 9"),
        (cvat(source="../"), "names no video"),
    ],
)
def test_what_is_no_export_is_refused_in_a_sentence(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)
    assert str(tmp_path / "export.xml") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_error_names_the_line_of_the_box(tmp_path: Path) -> None:
    text = cvat()
    line = next(n for n, one in enumerate(text.split("\n"), 1) if 'frame="7"' in one)
    with pytest.raises(DataError, match=f"export.xml:{line}: expected ybr"):
        read(
            tmp_path,
            text.replace('ybr="36.00" z_order="0"', 'ybr="36.00"', 7).replace(
                'xbr="37.60" ybr="36.00"', 'xbr="37.60" ybr="x"', 1
            ),
        )


def test_without_a_size_boxes_in_pixels_are_refused(tmp_path: Path) -> None:
    text = cvat().replace("original_size", "other_size")
    with pytest.raises(DataError, match="boxes are in pixels.*give --videos or --size"):
        read(tmp_path, text)
    sized = Videos(None, fps=FPS, size=(WIDTH, HEIGHT))
    assert isinstance(read(tmp_path, text, sized)[0], Track)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "exports.xml").touch()
    with pytest.raises(DataError, match=r"There is no file .*Did you mean 'exports.xml'"):
        list(read_cvat(tmp_path / "export.xml", Videos(None)))
    with pytest.raises(DataError, match=r"is no file\."):
        list(read_cvat(tmp_path, Videos(None)))
