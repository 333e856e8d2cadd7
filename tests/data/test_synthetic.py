import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.data.synthetic import MotionVideos, write_motion_dataset, write_video
from praxiscope.data.synthetic_scene import (
    FLIP_PAIRS,
    MOTIONS,
    Actor,
    Boxes,
    Motion,
    Scene,
    Stage,
    random_scene,
)
from praxiscope.errors import DataError, VideoError
from praxiscope.types import Frame, Frames

STAGE = Stage(height=96, width=128)
SMALL = MotionVideos(frames=5, height=32, width=48, fps=24, seed=3)
FLIPPED: dict[Motion, Motion] = {a: b for pair in FLIP_PAIRS for a, b in (pair, pair[::-1])}


def scene_of(motion: Motion, seed: int) -> Scene:
    return random_scene([motion], np.random.default_rng(seed), height=96, width=128)


def actor_of(motion: Motion, seed: int) -> Actor:
    return scene_of(motion, seed).actors[0]


def decoded(path: Path) -> Frames:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# --- one frame tells nothing ---------------------------------------------------------------------


@pytest.mark.parametrize("time", [0, 7.5, 40])
@pytest.mark.parametrize("motion", MOTIONS)
def test_the_state_is_uniform_at_any_time_of_any_motion(motion: Motion, time: float) -> None:
    base = actor_of(motion, 0)
    rng = np.random.default_rng(5)
    count = 4000
    states = np.sort(
        [
            replace(base, start=tuple(rng.random(4)), tempo=rng.uniform(0.8, 1.25)).state(time)
            for _ in range(count)
        ],
        axis=0,
    )
    # Kolmogorov-Smirnov distance to the uniform distribution; 1.95 / sqrt(n) is passed by chance
    # once in a thousand times.
    steps = (np.arange(count) + 0.5) / count
    distance = np.abs(states - steps[:, None]).max(axis=0)
    assert distance.max() < 1.95 / np.sqrt(count)


@pytest.mark.parametrize("motion", MOTIONS)
def test_place_size_and_angle_are_independent_at_any_time(motion: Motion) -> None:
    base = actor_of(motion, 0)
    rng = np.random.default_rng(6)
    states = np.array(
        [replace(base, start=tuple(rng.random(4)), tempo=1.1).state(23) for _ in range(4000)]
    )
    correlation = np.corrcoef(states, rowvar=False) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(4000)


def test_a_seed_gives_the_same_shapes_textures_and_background_to_every_motion() -> None:
    left, *others = (scene_of(motion, 4) for motion in MOTIONS)
    for other in others:
        np.testing.assert_array_equal(
            other.background.render(9, STAGE), left.background.render(9, STAGE)
        )
        np.testing.assert_array_equal(other.actors[0].texture, left.actors[0].texture)
        np.testing.assert_array_equal(other.actors[0].corners, left.actors[0].corners)


@given(motion=st.sampled_from(MOTIONS), seed=st.integers(0, 10**6), time=st.floats(0, 10_000))
@settings(deadline=None)
def test_an_actor_is_never_cut_by_the_edge_of_the_frame(
    motion: Motion, seed: int, time: float
) -> None:
    box = actor_of(motion, seed).box(time, STAGE)
    assert (box >= -1e-9).all() and (box <= 1 + 1e-9).all()
    assert (box[2:] > box[:2]).all()


# --- motions -------------------------------------------------------------------------------------


def path_of(motion: Motion, name: str, frames: int) -> np.ndarray:
    """Return one figure of the pose of an actor that starts amid its ways, over the frames."""
    actor = replace(actor_of(motion, 1), start=(0.4, 0.1, 0.2, 0.4), tempo=1.0)
    return np.array([getattr(actor.pose(time, STAGE), name) for time in range(frames)])


@pytest.mark.parametrize(
    ("motion", "name", "sign"),
    [
        ("left", "x", -1),
        ("right", "x", 1),
        ("clockwise", "angle", 1),
        ("anticlockwise", "angle", -1),
        ("grow", "radius", 1),
        ("shrink", "radius", -1),
    ],
)
def test_a_one_way_motion_goes_its_way(motion: Motion, name: str, sign: int) -> None:
    steps = sign * np.diff(path_of(motion, name, frames=100))
    assert (steps > 0).mean() > 0.9  # the rest are returns to the other end
    assert (steps[:2] > 0).all()


