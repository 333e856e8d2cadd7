"""Tracks at key frames, and the classes that are made of what is said of them."""

from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.imports.classes import Classes, find_classes
from praxiscope.data.imports.key_frames import Sampled, sample
from praxiscope.data.imports.tracks import Box, Clip, Segment, State, Track
from praxiscope.data.imports.write import ListFiles, write_list
from praxiscope.errors import DataError, PraxiscopeError, RecipeError
from praxiscope.label_map import read_label_map

CLIP = Clip("a", "a.mp4", 10, 100, None)
BOX: Box = (0.1, 0.2, 0.3, 0.4)


def track(*frames: float, box: Box = BOX, label: str = "run", **values: Any) -> Track:
    said = {name: (value,) for name, value in values.pop("said", {}).items()}
    states = tuple(State(frame, box, said) for frame in frames)
    values = {"clip": CLIP, "person": 0, "where": "here", "labels": (label,), **values}
    return Track(states=states, **values)


def classes(*tracks: Track, segments: tuple[Segment, ...] = (), **options: Any) -> Classes:
    options = {"names_from": (), "label_map": None, "excluding": frozenset(), **options}
    return find_classes(tracks, segments, **options)


def sampled(*tracks: Track, segments: tuple[Segment, ...] = (), **options: Any) -> Sampled:
    options = {"rate": 1.0, "first_timestamp": 0.0, "excluding": frozenset(), **options}
    return sample(tracks, segments, classes(*tracks, segments=segments), **options)


def times(found: Sampled) -> list[float]:
    return [line.timestamp for line in found.lines]


@pytest.mark.parametrize(
    ("rate", "fps", "expected"),
    [
        (1, 10, [1, 2, 3]),
        (2, 10, [1, 1.5, 2, 2.5, 3]),
        (0.5, 10, [2]),
        (1, 30000 / 1001, [1]),
        (3, 10, [1, 1.333333, 1.666667, 2, 2.333333, 2.666667, 3]),
    ],
)
def test_key_frames_count_from_the_start_of_the_video(
    rate: float, fps: float, expected: list[float]
) -> None:
    assert times(sampled(track(8, 32, clip=CLIP._replace(fps=fps)), rate=rate)) == expected


def test_key_frames_are_frames_that_the_video_has() -> None:
    found = sampled(track(0, 500))
    assert times(found) == list(range(10))  # frame 99 is the last
    assert found.left["tracks that go beyond the end of the video, cut"] == 1
    assert times(sampled(track(0, 20, clip=CLIP._replace(num_frames=None)))) == [0, 1, 2]
    with pytest.raises(DataError, match="No person is left at any key frame"):
        sampled(track(200))


def test_a_single_moment_is_a_key_frame_of_its_own_with_all_who_are_there() -> None:
    found = sampled(track(13), track(10, 20, person=1, box=(0, 0, 1, 1)))
    assert [(line.timestamp, line.person) for line in found.lines] == [
        (1, 1),
        (1.3, 0),
        (1.3, 1),
        (2, 1),
    ]
    # at a whole second it has its name, whoever comes first
    assert times(sampled(track(20.2), track(18, 22, person=1, box=(0, 0, 1, 1)))) == [2, 2]
    found = sampled(track(11, 19), track(20, person=1))
    assert times(found) == [2]
    assert found.left["tracks between two key frames, left out"] == 1


def test_boxes_are_clipped_and_those_without_an_area_left_out() -> None:
    found = sampled(
        track(0, box=(-0.1, 0.5, 0.5, 1.2)),
        track(0, box=(1.1, 0, 1.5, 1), person=1),
        track(0, box=(0.5, 0.5, 0.5, 0.9), person=2),
        Track(CLIP, 3, (State(0, (-1, 0, -0.5, 1), {}), State(20, BOX, {})), "here", ("run",)),
    )
    assert [line.box for line in found.lines if line.person == 0] == [(0, 0.5, 0.5, 1)]
    assert {line.person for line in found.lines} == {0, 3}
    assert found.left["tracks without an area within the frame, left out"] == 2
    assert found.left["boxes without an area within the frame, left out"] == 2
    assert found.left["boxes clipped to the frame"] == 1


def test_numbers_of_persons_stay_but_where_several_sources_share_a_video() -> None:
    found = sampled(
        track(0, person=4, source="one"),
        track(10, person=4, source="one"),
        track(0, person=4, source="two", box=(0.5, 0, 1, 1)),
        track(0, person=9, source="three", clip=CLIP._replace(name="b")),
    )
    assert [(line.video, line.timestamp, line.person) for line in found.lines] == [
        ("a", 0, 4),
        ("a", 0, 5),
        ("a", 1, 4),
        ("b", 0, 9),
    ]
    assert found.tracks == {"a": 2, "b": 1}


