import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.ava_files import read_excluded, read_proposals
from praxiscope.data.ava_lists import KeyFrame, read_key_frames
from praxiscope.data.keyframes import key_frame_index
from praxiscope.data.synthetic_actors import (
    BRIEF_SECONDS,
    GROUPS,
    KINDS,
    LABELS,
    MOTIONS,
    STEADY_SECONDS,
    Act,
    ActorScene,
    Motion,
    Performer,
    Person,
)
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, Split, write_ava_dataset
from praxiscope.errors import DataError, RecipeError
from praxiscope.label_map import read_label_map
from praxiscope.metrics.ava import evaluate_files
from tests.data.test_synthetic import contents

DEFAULT = ActorVideos()
SMALL = ActorVideos(seconds=3, height=32, width=96, actors=2, seed=3, excluded=0.25)
COUNTS: dict[Split, int] = {"train": 4, "val": 2}


def write_small(root: Path, videos: ActorVideos = SMALL, **options: int) -> AvaDatasetFiles:
    return write_ava_dataset(root, train_videos=4, val_videos=2, videos=videos, **options)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    return write_small(tmp_path_factory.mktemp("ava") / "data")


# --- pictures and boxes --------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(4))
def test_the_boxes_hold_what_is_drawn_tightly(index: int) -> None:
    scene = DEFAULT.scene("train", index)
    size = np.array([DEFAULT.width, DEFAULT.height] * 2)
    for time in DEFAULT.key_times():
        for person in scene.persons(time):
            others = tuple(a for i, a in enumerate(scene.actors) if i != person.number)
            without = replace(scene, actors=others).render(time)
            changed = (scene.render(time) != without).any(axis=2)
            rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
            seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            box = np.array(person.box) * size
            # A sharp corner that covers little of its pixel may not show: 2 pixels.
            assert (seen[:2] >= np.floor(box[:2])).all() and (seen[2:] <= np.ceil(box[2:])).all()
            assert np.abs(seen - box).max() < 2


def test_an_actor_that_is_absent_is_not_drawn_and_has_no_box() -> None:
    scene = DEFAULT.scene("train", 0)
    actors = tuple(
        replace(a, acts=tuple(replace(act, present=False) for act in a.acts)) for a in scene.actors
    )
    empty = replace(scene, actors=actors)
    assert empty.persons(2.5) == ()
    np.testing.assert_array_equal(empty.render(2.5), replace(scene, actors=()).render(2.5))


@given(index=st.integers(0, 10**6), time=st.floats(0, DEFAULT.seconds, exclude_max=True))
@settings(deadline=None, max_examples=50)
def test_no_actor_leaves_its_slot(index: int, time: float) -> None:
    for actor in DEFAULT.scene("val", index).actors:
        reach = np.abs(actor.outline(time) - actor.centre).max()
        assert reach <= actor.side / 2 + 1e-9


def test_the_lamp_and_the_slots_do_not_overlap() -> None:
    for index in range(20):
        scene = DEFAULT.scene("train", index)
        x, y, radius = scene.lamp
        assert radius <= y <= DEFAULT.height - radius
        for actor in scene.actors:
            assert abs(actor.centre[0] - x) >= actor.side / 2 + radius
            assert actor.side / 2 <= actor.centre[0] <= DEFAULT.width - actor.side / 2
        first, second, third = (actor.centre[0] for actor in scene.actors)
        assert second - first >= scene.actors[0].side and third - second >= scene.actors[0].side


# --- labels --------------------------------------------------------------------------------------


def act_of(motion: Motion, **changes: object) -> Act:
    key = np.array([0.0, 0.0, math.log(0.2), 0.3])
    return replace(Act(present=True, motion=motion, brief=None, brief_at=0.0, key=key), **changes)


def performer(*acts: Act, kind: int = 0) -> Performer:
    first = DEFAULT.scene("train", 0).actors[0]
    return replace(first, acts=acts, kind=kind, side=100.0, centre=(50.0, 50.0))