@pytest.mark.parametrize(("motion", "name"), [("bounce", "y"), ("shake", "x")])
def test_a_to_and_fro_motion_goes_as_often_either_way_and_never_jumps(
    motion: Motion, name: str
) -> None:
    steps = np.diff(path_of(motion, name, frames=28 * 12 + 1))
    assert (steps > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(steps).max() < 6


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_motion_changes_nothing_else(motion: Motion) -> None:
    own = {"left": 0, "right": 0, "bounce": 1, "grow": 2, "shrink": 2, "shake": 0}.get(motion, 3)
    actor = actor_of(motion, 2)
    moving = np.ptp([actor.state(time) for time in range(30)], axis=0)
    assert moving[own] > 0
    assert np.delete(moving, own).tolist() == [0, 0, 0]


def test_clockwise_is_clockwise_on_the_screen() -> None:
    actor = replace(actor_of("clockwise", 0), start=(0.5, 0.5, 0.5, 0.0), tempo=1.0)
    quarter = actor.outline(18, STAGE) - actor.outline(0, STAGE).mean(axis=0)
    first = actor.outline(0, STAGE) - actor.outline(0, STAGE).mean(axis=0)
    # A quarter of a turn clockwise takes what is on the right to the bottom.
    np.testing.assert_allclose(quarter, np.stack([-first[:, 1], first[:, 0]], axis=1), atol=1e-6)


@pytest.mark.parametrize("motion", ["left", "right", "clockwise", "anticlockwise", "grow"])
def test_the_mirror_image_of_a_motion_is_its_partner(motion: Motion) -> None:
    actor = actor_of(motion, 7)
    x, y, size, angle = actor.start
    partner = replace(actor, motion=FLIPPED.get(motion, motion), start=(1 - x, y, size, 1 - angle))
    for time in range(20):
        seen, other = actor.pose(time, STAGE), partner.pose(time, STAGE)
        assert other.x == pytest.approx(STAGE.width - seen.x)
        assert (other.y, other.radius) == pytest.approx((seen.y, seen.radius))
        assert np.cos(np.radians(other.angle + seen.angle)) == pytest.approx(1)


# --- pictures and boxes --------------------------------------------------------------------------


def changed_box(scene: Scene, time: float) -> Boxes:
    """Return the box in pixels of what the first actor covers, found by taking it away."""
    empty = replace(scene, actors=scene.actors[1:])
    changed = (scene.render(time) != empty.render(time)).any(axis=2)
    rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_box_holds_the_shape_tightly(motion: Motion) -> None:
    for seed in range(6):
        scene = scene_of(motion, seed)
        for time in (0, 11, 30.5):
            box = scene.boxes(time)[0] * (128, 96, 128, 96)
            seen = changed_box(scene, time)
            # A sharp corner that covers little of its pixel may not show: 2 pixels.
            assert (seen[:2] >= np.floor(box[:2])).all() and (seen[2:] <= np.ceil(box[2:])).all()
            assert np.abs(seen - box).max() < 2


def test_a_texture_turns_with_its_shape() -> None:
    scene = scene_of("clockwise", 3)
    still = replace(scene.background, drift=(0.0, 0.0))
    actor = replace(scene.actors[0], start=(0.5, 0.5, 0.99, 0.0), tempo=1.0)
    square = replace(scene, stage=Stage(96, 96), background=still, actors=(actor,))
    before, after = square.render(0), square.render(18)
    middle = slice(40, 56)
    turned = np.rot90(before, k=-1)[middle, middle]  # k=-1 is clockwise
    assert np.abs(after[middle, middle].astype(int) - turned).mean() < 3


def test_several_actors_have_a_box_each_and_the_last_is_in_front() -> None:
    scene = random_scene(["left", "grow", "shake"], np.random.default_rng(0), height=96, width=128)
    assert scene.boxes(5).shape == (3, 4)
    front = replace(scene, actors=scene.actors[2:])
    x1, y1, x2, y2 = (scene.boxes(5)[2] * (128, 96, 128, 96)).tolist()
    row, column = int((y1 + y2) / 2), int((x1 + x2) / 2)
    np.testing.assert_array_equal(scene.render(5)[row, column], front.render(5)[row, column])


def test_an_empty_scene_has_no_boxes() -> None:
    scene = random_scene([], np.random.default_rng(0), height=96, width=128)
    assert scene.boxes(0).shape == (0, 4)
    assert scene.render(0).shape == (96, 128, 3)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    first, again, other = (np.stack([*scene_of("grow", s).frames(4)]) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# --- video files ---------------------------------------------------------------------------------


def test_a_video_has_every_frame_at_its_time(tmp_path: Path) -> None:
    frames = list(scene_of("right", 0).frames(31))
    write_video(tmp_path / "a.mp4", frames, fps=Fraction(30000, 1001), gop=10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(30000, 1001)
        seen = list(container.decode(stream))
    times = [frame.pts * frame.time_base for frame in seen]
    assert times == [Fraction(1001 * i, 30000) for i in range(31)]
    keys = [i for i, frame in enumerate(seen) if frame.key_frame]
    assert keys[0] == 0 and max(np.diff([*keys, 31])) <= 10
    for frame, original in zip(seen, frames, strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - original).mean() < 6


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, scene_of("left", 0).frames(6), fps=30)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_the_bytes_do_not_depend_on_what_is_left_in_memory(written: Path, tmp_path: Path) -> None:
    # glibc fills fresh memory with the byte given: whatever is read before it is written shows.
    code = (
        "import sys\n"
        "from praxiscope.data.synthetic import MotionVideos, write_motion_dataset\n"
        f"write_motion_dataset(sys.argv[1], train_per_class=2, test_per_class=1, videos={SMALL!r})"
    )
    environment = {**os.environ, "MALLOC_PERTURB_": "85"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    assert contents(tmp_path) == contents(written)


def test_an_interruption_leaves_the_older_video_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, scene_of("left", 0).frames(6), fps=30)
    before = path.read_bytes()

    def broken() -> Iterator[Frame]:
        yield from scene_of("left", 1).frames(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, broken(), fps=30)
    assert contents(tmp_path) == {"a.mp4": before}


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "there are no frames"),
        ([np.zeros((33, 48, 3), np.uint8)], "even sides, the frames are 48x33"),
        (
            [np.zeros((32, 48, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)],
            r"frame 1 has shape \(32, 32, 3\), the first has \(32, 48, 3\)",
        ),
    ],
)
def test_frames_that_make_no_video_are_an_error_and_leave_no_file(
    frames: list[Frame], message: str, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=rf"a\.mp4 cannot be written: .*{message}"):
        write_video(tmp_path / "a.mp4", frames, fps=30)
    assert contents(tmp_path) == {}


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match=r"a\.mp4 cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", scene_of("left", 0).frames(2), fps=30)


