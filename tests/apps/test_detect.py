"""Detection on videos of one's own: scores as of a test, files, cameras and streams."""

import csv
import json
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

import praxiscope
from praxiscope.apps.action_detector import ActionDetector, DetectOptions, load_detector
from praxiscope.apps.actors import Moment
from praxiscope.apps.detect_outputs import Outputs, detect_video
from praxiscope.apps.streams import FrameStream, TimedFrame, TimedFrames, open_stream
from praxiscope.data.ava import AvaDataset
from praxiscope.errors import (
    CheckpointError,
    DataError,
    PraxiscopeError,
    RecipeError,
    VideoError,
)
from praxiscope.metrics.ava_csv import read_boxes
from praxiscope.types import ActorSample
from tests.apps.videos import NAMES, TwoPersons, nobody, write_detector, write_video


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="module")
def detector(files: tuple[Path, Path]) -> ActionDetector:
    return load_detector(*files, device="cpu")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", frames=75)


def moments_of(detector: ActionDetector, video: str | Path, **options: Any) -> list[Moment]:
    chosen = DetectOptions(**{"smooth": 0.0} | options)
    stream = detector.open(video, chosen)
    return list(detector.moments(stream.frames(), stream.fps, TwoPersons(), chosen))


def by_test(detector: ActionDetector, video: Path, folder: Path) -> dict[float, np.ndarray]:
    """Probabilities of the same boxes as a test on them gives, by the data set's code."""
    rows, persons = [], TwoPersons()
    for half in range(5):
        seconds = half / 2
        for box in persons(np.zeros((2, 2, 3), np.uint8), seconds).boxes:
            shares = ",".join(f"{share:.9f}" for share in box)
            rows.append(f"{video.stem},{seconds},{shares},1,0")
    (folder / "ava.csv").write_text("\n".join(rows))
    ava = replace(detector.recipe.val, root=video.parent, annotations=folder / "ava.csv")
    data = AvaDataset(ava, detector.recipe.clip, detector.recipe.test_transform, training=False)
    found = {}
    for index in range(len(data)):
        sample = data[index]
        assert isinstance(sample, ActorSample)
        with torch.inference_mode():
            logits = detector.model(sample.clip[None], [sample.proposals])
        found[sample.timestamp] = logits.sigmoid()[:, 1:].numpy()
    return found


@pytest.mark.parametrize("batch", [1, 3])
def test_scores_are_those_of_a_test_on_the_same_key_frames(
    detector: ActionDetector, video: Path, tmp_path: Path, batch: int
) -> None:
    options = DetectOptions(rate=2, smooth=0)
    stream = detector.open(video, options)
    found = detector.moments(stream.frames(), stream.fps, TwoPersons(), options, batch=batch)
    expected = by_test(detector, video, tmp_path)
    by_time = {moment.seconds: moment for moment in found}
    assert list(by_time) == list(expected) == [0, 0.5, 1, 1.5, 2]
    spread = np.ptp([scores[0, 0] for scores in expected.values()])
    assert spread > 1e-3  # or the frames would not matter
    for seconds, scores in expected.items():
        actors = by_time[seconds].actors
        got = np.stack([actor.probabilities for actor in actors])
        np.testing.assert_allclose(got, scores, atol=1e-6)
        assert by_time[seconds].frame == round(seconds * 30)