@pytest.mark.parametrize(
    ("motion", "name", "change"),
    [
        ("left", "x", -44),
        ("right", "x", 44),
        ("up", "y", -44),
        ("down", "y", 44),
        ("grow", "radius", 20 * (math.exp(0.4) - math.exp(-0.4))),
        ("shrink", "radius", 20 * (math.exp(-0.4) - math.exp(0.4))),
        ("shake", "x", 0),
        ("rest", "x", 0),
    ],
)
def test_a_motion_changes_one_figure_of_the_pose_around_the_key_frame(
    motion: Motion, name: str, change: float
) -> None:
    actor = performer(*(act_of(motion) for _ in range(3)))
    before, after = (vars(actor.pose(1.5 + sign * STEADY_SECONDS)) for sign in (-1, 1))
    moved = {key: after[key] - before[key] for key in before}
    assert moved.pop(name) == pytest.approx(change)
    assert list(moved.values()) == pytest.approx([0, 0, 0])


def test_shaking_goes_to_and_fro_and_resting_stays() -> None:
    frames = [1.5 + step / 12 for step in range(-4, 4)]
    places = [performer(*[act_of("shake")] * 3).pose(time).x for time in frames]
    assert places == pytest.approx([50, 65, 50, 35] * 2)
    assert {performer(*[act_of("rest")] * 3).pose(time).x for time in frames} == {50}


def test_between_key_frames_an_actor_never_jumps() -> None:
    for actor in (a for i in range(4) for a in DEFAULT.scene("train", i).actors):
        states = np.array([actor.state(i / 500) for i in range(500 * DEFAULT.seconds)])
        rates = np.abs(np.diff(states, axis=0)).max(axis=0) * 500
        # Across a slot, from smallest to largest or a turn in the third of a second between two
        # motions; shaking is a sine of amplitude 0.15 with three periods a second.
        assert (rates <= np.array([0.15 * 6 * math.pi, 1.5, 3.6, 3.0]) + 1e-9).all()


def test_poses_at_key_frames_do_not_depend_on_the_motion() -> None:
    # The same draws whatever the motion: so it is enough that the motion is drawn beside them.
    acts = [a for i in range(150) for p in DEFAULT.scene("train", i).actors for a in p.acts]
    keys = np.array([act.key for act in acts])
    numbers = np.array([MOTIONS.index(act.motion) for act in acts])
    overall = keys.mean(axis=0)
    for motion in range(len(MOTIONS)):
        own = keys[numbers == motion]
        assert (np.abs(own.mean(axis=0) - overall) < 4 * keys.std(axis=0) / len(own) ** 0.5).all()


def test_a_brief_moment_shows_in_one_or_two_frames_around_its_key_frame() -> None:
    frames = [i / DEFAULT.fps for i in range(DEFAULT.seconds * DEFAULT.fps)]
    seen = set()
    for index in range(20):
        for actor in DEFAULT.scene("train", index).actors:
            for second, act in enumerate(actor.acts):
                own = [t for t in frames if int(t) == second]
                shown = [t for t in own if actor.surface(t) is not actor.texture]
                assert len(shown) == 0 if act.brief is None else 1 <= len(shown) <= 2
                for time in shown:
                    assert abs(time - second - 0.5) <= 0.25 + BRIEF_SECONDS / 2
                    change = actor.surface(time).astype(int) - actor.texture
                    assert (change >= 0).all() if act.brief == "flash" else (change <= 0).all()
                    assert np.abs(change).mean() > 30
                    seen.add(act.brief)
    assert seen == {"flash", "blink"}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((0,), [()]),
        ((1,), [()]),
        ((0, 0), [(), ()]),
        ((0, 1), [("hunt",), ("flee",)]),
        ((2, 0), [(), ()]),
        ((1, 2), [(), ()]),
        ((1, 2, 0), [("flee",), (), ("hunt",)]),
        ((0, 0, 1), [("hunt",), ("hunt",), ("flee",)]),
    ],
)
def test_a_hunter_hunts_if_there_is_prey_and_prey_flees_if_there_is_a_hunter(
    kinds: tuple[int, ...], expected: list[tuple[str, ...]]
) -> None:
    assert len(KINDS) == 3
    actors = tuple(performer(act_of("up"), kind=kind) for kind in kinds)
    scene = replace(DEFAULT.scene("train", 0), actors=actors, lights=(None,))
    assert [person.labels[1:] for person in scene.persons(0.5)] == expected


