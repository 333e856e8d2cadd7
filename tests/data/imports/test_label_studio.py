"""Label Studio's JSON: lifespans, its own frame rate, choices, and what is no export."""

import json
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.imports.label_studio import read_label_studio
from praxiscope.data.imports.tracks import Found, Left, Segment, Track
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import DataError
from tests.data.imports.exports import (
    FPS,
    FRAMES,
    HEIGHT,
    WIDTH,
    label_studio,
    label_studio_key,
    write_clip,
)


def read(folder: Path, content: Any, **options: Any) -> list[Found]:
    file = folder / "export.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(read_label_studio(file, Videos(None, **options)))


def region(*keys: dict[str, Any], **values: Any) -> dict[str, Any]:
    value = {"sequence": list(keys), "labels": ["run"], **values}
    return {"id": "r", "type": "videorectangle", "from_name": "box", "value": value}


def task(*result: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    given = {"id": 7, "data": {"video": "one.mp4"}, "annotations": [{"result": list(result)}]}
    return [{**given, **more}]


def test_a_disabled_key_frame_is_the_last_of_a_lifespan(tmp_path: Path) -> None:
    keys = [
        label_studio_key(0, 0, 8, 12),
        label_studio_key(10, 20, 8, 12, enabled=False),
        label_studio_key(20, 40, 8, 12),
    ]
    first, second = read(tmp_path, task(region(*keys, framesCount=FRAMES)), fps=FPS)
    assert isinstance(first, Track) and isinstance(second, Track)
    assert (first.first, first.last) == (0, 10)
    assert (second.first, second.last) == (20, FRAMES - 1)  # without another one, to the end
    assert [first.box(f)[0] * WIDTH for f in (0, 5, 10)] == pytest.approx([0, 10, 20])
    assert first.person == second.person == 0


def test_boxes_are_where_label_studios_own_tool_puts_them(tmp_path: Path) -> None:
    def key(frame: int, x: float, width: float, enabled: bool = True) -> dict[str, Any]:
        box = {"x": x, "y": 25, "width": width, "height": 50, "rotation": 0}
        return {"frame": frame, "enabled": enabled, "time": (frame - 1) / 10, **box}

    keys = key(3, 10, 10), key(9, 22, 10, False), key(15, 40, 10), key(21, 46, 16)
    found = read(tmp_path, task(region(*keys, framesCount=24, duration=2.4)))
    boxes = [
        (frame, *one.box(frame)[::2])
        for one in found
        if isinstance(one, Track)
        for frame in range(one.first, one.last + 1)
    ]
    # frame, x and width by extract_key_frames of label-studio-tools 0.0.4
    expected = [(2, 10, 10), (3, 12, 10), (4, 14, 10), (5, 16, 10), (6, 18, 10), (7, 20, 10)]
    expected += [(8, 22, 10), (14, 40, 10), (15, 41, 11), (16, 42, 12), (17, 43, 13), (18, 44, 14)]
    expected += [(19, 45, 15), (20, 46, 16), (21, 46, 16), (22, 46, 16), (23, 46, 16)]
    assert [(f, round(100 * a, 6), round(100 * (b - a), 6)) for f, a, b in boxes] == expected


def test_frames_at_its_own_rate_are_brought_to_those_of_the_video(tmp_path: Path) -> None:
    keys = label_studio_key(0, 0, 8, 12), label_studio_key(48, 48, 8, 12, enabled=False)
    (track,) = read(tmp_path, task(region(*keys, framesCount=96, duration=4)), fps=FPS)
    assert isinstance(track, Track)
    assert (track.first, track.last) == (0, 20)  # 48 frames at 24 a second are 20 at 10
    assert track.box(10)[0] * WIDTH == pytest.approx(24)
    (track,) = read(tmp_path, task(region(*keys, framesCount=96, duration=4)))
    assert isinstance(track, Track)
    assert (track.clip.fps, track.last) == (24, 48)  # nothing else says a rate


def test_labels_and_choices_become_labels_and_attributes(tmp_path: Path) -> None:
    found = [one for one in read(tmp_path, label_studio()) if isinstance(one, Track)]
    assert [one.labels for one in found] == [("person",)] * 4
    said = [dict(one.attributes(one.first)) for one in found]
    assert said == [{"action": (name,)} for name in ("walk", "sit", "wave", "wave")]
    assert [one.person for one in found] == [0, 1, 2, 2]


def test_labels_of_the_time_line_hold_for_everybody_in_it(tmp_path: Path) -> None:
    line = {
        "id": "t",
        "type": "timelinelabels",
        "from_name": "scene",
        "value": {"ranges": [{"start": 1, "end": 10}], "timelinelabels": ["dance"]},
    }
    whole = {"id": "w", "type": "choices", "from_name": "place", "value": {"choices": ["indoor"]}}
    found = read(tmp_path, task(line, whole, region(label_studio_key(0, 0, 8, 8))), fps=FPS)
    parts = [one for one in found if isinstance(one, Segment)]
    assert [(one.first, one.end, dict(one.attributes)) for one in parts] == [
        (0, 10, {"scene": ("dance",)}),
        (0, float("inf"), {"place": ("indoor",)}),
    ]


def test_a_turned_box_is_turned_about_its_first_corner(tmp_path: Path) -> None:
    key = label_studio_key(0, 32, 16, 8, rotation=90)
    (track,) = read(tmp_path, task(region(key)), fps=FPS, size=(WIDTH, HEIGHT))
    assert isinstance(track, Track)
    x1, y1, x2, y2 = track.box(0)
    pixels = (x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT)
    assert pixels == pytest.approx((24, 12, 32, 28))


def test_of_several_annotations_one_is_taken(tmp_path: Path) -> None:
    def one(x: float, **flags: bool) -> dict[str, Any]:
        return {"result": [region(label_studio_key(0, x, 8, 8))], **flags}

    given = [one(0, was_cancelled=True), one(8), one(16, ground_truth=True)]
    left, track = read(tmp_path, task(annotations=given), fps=FPS)
    assert isinstance(track, Track) and track.box(0)[0] * WIDTH == pytest.approx(16)
    assert isinstance(left, Left) and left.what == "further annotations of a task"
    (left,) = read(tmp_path, task(annotations=given[:1]))
    assert isinstance(left, Left) and left.what == "tasks that nobody annotated"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/data/upload/3/0f1e2d3c-my%20clip.mp4", "my clip.mp4"),
        ("/data/local-files/?d=day/one.mp4", "day/one.mp4"),
        ("s3://bucket/some/day/one.mp4", "day/one.mp4"),
        ("http://127.0.0.1/day/one.mp4?token=x", "day/one.mp4"),
        ("C:\\films\\my clip.mp4", "my clip.mp4"),
        ("../../day/../one", "day/one.mp4"),
    ],
)
def test_videos_are_found_by_whatever_they_are_called(
    tmp_path: Path, address: str, path: str
) -> None:
    (tmp_path / "day").mkdir()
    write_clip(tmp_path, "my clip.mp4")
    write_clip(tmp_path / "day")
    videos = Videos(tmp_path)
    clip = videos.clip(address, "here")
    assert clip is not None
    assert (clip.path, clip.fps, clip.num_frames, clip.size) == (path, FPS, FRAMES, (64, 48))