def test_of_actors_with_one_action_at_a_time_the_probabilities_sum_to_one(
    detector: ActionDetector, video: Path
) -> None:
    one, train = detector.recipe, replace(detector.recipe.train, multi_label=False)
    one = replace(one, train=train, val=replace(one.val, multi_label=False))
    moments = moments_of(replace(detector, recipe=one), video)
    for actor in (actor for moment in moments for actor in moment.actors):
        assert actor.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_a_video_of_another_rate_is_seen_at_the_speed_of_the_training(
    detector: ActionDetector, tmp_path: Path
) -> None:
    """Every picture of the faster video stands there twice, so both show the same."""
    fast = tmp_path / "fast.mkv"
    slow = write_video(tmp_path / "slow.mp4", frames=40)
    with av.open(str(slow)) as source, av.open(str(fast), "w") as copy:
        stream = copy.add_stream("ffv1", rate=60)
        stream.height, stream.width, stream.pix_fmt = 72, 96, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            for twice in range(2):
                image = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
                image.pts, image.time_base = 2 * number + twice, Fraction(1, 60)
                copy.mux(stream.encode(image))
        copy.mux(stream.encode(None))
    ours, theirs = moments_of(detector, fast, rate=2), moments_of(detector, slow, rate=2)
    assert [moment.frame for moment in ours] == [0, 30, 60]
    assert [moment.frame for moment in theirs] == [0, 15, 30]
    for one, other in zip(ours, theirs, strict=True):
        assert one.actors[0].scores == pytest.approx(other.actors[0].scores, abs=1e-3)


def test_each_frame_is_a_key_frame_once_at_most(
    detector: ActionDetector, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moments = moments_of(detector, video, rate=1000, seconds=0.3)
    assert [moment.frame for moment in moments] == list(range(len(moments))) and len(moments) >= 9
    assert "30 frames a second, of which each is a key frame" in caplog.text


def test_persons_keep_their_track_and_their_scores_are_smoothed(
    detector: ActionDetector, video: Path
) -> None:
    plain, smooth = (moments_of(detector, video, rate=2, smooth=s) for s in (0.0, 0.5))
    assert [[actor.track for actor in moment.actors] for moment in plain] == [[1, 2]] * 5
    first, second = (moment.actors[0].probabilities for moment in plain[:2])
    assert smooth[0].actors[0].scores == plain[0].actors[0].scores
    np.testing.assert_allclose(smooth[1].actors[0].probabilities, (first + second) / 2, atol=1e-6)
    best = plain[0].actors[0].top(2)
    assert [name for name, _ in best] == sorted(
        NAMES, key=lambda name: -plain[0].actors[0].scores[name]
    )[:2]
    assert plain[0].actors[0].top(4, threshold=1.0) == []


def test_all_files_tell_the_same(files: tuple[Path, Path], video: Path, tmp_path: Path) -> None:
    names = {"out": tmp_path / "o.mp4", "json": tmp_path / "o.jsonl", "csv": tmp_path / "o.csv"}
    found = praxiscope.detect(
        video,
        *files,
        persons=TwoPersons(until=2),
        threshold=0.5,
        **names,  # type: ignore[arg-type]
    )
    assert [len(moment.actors) for moment in found] == [2, 2, 0]
    lines = [json.loads(line) for line in names["json"].read_text().splitlines()]
    assert [line["seconds"] for line in lines] == [0, 1, 2]
    for line, moment in zip(lines, found, strict=True):
        assert line["video"] == str(video) and line["frame"] == moment.frame
        for person, actor in zip(line["persons"], moment.actors, strict=True):
            assert person["track"] == actor.track
            assert person["box"] == pytest.approx(actor.box.tolist(), abs=1e-4)
            assert person["actions"] == pytest.approx(dict(actor.top(4, 0.5)), abs=1e-4)
    boxes = read_boxes(names["csv"])
    assert set(boxes.frames) == {"clip,0000", "clip,0001"}
    assert set(boxes.classes) == {1, 2, 3, 4} and len(boxes) == 16
    with names["csv"].open() as file:
        row = next(csv.reader(file))
    assert float(row[7]) == pytest.approx(found[0].actors[0].probabilities[0], abs=1e-4)
    with av.open(str(names["out"])) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 75
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "o.jsonl", "o.mp4"]