def test_everybody_watches_the_lamp_while_it_is_lit() -> None:
    scene = replace(DEFAULT.scene("train", 0), actors=(performer(act_of("up")),) * 2)
    for light, expected in ((None, ()), ("orange", ("watch orange lamp",))):
        persons = replace(scene, lights=(light,)).persons(0.5)
        assert [person.labels[1:] for person in persons] == [expected] * 2
        lamp = replace(scene, lights=(light,)).render(0.5)[int(scene.lamp[1]), int(scene.lamp[0])]
        assert lamp.tolist() == ([255, 170, 40] if light else [70, 70, 70])


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_files_say_what_the_scenes_show(written: AvaDatasetFiles, split: Split) -> None:
    key_frames = {(k.video, k.timestamp): k for k in read_key_frames(written.list(split))}
    excluded = read_excluded(written.excluded(split))
    assert excluded or split == "val"
    count = 0
    for index in range(COUNTS[split]):
        scene = SMALL.scene(split, index)
        for second, time in enumerate(SMALL.key_times()):
            moment = (f"{split}_{index:05d}", 5.0 + second)
            persons = scene.persons(time)
            if not persons or moment in excluded:
                assert moment not in key_frames
                continue
            count += 1
            assert_equal(key_frames[moment], persons)
    assert count == len(key_frames) > 1


def assert_equal(key_frame: KeyFrame, persons: tuple[Person, ...]) -> None:
    np.testing.assert_allclose(key_frame.boxes, [person.box for person in persons], atol=6e-4)
    assert key_frame.persons == tuple(person.number for person in persons)
    expected = [{LABELS.index(label) + 1 for label in person.labels} for person in persons]
    assert [set(labels) for labels in key_frame.labels] == expected


def test_the_frame_at_a_timestamp_is_the_one_that_was_annotated(written: AvaDatasetFiles) -> None:
    scene = SMALL.scene("val", 1)
    with av.open(str(written.folder / "val_00001.mp4")) as container:
        assert container.streams.video[0].average_rate == 12
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 36
    for second, time in enumerate(SMALL.key_times()):
        index = key_frame_index(5 + second, 36, fps=12, first_timestamp=4.5)
        drawn = scene.render(time).astype(int)
        errors = [np.abs(frame - drawn).mean() for frame in frames]
        assert int(np.argmin(errors)) == index and errors[index] < 8


def test_the_label_map_names_every_label_of_every_group(written: AvaDatasetFiles) -> None:
    names = read_label_map(written.label_map)
    assert names == dict(enumerate(LABELS, start=1))
    assert len(set(LABELS)) == len(LABELS) == sum(map(len, GROUPS.values()))


def test_the_ground_truth_finds_itself_under_the_metric(
    written: AvaDatasetFiles, tmp_path: Path
) -> None:
    truth = written.annotations("train")
    with truth.open(newline="") as file:
        rows = [[*row[:7], "1.0"] for row in csv.reader(file)]
    detections = tmp_path / "detections.csv"
    detections.write_text("".join(",".join(row) + "\n" for row in rows))
    result = evaluate_files(
        detections, truth, written.label_map, written.excluded("train"), "activitynet"
    )
    assert result["mAP@0.5IOU"] == 1.0


def test_the_proposals_file_has_every_key_frame_under_its_published_name(
    written: AvaDatasetFiles,
) -> None:
    proposals = read_proposals(written.proposals("train"))
    assert set(proposals) == {(f"train_{i:05d}", 5.0 + s) for i in range(4) for s in range(3)}
    assert b"train_00000,0005" in written.proposals("train").read_bytes()
    assert all(boxes.shape[1] == 5 for boxes in proposals.values())


