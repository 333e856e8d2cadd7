"""Detectors that read a feature bank, on videos whose bank is made on the way."""

import json
import logging
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import praxiscope
from praxiscope.apps.action_detector import ActionDetector, DetectOptions, load_detector
from praxiscope.apps.actors import Moment, Present
from praxiscope.apps.detect_outputs import Outputs, detect_video
from praxiscope.apps.key_clips import KeyClip
from praxiscope.apps.persons import Persons
from praxiscope.apps.streams import TimedFrame
from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.cli import main
from praxiscope.data.ava import AvaDataset
from praxiscope.engine.testing import run_detection_test
from praxiscope.errors import CheckpointError, RecipeError
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.types import ActorSample, Frame
from praxiscope.zoo.weights import recorded_by, save_weights
from tests.apps.videos import NAMES, RECIPE, TwoPersons, write_detector, write_video
from tests.parity import made_up

SECONDS, PER_SECOND = 6, 2
AHEAD = 2  # whole seconds of a window after that of its key frame
LENGTH = 12  # of the video, at 10 frames a second
BANKED = (
    RECIPE.replace("fps=30", "fps=10")
    .replace("import Cosine", "import BankWindows, Cosine, Loader")
    .replace(
        "SlowOnly(num_classes=5, width=4)",
        'SlowOnly(depth=14, num_classes=5, width=4), bank="nonlocal"',
    )
    .replace("val=ava,", "val=replace(ava, min_score=0.35),")
    .replace("from pathlib", "from dataclasses import replace\nfrom pathlib")
    .replace(
        "        clip=",
        '        bank=BankWindows(train=Path("none"), val=Path("none"), '
        f"seconds={SECONDS}, per_second={PER_SECOND}),\n"
        "        loader=Loader(videos_per_device=2, workers=0),\n        clip=",
    )
)


class Crowd:
    """Three sure persons, more than a second of the bank takes; at times one or nobody is sure."""

    name = "a crowd"

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        scores = [[0.97, 0.95, 0.9, 0.4], [0.6, 0.5, 0.1, 0.1], []][crowd_at(int(seconds))]
        x = np.float32(0.05 + 0.02 * seconds)
        boxes = [[x, 0.2, x + 0.3, 0.9], [0.6, 0.1, 0.95, 0.8], [0, 0, 1, 1], [0.3, 0, 0.5, 0.5]]
        return Persons(
            np.array(boxes[: len(scores)], np.float32).reshape(-1, 4), np.array(scores, np.float32)
        )


def crowd_at(second: int) -> int:
    return 2 if second % 5 == 3 else second % 4 == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector's recipe and weights, those of the maker of its bank, and a video."""
    folder = tmp_path_factory.mktemp("banked")
    (folder / "banked.py").write_text(BANKED)
    entry = load_recipe(folder / "banked.py", (), kind=DetectionRecipe).model
    save_weights(made_up.fill(entry.build()), folder / "reader.pth", NAMES)
    maker = made_up.fill(replace(entry, bank=None).build())
    first = maker.get_submodule("backbone.conv1.conv")
    assert isinstance(first, nn.Conv3d)
    first.weight.data = first.weight.data.flip(0)  # another network than the detector's own
    save_weights(maker, folder / "maker.pth", NAMES)
    write_video(folder / "clip.mp4", frames=10 * LENGTH, rate=Fraction(10))
    return folder


@pytest.fixture(scope="module")
def detector(folder: Path) -> ActionDetector:
    weights = folder / "reader.pth", folder / "maker.pth"
    return load_detector(folder / "banked.py", weights[0], bank_checkpoint=weights[1], device="cpu")