# --- the dataset ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("motions") / "data"
    write_motion_dataset(root, train_per_class=2, test_per_class=1, videos=SMALL, workers=2)
    return root


def test_the_lists_name_videos_that_show_their_scene(written: Path) -> None:
    assert (written / "label_map.txt").read_text().split() == list(MOTIONS)
    for split, per_class in (("train", 2), ("test", 1)):
        rows = (written / f"{split}_list.txt").read_text().splitlines()
        assert len(rows) == 8 * per_class
        for number, row in enumerate(rows):
            name, label = row.split(" ")
            assert name.split("/")[0] == MOTIONS[int(label)]
            scene = SMALL.scene(split, MOTIONS[int(label)], number % per_class)
            frames = decoded(written / f"videos_{split}" / name)
            drawn = np.stack(list(scene.frames(5)))
            assert frames.shape == (5, 32, 48, 3)
            assert np.abs(frames.astype(int) - drawn).mean() < 10


def test_train_and_test_videos_show_different_scenes() -> None:
    train, test = (SMALL.scene(split, "left", 0).render(0) for split in ("train", "test"))
    assert (train != test).any()


def test_the_files_do_not_depend_on_the_number_of_workers(written: Path, tmp_path: Path) -> None:
    write_motion_dataset(tmp_path, train_per_class=2, test_per_class=1, videos=SMALL, workers=1)
    assert contents(tmp_path) == contents(written)


def test_an_interrupted_run_goes_on_where_it_stopped(written: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    def resume(seen: list[tuple[int, int]]) -> None:
        write_motion_dataset(
            root,
            train_per_class=2,
            test_per_class=1,
            videos=SMALL,
            progress=lambda done, total: seen.append((done, total)),
        )

    with pytest.raises(KeyboardInterrupt):
        write_motion_dataset(root, train_per_class=2, test_per_class=1, videos=SMALL, progress=stop)
    assert not (root / "train_list.txt").exists()
    there = len(list(root.rglob("*.mp4")))
    assert 5 <= there < 24
    seen: list[tuple[int, int]] = []
    resume(seen)
    assert seen == [(done, 24) for done in range(there, 25)]
    assert contents(root) == contents(written)
    seen.clear()
    resume(seen)
    assert seen == [(24, 24)]


def test_other_settings_replace_the_videos_and_leave_other_files(
    written: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(written, root)
    mine = root / "videos_train" / "left" / "mine.mp4"
    mine.write_bytes(b"mine")
    videos = replace(SMALL, seed=4)
    write_motion_dataset(root, train_per_class=1, test_per_class=1, videos=videos)
    assert json.loads((root / "dataset.json").read_text())["seed"] == 4
    assert sorted(p.name for p in mine.parent.iterdir()) == ["left_00000.mp4", "mine.mp4"]
    name = "videos_train/left/left_00000.mp4"
    assert (root / name).read_bytes() != (written / name).read_bytes()


def test_videos_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    video = tmp_path / "videos_train" / "left" / "left_00000.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"not generated here\. Choose another folder"):
        write_motion_dataset(tmp_path, train_per_class=1, test_per_class=1, videos=SMALL)
    assert contents(tmp_path) == {"videos_train/left/left_00000.mp4": b"mine"}


def test_a_damaged_record_is_an_error_that_names_it(written: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json is not readable JSON"):
        write_motion_dataset(tmp_path, train_per_class=1, test_per_class=1, videos=SMALL)