def test_proposals_are_noisy_miss_doubt_and_invent_as_often_as_said() -> None:
    videos = ActorVideos(
        proposal_noise=0.03, proposal_misses=0.2, proposal_doubts=0.1, false_proposals=0.5
    )
    persons = (Person(0, (0.2, 0.2, 0.4, 0.7), ()), Person(1, (0.7, 0.3, 0.8, 0.6), ()))
    truth = np.array([person.box for person in persons])
    sides = np.tile(truth[:, 2:] - truth[:, :2], 2)
    errors, doubted, invented, frames = [], [], 0, 4000
    for second in range(frames):
        boxes = videos.proposals("train", 0, second, persons)
        assert boxes.shape[1] == 5 and (boxes >= 0).all() and (boxes <= 1).all()
        for box in boxes:
            error = (box[:4] - truth) / sides
            owner = np.abs(error).max(axis=1).argmin()
            if np.abs(error[owner]).max() < 0.2:
                errors.append(error[owner])
                doubted.append(box[4] < 0.9)
            else:
                invented += 1
    # within four standard errors; an invented box may lie on an actor by chance
    assert len(errors) / (2 * frames) == pytest.approx(0.8, abs=0.02)
    assert np.mean(doubted) == pytest.approx(0.1, abs=0.016)
    assert invented / frames == pytest.approx(0.5, abs=0.045)
    np.testing.assert_allclose(np.std(errors, axis=0), 0.03, rtol=0.05)
    np.testing.assert_allclose(np.mean(errors, axis=0), 0, atol=0.002)


# --- the folder ----------------------------------------------------------------------------------


def test_the_files_depend_on_the_seed_and_on_nothing_else(
    written: AvaDatasetFiles, tmp_path: Path
) -> None:
    write_small(tmp_path / "again", workers=1)
    assert contents(tmp_path / "again") == contents(written.root)
    write_small(tmp_path / "other", replace(SMALL, seed=4))
    first, other = contents(written.root), contents(tmp_path / "other")
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert same <= {"label_map.pbtxt", "val_excluded.csv"}


def test_the_splits_show_different_scenes() -> None:
    train, val = (DEFAULT.scene(split, 0).render(0) for split in ("train", "val"))
    assert (train != val).any()


def test_an_interrupted_run_goes_on_where_it_stopped(
    written: AvaDatasetFiles, tmp_path: Path
) -> None:
    root = tmp_path / "data"

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ava_dataset(root, train_videos=4, val_videos=2, videos=SMALL, progress=stop)
    assert not (root / "train.csv").exists()
    there = len(list(root.rglob("*.mp4")))
    assert 3 <= there < 6
    seen: list[tuple[int, int]] = []
    write_ava_dataset(
        root,
        train_videos=4,
        val_videos=2,
        videos=SMALL,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 6) for done in range(there, 7)]
    assert contents(root) == contents(written.root)


def test_other_settings_replace_the_videos_and_leave_other_files(
    written: AvaDatasetFiles, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(written.root, root)
    mine = root / "videos" / "mine.mp4"
    mine.write_bytes(b"mine")
    write_ava_dataset(root, train_videos=1, val_videos=1, videos=replace(SMALL, seed=4))
    record = json.loads((root / "dataset.json").read_text())
    assert record.pop("generator") == 1
    assert replace(SMALL, seed=4) == ActorVideos(**record)
    names = ["mine.mp4", "train_00000.mp4", "val_00000.mp4"]
    assert sorted(path.name for path in mine.parent.iterdir()) == names
    name = "videos/train_00000.mp4"
    assert (root / name).read_bytes() != (written.root / name).read_bytes()


def test_videos_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    video = tmp_path / "videos" / "train_00000.mp4"
    video.parent.mkdir()
    video.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"not generated here\. Choose another folder"):
        write_small(tmp_path)
    assert contents(tmp_path) == {"videos/train_00000.mp4": b"mine"}


def test_settings_that_make_no_sense_are_named() -> None:
    with pytest.raises(RecipeError, match=r"ActorVideos\.fps"):
        ActorVideos(fps=5)
    with pytest.raises(RecipeError, match=r"ActorVideos\.proposal_misses"):
        ActorVideos(proposal_misses=1.5)


def test_a_scene_is_as_long_as_its_acts() -> None:
    scene: ActorScene = SMALL.scene("train", 0)
    assert len(list(scene.frames(SMALL.fps))) == 36