def test_a_video_without_people_gives_empty_valid_results(
    files: tuple[Path, Path], video: Path, tmp_path: Path
) -> None:
    names = {"out": tmp_path / "o.mp4", "json": tmp_path / "o.jsonl", "csv": tmp_path / "o.csv"}
    found = praxiscope.detect(
        video,
        *files,
        persons=nobody,
        **names,  # type: ignore[arg-type]
    )
    assert [moment.actors for moment in found] == [(), (), ()]
    lines = names["json"].read_text().splitlines()
    assert [json.loads(line)["persons"] for line in lines] == [[], [], []]
    assert len(read_boxes(names["csv"])) == 0
    with av.open(str(names["out"])) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 75


def test_a_whole_folder_of_images_is_a_video(
    detector: ActionDetector, video: Path, tmp_path: Path
) -> None:
    with praxiscope.open_video(video) as source:
        for number, frame in enumerate(source.frames_at(range(source.num_frames)), 1):
            cv2.imwrite(str(tmp_path / f"img_{number:05d}.jpg"), frame[:, :, ::-1])
    found = moments_of(detector, tmp_path)
    assert [moment.frame for moment in found] == [0, 30, 60]
    assert [moment.frame for moment in moments_of(detector, tmp_path, fps=15)][:2] == [0, 15]


def endless(count: int, fps: float = 30) -> TimedFrames:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    for number in range(count):
        yield TimedFrame(number, number / fps, noise.copy)


def test_memory_does_not_grow_with_the_length_of_a_stream(detector: ActionDetector) -> None:
    peaks = []
    for seconds in (4, 40):
        moments = detector.moments(endless(30 * seconds), 30, TwoPersons(), DetectOptions(rate=0.5))
        tracemalloc.start()
        count = sum(1 for _ in moments)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == seconds / 2
    span = 10 * 64 * 48 * 3  # frames of a clip at the test's size
    assert peaks[1] < peaks[0] + 5e4
    assert peaks[1] < 3 * 240 * 320 * 3 + 4 * span + 5e5


@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_a_live_stream_keeps_the_pictures_of_one_clip_to_draw_on(
    detector: ActionDetector, tmp_path: Path, rate: float
) -> None:
    alive, most = 0, 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def counted() -> TimedFrames:
        nonlocal alive, most
        for frame in endless(200):
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield frame

    options = DetectOptions(rate=rate)
    stream = FrameStream("camera", 30, None, True, counted)
    with Outputs(detector, options) as outputs:
        detect_video(detector, stream, TwoPersons(), options, outputs, out=tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 200
    # until the clip around the next key frame ends: 3 frames after it, and one to know that
    assert 30 / rate < most <= 30 / rate + 3 + 4


def test_a_stop_ends_all_files_where_the_video_was_stopped(
    detector: ActionDetector, video: Path, tmp_path: Path
) -> None:
    options = DetectOptions(rate=2)
    stream = detector.open(video, options)
    seen: list[int] = []
    with Outputs(detector, options, tmp_path / "o.jsonl") as outputs:
        detect_video(
            detector,
            stream,
            TwoPersons(),
            options,
            outputs,
            out=tmp_path / "o.mp4",
            progress=lambda frame: seen.append(frame.number),
            stop=lambda: len(seen) >= 40,
        )
    assert seen == list(range(40))
    with av.open(str(tmp_path / "o.mp4")) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 40
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line["seconds"] for line in lines] == [0, 0.5, 1]


