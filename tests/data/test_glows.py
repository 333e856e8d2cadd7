"""Labels of the generated AVA that only the past tells."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.synthetic_actors import GLOW_GROUPS, GLOWS, HUES, LABELS, Glow
from praxiscope.data.synthetic_ava import write_ava_dataset
from praxiscope.label_map import read_label_map
from tests.data.test_synthetic_ava import DEFAULT, SMALL, act_of, write_small

GLOWING = replace(SMALL, seconds=28, glows=1, proposal_misses=0)


def test_everybody_shines_for_two_seconds_and_remembers_it_five_to_twenty_seconds_later() -> None:
    stage = DEFAULT.scene("train", 0)
    actors = tuple(replace(a, kind=2, acts=(act_of("up"),) * 28) for a in stage.actors[:2])
    scene = replace(stage, actors=actors, lights=(None,) * 28)
    shining = replace(scene, glow=Glow(1, "cyan"))
    told = {s: [p.labels[1:] for p in shining.persons(s + 0.5)] for s in range(28)}
    assert {s for s in told if told[s] == [("glow cyan",)] * 2} == {1, 2}
    assert {s for s in told if told[s] == [("remember cyan",)] * 2} == set(range(7, 23))
    assert {s for s in told if told[s] == [()] * 2} == {0, *range(3, 7), *range(23, 28)}
    for second in range(28):
        for time in (second, second + 0.5, second + 0.99):
            same = (shining.render(time) == scene.render(time)).all()
            assert same == (second not in (1, 2))


def test_no_picture_but_those_of_a_glow_tells_its_colour() -> None:
    for index in range(10):
        scene = GLOWING.scene("train", index)
        assert scene.glow is not None
        others = [replace(scene, glow=replace(scene.glow, hue=hue)) for hue in HUES]
        # early enough that most of a video comes after it, and seen by somebody
        assert 0 <= scene.glow.second < 7
        assert scene.persons(scene.glow.second + 0.5)
        for second in range(28):
            first, second_one = (one.render(second + 0.5) for one in others)
            within = second in (scene.glow.second, scene.glow.second + 1)
            assert (first == second_one).all() == (not within or not scene.persons(second + 0.5))


def test_a_glow_changes_nothing_else_and_has_either_colour_as_often_as_said() -> None:
    videos = replace(GLOWING, glows=0.6)
    plain = replace(GLOWING, glows=0)
    found = []
    for index in range(120):
        scene, same = videos.scene("val", index), plain.scene("val", index)
        assert scene.lights == same.lights
        assert [a.centre for a in scene.actors] == [a.centre for a in same.actors]
        found.append(scene.glow and scene.glow.hue)
    # within four standard errors
    assert found.count(None) / 120 == pytest.approx(0.4, abs=0.18)
    assert found.count("cyan") / 120 == pytest.approx(0.3, abs=0.17)
    np.testing.assert_array_equal(scene.render(20), same.render(20))


def test_glows_have_labels_after_all_others_and_only_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    written = write_small(tmp_path / "written")
    videos = replace(GLOWING, excluded=0)
    data = write_ava_dataset(tmp_path / "data", train_videos=1, val_videos=1, videos=videos)
    names = read_label_map(data.label_map)
    assert list(names.values()) == [*LABELS, *(n for own in GLOW_GROUPS.values() for n in own)]
    assert data.list("val").num_classes == len(names) + 1 == written.list("val").num_classes + 4
    scene = videos.scene("val", 0)
    assert scene.glow is not None
    for key_frame in read_key_frames(data.list("val")):
        told = scene.glow.label(int(key_frame.timestamp) - 5)
        for labels in key_frame.labels:
            assert [names[n] for n in labels if n > len(LABELS)] == ([told] if told else [])
    # Folders that were made before there were glows are kept.
    assert "glows" not in json.loads((written.root / "dataset.json").read_text())
    assert set(GLOWS) == set(HUES)