def test_what_is_said_twice_of_a_box_is_written_once() -> None:
    found = sampled(track(0), track(0, person=1), track(0, person=2, label="sit"))
    assert [(line.person, line.label) for line in found.lines] == [(0, 1), (2, 2)]
    assert found.left["repetitions of a box and its class, left out"] == 1


def test_a_person_without_a_class_is_marked_and_has_no_label() -> None:
    found = sampled(
        track(0, said={"action": "run"}),
        track(0, person=1, said={"action": "none"}, box=(0.5, 0, 1, 1)),
        track(0, person=2, label="ball", box=(0.6, 0, 1, 1)),
    )
    assert [(line.person, line.label) for line in found.lines] == [(0, 1), (1, None)]
    assert found.left["tracks that have none of what becomes a class, left out"] == 1


def test_what_is_said_of_a_part_holds_for_everybody_in_it() -> None:
    part = Segment(CLIP, 10, 25, {"action": ("dance",)}, "here")
    found = sampled(track(0, 30), segments=(part,))
    assert [(line.timestamp, line.label) for line in found.lines] == [
        (0, None),
        (1, 1),
        (2, 1),
        (3, None),
    ]


def test_a_part_or_a_person_in_doubt_excludes_the_moment() -> None:
    words = frozenset({"unsure", "occluded"})
    part = Segment(CLIP, 0, 5, {"state": ("Unsure",)}, "here")
    hidden = track(20, 29, person=1, said={"occluded": "true"}, box=(0, 0, 1, 1))
    found = sampled(track(0, 30), hidden, segments=(part,), excluding=words)
    assert found.excluded == [("a", 0), ("a", 2)]
    assert sampled(track(0, 30), hidden, segments=(part,)).excluded == []
    # a region that says so of the moment needs to have nothing of a class
    doubt, sits = track(10, label="unsure"), track(0, 20, person=1, said={"action": "sit"})
    assert sampled(sits, doubt, excluding=words).excluded == [("a", 1)]


@pytest.mark.parametrize(
    ("tracks", "names_from", "expected"),
    [
        ([track(0, label="b"), track(0, label="a")], (), ["a", "b"]),
        ([track(0, said={"Activity": "x", "mood": "y"})], (), ["x"]),
        ([track(0, said={"mood": "y"})], (), ["y"]),
        ([track(0, said={"mood": "y"}), track(0, label="sit")], (), ["run", "sit"]),
        ([track(0, said={"mood": "y"})], ("label",), ["run"]),
        ([track(0, said={"mood": "y"})], ("label", "mood"), ["run", "y"]),
        ([track(0, said={"eats": "true", "talks": "false"})], ("eats", "talks"), ["eats"]),
        ([track(0, said={"action": "__undefined__"}), track(0, said={"action": "b"})], (), ["b"]),
        ([track(0, said={"occluded": "true"})], (), ["run"]),
    ],
)
def test_classes_are_numbered_in_alphabetical_order(
    tracks: list[Track], names_from: tuple[str, ...], expected: list[str]
) -> None:
    assert classes(*tracks, names_from=names_from).ids == {
        name: number for number, name in enumerate(expected, start=1)
    }


def test_what_could_be_several_things_or_nothing_is_asked_for() -> None:
    with pytest.raises(RecipeError, match="Several attributes could be the classes: mood, age"):
        classes(track(0, said={"mood": "y", "age": "3"}))
    with pytest.raises(DataError, match="Nobody does anything: 'action' is empty everywhere"):
        classes(track(0, said={"action": "none"}))
    with pytest.raises(DataError, match="has 1001 different values, such as '0'"):
        classes(*(track(0, label=str(number)) for number in range(1001)))


def test_a_list_is_written_as_it_is_read(tmp_path: Path) -> None:
    clip = CLIP._replace(name='a, "b" c', path='sub/a, "b" c.mp4', fps=30000 / 1001)
    one = track(0, 31, clip=clip, label='say "hi"', person=7)
    found, files = sampled(one, first_timestamp=900.0), ListFiles(tmp_path / "out")
    write_list(files, found, classes(one).ids, first_timestamp=900.0)
    moments = read_key_frames(files.list(tmp_path, 2))
    assert [moment.timestamp for moment in moments] == [900, 901]
    assert moments[0].video == clip.name
    assert moments[0].source == (clip.path, 30000 / 1001, 900)
    assert moments[0].persons == (7,)
    assert read_label_map(files.label_map) == {1: 'say "hi"'}
    with pytest.raises(PraxiscopeError, match="has both kinds of quotation marks"):
        write_list(files, found, {"\"'": 1}, first_timestamp=0)