def test_an_error_leaves_what_was_found_under_another_name(
    detector: ActionDetector, video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = DetectOptions()
    stream = detector.open(video, options)

    def breaks(frame: TimedFrame) -> None:
        if frame.number == 60:
            raise VideoError("broken")

    with (
        pytest.raises(VideoError, match="broken"),
        Outputs(detector, options, tmp_path / "o.jsonl", tmp_path / "o.csv") as outputs,
    ):
        detect_video(
            detector, stream, TwoPersons(), options, outputs,
            out=tmp_path / "o.mp4", progress=breaks,
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv.part", "o.jsonl.part"]
    lines = (tmp_path / "o.jsonl.part").read_text().splitlines()
    assert [json.loads(line)["seconds"] for line in lines] == [0, 1]
    assert "o.jsonl.part holds what was found until then" in caplog.text


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(video: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(video.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:secret@127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_address_gives_what_its_file_gives(
    detector: ActionDetector, video: Path, address: str, tmp_path: Path
) -> None:
    options = DetectOptions(smooth=0)
    recording = video.with_suffix(".ts")  # which can be read from its beginning, as a stream is
    with av.open(str(video)) as source, av.open(str(recording), "w") as copy:
        template = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = template
                copy.mux(packet)
    stream = detector.open(f"{address}/{recording.name}", options)
    assert stream.is_live and "secret" not in stream.name
    found: list[Moment] = []
    with Outputs(detector, options) as outputs:
        detect_video(
            detector, stream, TwoPersons(), options, outputs,
            out=tmp_path / "o.mp4", each=found.append,
        )  # fmt: skip
    of_file = moments_of(detector, video)
    assert len(found) == len(of_file)
    for one, other in zip(found, of_file, strict=True):
        assert one.actors[0].scores == other.actors[0].scores
    with av.open(str(tmp_path / "o.mp4")) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 75


def test_addresses_and_cameras_that_cannot_be_opened_are_one_sentence(
    address: str, video: Path
) -> None:
    with pytest.raises(VideoError, match=r"^http://127.0.0.1:\d+/none.mp4 cannot be opened"):
        open_stream(f"{address}/none.mp4")
    playlist = video.parent / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:2,\nfile://{video}\n")
    with pytest.raises(VideoError, match="cannot be opened"):
        open_stream(f"{address}/list.m3u8")
    with pytest.raises(VideoError, match="cannot be opened"):
        open_stream(f"file://{video}")
    with pytest.raises(VideoError, match="^/dev/video97 cannot be opened.*Expected a camera"):
        open_stream("/dev/video97")


def test_what_cannot_be_used_is_one_sentence(
    files: tuple[Path, Path], video: Path, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match=r"none.mp4 does not exist"):
        praxiscope.detect(tmp_path / "none.mp4", *files, persons=nobody)
    with pytest.raises(RecipeError):
        praxiscope.detect(video, "slowonly_r50_4x16x1_256e_kinetics400_rgb", files[1])
    with pytest.raises(RecipeError, match="rate must be a number"):
        praxiscope.detect(video, *files, persons=nobody, rate=0)
    with pytest.raises(PraxiscopeError, match=r"o.avi"):
        praxiscope.detect(video, *files, persons=nobody, out=tmp_path / "o.avi")
    with pytest.raises(PraxiscopeError, match=r"clip.mp4 is the video itself"):
        praxiscope.detect(video, *files, persons=nobody, out=video)
    recipe, weights = write_detector(tmp_path, broken=True)
    with pytest.raises(CheckpointError, match=r"small.pth gives no numbers"):
        praxiscope.detect(video, recipe, weights, persons=TwoPersons())


def test_names_come_from_labels_the_checkpoint_or_numbers(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert load_detector(*files).class_names == NAMES
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\n")
    assert load_detector(*files, labels=labels).class_names == ("a", "b", "c", "d")
    labels.write_text("a\nb\n")
    with pytest.raises(DataError, match="names 2 classes, one a line, but the recipe has 4"):
        load_detector(*files, labels=labels)
    labels.write_text("a\na\nb\nc\n")
    with pytest.raises(DataError, match="2 classes have the name 'a'"):
        load_detector(*files, labels=labels)
    pbtxt = tmp_path / "map.pbtxt"
    pbtxt.write_text('item { name: "x" id: 1 } item { name: "z" id: 3 }')
    names = load_detector(*files, labels=pbtxt).class_names
    assert names == ("x", "class 2", "z", "class 4")