def test_two_videos_of_one_name_are_refused() -> None:
    videos = Videos(None, fps=FPS)
    videos.clip("a/one.mp4", "here")
    with pytest.raises(DataError, match="would both be called 'one'"):
        videos.clip("b/one.mp4", "there")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "export.json is no JSON"),
        ("[" * 100_000, "export.json is no JSON"),
        ("[NaN]", "is no JSON: NaN is no number"),
        ([3], "task 1: expected it to be an object, not 3"),
        ([{"id": 3, "box": []}], "task 3: it has no 'annotations'; export as JSON, not"),
        (task(annotations={}), "task 7: expected annotations to be a list"),
        (task(data={"text": "x"}), None),
        (task(region(), data={"text": "x"}), "'data' of its task names no video"),
        (task(region(sequence=3)), "region r: expected sequence to be a list, not 3"),
        (task(region({"frame": True})), "expected frame to be a number"),
        (task(region({"frame": 1, "x": None})), "expected x to be a number"),
        (task(region({"frame": 1, "x": 10**400})), "expected x to be a number"),
        (task(region(label_studio_key(0, 0, 8, 8), framesCount=1e9)), "expected framesCount"),
        (task(region(framesCount=5, duration="long")), "expected duration to be a number"),
    ],
)
def test_what_is_no_export_is_refused_in_a_sentence(
    tmp_path: Path, content: Any, message: str | None
) -> None:
    if message is None:
        assert read(tmp_path, content) == []
        return
    with pytest.raises(DataError) as raised:
        read(tmp_path, content, fps=FPS)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