@pytest.fixture(scope="module")
def recipe(folder: Path, detector: ActionDetector) -> DetectionRecipe:
    """The same persons as a list with proposals, and a bank that the maker made of them."""
    truth, proposals = [], []
    for second in range(LENGTH):
        persons = Crowd()(np.zeros((2, 2, 3), np.uint8), second)
        shares = [",".join(f"{share:.9f}" for share in box) for box in persons.boxes]
        truth += [f"clip,{second},{box},1,0" for box in shares[:1]]
        proposals += [
            f"clip,{second},{box},{score:.9f}"
            for box, score in zip(shares, persons.scores, strict=True)
        ]
    (folder / "ava.csv").write_text("\n".join(truth))
    (folder / "persons.csv").write_text("\n".join(proposals))
    ava = replace(
        detector.recipe.val,
        root=folder,
        annotations=folder / "ava.csv",
        proposals=folder / "persons.csv",
    )
    assert detector.recipe.bank is not None
    windows = replace(detector.recipe.bank, val=folder / "val.safetensors")
    recipe = replace(detector.recipe, val=ava, bank=windows)
    assert detector.maker is not None
    seconds, features = [], []
    with torch.inference_mode():
        for sample in samples(replace(recipe, val=replace(ava, min_score=0.9))):
            some = detector.maker.model.person_features(sample.clip[None], [sample.proposals])
            features.append(some.numpy())
            seconds += [int(sample.timestamp)] * len(some)
    writer = BankWriter(windows.val, detector.maker.channels)
    writer.add("clip", np.array(seconds), np.concatenate(features))
    writer.finish()
    return recipe


def samples(recipe: DetectionRecipe) -> list[ActorSample]:
    data = AvaDataset(recipe.val, recipe.clip, recipe.test_transform, training=False)
    found = [data[index] for index in range(len(data))]
    assert all(isinstance(sample, ActorSample) for sample in found)
    return found  # type: ignore[return-value]


def moments_of(
    detector: ActionDetector, folder: Path, *, batch: int | None = None, **options: Any
) -> dict[float, Moment]:
    chosen = DetectOptions(**{"smooth": 0.0} | options)
    stream = detector.open(folder / "clip.mp4", chosen)
    moments = detector.moments(stream.frames(), stream.fps, Crowd(), chosen, batch=batch)
    return {moment.seconds: moment for moment in moments}


def scores_of(moment: Moment) -> np.ndarray:
    return np.stack([actor.probabilities for actor in moment.actors])


@pytest.mark.parametrize("batch", [1, 5])
def test_scores_are_those_of_a_test_with_a_bank_of_the_same_boxes(
    detector: ActionDetector, recipe: DetectionRecipe, folder: Path, batch: int
) -> None:
    found = moments_of(detector, folder, batch=batch)
    assert list(found) == list(range(LENGTH))
    tested = run_detection_test(detector.model, recipe).frames
    peopled = [second for second in range(LENGTH) if crowd_at(second) < 2]
    assert [frame.timestamp for frame in tested] == peopled
    for frame in tested:
        scores = scores_of(found[frame.timestamp])
        taking_part = [4, 2][crowd_at(int(frame.timestamp))]
        assert len(frame.scores) == taking_part <= len(scores) == 4  # and 3 or 1 in the bank
        np.testing.assert_allclose(scores[:taking_part], frame.scores[:, 1:], atol=1e-6)
    assert [second for second in found if not found[second].actors] == [3, 8]


def test_only_the_past_is_a_window_whose_later_seconds_are_zeros(
    detector: ActionDetector, recipe: DetectionRecipe, folder: Path
) -> None:
    assert recipe.bank is not None
    found = moments_of(detector, folder, only_past=True)
    whole = moments_of(detector, folder)
    bank, changes = Bank(recipe.bank.val), []
    for sample in samples(recipe):
        second = int(sample.timestamp)
        window = bank.window("clip", second, seconds=SECONDS, per_second=PER_SECOND)
        window[(SECONDS // 2 + 1) * PER_SECOND :] = 0
        with torch.inference_mode():
            logits = detector.model(sample.clip[None], [sample.proposals], window[None])
        expected = logits.sigmoid()[:, 1:].numpy()
        scores = scores_of(found[second])
        np.testing.assert_allclose(scores[: len(expected)], expected, atol=1e-6)
        changes.append(np.abs(scores - scores_of(whole[second])).max())
    assert max(changes[:-1]) > 1e-4 and changes[-1] < 1e-6  # the last second has no future


def test_key_frames_within_a_second_do_not_change_the_bank(
    detector: ActionDetector, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    often, once = moments_of(detector, folder, rate=2), moments_of(detector, folder)
    assert len(often) == 2 * len(once)
    for second, moment in once.items():
        assert len(moment.actors) == len(often[second].actors)
        if moment.actors:
            np.testing.assert_allclose(scores_of(often[second]), scores_of(moment), atol=1e-6)
    assert "stay empty" not in caplog.text
    seldom = moments_of(detector, folder, rate=0.5)
    assert list(seldom) == [0, 2, 4, 6, 8, 10]
    assert caplog.text.count("0.5 key frames a second: the seconds between them stay empty") == 1
    assert np.abs(scores_of(seldom[4]) - scores_of(once[4])).max() > 1e-4


def test_a_file_is_seen_with_its_future_and_a_live_stream_without_delay(
    detector: ActionDetector, folder: Path
) -> None:
    latest: list[tuple[float, float]] = []  # of a moment, and the frame that it took
    found: list[Moment] = []
    read = 0.0

    def progress(frame: TimedFrame) -> None:
        nonlocal read
        read = frame.seconds

    def each(moment: Moment) -> None:
        latest.append((moment.seconds, read))
        found.append(moment)

    options = DetectOptions(smooth=0)
    stream = detector.open(folder / "clip.mp4", options)
    for live in (False, True):
        latest.clear()
        found.clear()
        with Outputs(detector, options) as outputs:
            detect_video(
                detector, replace(stream, is_live=live), Crowd(), options, outputs,
                each=each, progress=progress,
            )  # fmt: skip
        delays = [read - seconds for seconds, read in latest if seconds < LENGTH - AHEAD - 1]
        past = moments_of(detector, folder, only_past=live)
        for moment in found:
            if moment.actors:
                same = scores_of(past[moment.seconds])
                np.testing.assert_array_equal(scores_of(moment), same)
        wait = 0 if live else AHEAD
        # and the rest of a clip: a frame three after the key frame, and one to know that
        assert len(delays) == LENGTH - AHEAD - 1 and set(np.round(delays, 6)) == {wait + 0.4}


@pytest.mark.parametrize(("rate", "batch"), [(1, 1), (3, 1), (1, 4)])
@pytest.mark.parametrize("only_past", [False, True])
def test_few_clips_wait_at_a_time(
    detector: ActionDetector, rate: int, batch: int, only_past: bool
) -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def clips() -> Iterator[KeyClip[Present]]:
        nonlocal alive, most
        for number in range(40 * rate):
            seconds = number / rate
            frames = np.zeros((4, 32, 32, 3), np.uint8)
            weakref.finalize(frames, gone)
            alive += 1
            most = max(most, alive)
            persons = TwoPersons(until=20)(frames[0], seconds)
            yield KeyClip(seconds, number, Present(persons, np.zeros(2), persons.boxes), frames)
            del frames

    assert detector.maker is not None
    given = 0
    for clip in detector.maker.with_windows(clips(), batch, only_past=only_past):
        assert (clip.window is not None) == bool(len(clip.seen.persons))
        given += 1
        if given == 15 * rate:
            full = most
        if given == 25 * rate:
            most = 0
        if given == 30 * rate:
            assert most <= 2 * batch  # nobody is there: no frames wait
    assert given == 40 * rate
    ahead = 0 if only_past else AHEAD
    assert rate * ahead < full <= rate * ahead + 2 * batch


def test_a_stop_tells_what_is_known_until_then(
    detector: ActionDetector, folder: Path, tmp_path: Path
) -> None:
    options = DetectOptions(smooth=0)
    stream = detector.open(folder / "clip.mp4", options)
    seen: list[int] = []
    with Outputs(detector, options, tmp_path / "o.jsonl") as outputs:
        detect_video(
            detector, stream, Crowd(), options, outputs,
            out=tmp_path / "o.mp4",
            progress=lambda frame: seen.append(frame.number),
            stop=lambda: len(seen) >= 75,
        )  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line["seconds"] for line in lines] == list(range(8))
    assert [len(line["persons"]) for line in lines] == [4, 4, 4, 0, 4, 4, 4, 4]
    with praxiscope.open_video(tmp_path / "o.mp4") as copy:
        assert copy.num_frames == 75


def test_the_command_makes_the_bank(
    folder: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [str(folder / "clip.mp4"), "--model", str(folder / "banked.py"), "--device", "cpu"]
    inputs += ["--checkpoint", str(folder / "reader.pth"), "--persons", "frame", "--seconds", "4"]
    assert main(["detect", *inputs]) == 2
    error = capsys.readouterr().err
    assert "banked.py reads a feature bank" in error and "--bank-checkpoint FILE" in error
    inputs += ["--bank-checkpoint", str(folder / "maker.pth"), "--threshold", "0"]
    assert main(["detect", *inputs, "--json", "whole.jsonl"]) == 0
    assert main(["detect", *inputs, "--json", "past.jsonl", "--only-past"]) == 0
    whole, past = (
        [json.loads(line) for line in Path(name).read_text().splitlines()]
        for name in ("whole.jsonl", "past.jsonl")
    )
    assert len(whole) == len(past) == 4 and whole[0] != past[0]
    assert main(["detect", *inputs, "--json", str(folder / "maker.pth")]) == 2
    assert (folder / "maker.pth").stat().st_size > 1000


def test_the_recipe_may_name_the_maker(folder: Path) -> None:
    named = [f"bank.checkpoint={folder / 'maker.pth'}"]
    detector = load_detector(folder / "banked.py", folder / "reader.pth", overrides=named)
    assert detector.maker is not None
    assert detector.maker.checkpoint == folder / "maker.pth"


def test_a_maker_that_cannot_be_used_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    def load(maker: Path) -> ActionDetector:
        return load_detector(folder / "banked.py", folder / "reader.pth", bank_checkpoint=maker)

    with pytest.raises(CheckpointError, match="there is no checkpoint .*nothing.pth"):
        load(tmp_path / "nothing.pth")
    entry = load_recipe(folder / "banked.py", (), kind=DetectionRecipe).model
    other = replace(entry, bank=None, network=replace(entry.network, width=8))
    save_weights(other.build(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no feature bank can be made for .*another model"):
        load(tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"made for .*reader.pth belongs to another"):
        load(folder / "reader.pth")
    broken = made_up.fill(replace(entry, bank=None).build())
    nn.init.constant_(next(broken.parameters()), torch.nan)
    save_weights(broken, tmp_path / "broken.pth")
    with pytest.raises(CheckpointError, match="broken.pth gives features that no bank can hold"):
        moments_of(load(tmp_path / "broken.pth"), folder)
    plain = write_detector(tmp_path)
    with pytest.raises(RecipeError, match="reads no feature bank.*leave out --bank-checkpoint"):
        load_detector(*plain, bank_checkpoint=folder / "maker.pth")


def test_a_maker_of_other_classes_will_do(folder: Path, tmp_path: Path) -> None:
    entry = load_recipe(folder / "banked.py", (), kind=DetectionRecipe).model
    other = replace(entry, bank=None, network=replace(entry.network, num_classes=9))
    save_weights(made_up.fill(other.build()), tmp_path / "nine.pth")
    load_detector(
        folder / "banked.py", folder / "reader.pth", bank_checkpoint=tmp_path / "nine.pth"
    )


def test_another_maker_than_that_of_the_training_is_warned_of(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    model = load_recipe(folder / "banked.py", (), kind=DetectionRecipe).model.build()
    used = (folder / "maker.pth").read_bytes()
    for digest in (sha256(used).hexdigest(), sha256(b"another").hexdigest()):
        assert "with a feature bank of other weights" not in caplog.text
        meta = {**recorded_by(model), "bank_checkpoint": digest}
        torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "reader.pth")
        load_detector(
            folder / "banked.py", tmp_path / "reader.pth", bank_checkpoint=folder / "maker.pth"
        )
    assert (
        f"with a feature bank of other weights (SHA-256 {sha256(b'another').hexdigest()[:8]}...)"
        in caplog.text
    )


@pytest.mark.parametrize("batch", [1, 4])
def test_a_gap_in_a_stream_is_a_gap_in_the_bank(detector: ActionDetector, batch: int) -> None:
    assert detector.maker is not None
    seconds = [0, 1, 2, 3, 5, 1000, 1001, 1004]
    noise = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    persons = TwoPersons()(noise[0], 0)
    seen = Present(persons, np.array([1, 2]), persons.boxes * np.float32(32))
    clips = (KeyClip(float(second), second, seen, noise) for second in seconds)
    found = {}
    for clip in detector.maker.with_windows(clips, batch, only_past=False):
        assert clip.window is not None
        assert clip.window.shape == (SECONDS * PER_SECOND, detector.maker.channels)
        filled = clip.window.unflatten(0, (SECONDS, -1)).flatten(1).any(1).nonzero()
        first = clip.second - SECONDS // 2
        found[clip.second] = [first + place for place in filled.flatten().tolist()]
    assert found == {t: [s for s in seconds if t - 3 <= s <= t + 2] for t in seconds}
