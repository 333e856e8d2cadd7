"""What a feature bank is worth: detectors with one and without, on labels that tell the past.

In generated videos of 26 seconds everybody shines yellow, cyan or not at all for two seconds, which
begin in the first six. Whoever is there 5 to 20 seconds later remembers the colour, which no
picture of that moment shows.
For every seed, videos and weights alike:

1. a plain detector is trained on all labels, and fills the banks;
2. from its backbone, with fresh heads, for as long, go on: the plain detector, and detectors that
   read the banks.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.timing import Row
from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.data.ava_lists import KeyFrame, read_key_frames
from praxiscope.data.batch import num_cores
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_actors import GLOW_SECONDS, Glow
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.bank_filling import bank_metadata, fill_bank
from praxiscope.engine.detections import evaluate_frames
from praxiscope.engine.testing import run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.bank_ops import BankOperator
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import (
    BankWindows,
    Cosine,
    DetectionRecipe,
    Loader,
    Sgd,
    bank_recipe_of,
)
from praxiscope.types import ScoredFrame

SEEDS = (1, 2, 3)
WINDOW = 40  # seconds, half of them before the key frame: as far as persons remember
PROTOCOL = "activitynet"
OPERATORS: tuple[BankOperator, ...] = ("nonlocal", "max")
WITHOUT = "no bank"
SWAPPED = "bank of another video"  # the nonlocal detector, tested with one
KNOWN = "colours in the window known"  # no detector: a score of 1 for those
# Seconds after a glow's last one, the first and the last of a span.
SPANS = ((-99, -2), (-1, 0), (1, 4), (5, 12), (13, 20), (21, 99))


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is generated and trained."""

    train_videos: int = 80
    val_videos: int = 30
    videos: ActorVideos = field(
        default_factory=lambda: ActorVideos(
            seconds=26, height=32, width=96, actors=2, glows=2 / 3, false_proposals=0.1
        )
    )
    epochs: int = 5  # of the detector that fills the banks
    further_epochs: int = 3  # of each of those that go on from it


@dataclass(frozen=True)
class Outcome:
    """What one detector reached, in per cent."""

    memory: float  # mean AP
    others: float  # mean AP
    spans: tuple[float, ...]  # of SPANS: mean probability of remembering the video's colour


def rows(seeds: Sequence[int] = SEEDS, size: Size | None = None) -> Iterator[Row]:
    """Yield AP and probabilities, with a bank as ours: of every seed, then the means."""
    processes = min(len(seeds), num_cores())
    work = partial(_compare, size=size or Size(), threads=max(1, num_cores() // processes))
    found: dict[int, dict[str, Outcome]] = {}
    for seed, outcomes in in_processes(work, seeds, processes):
        if isinstance(outcomes, Crashed):
            raise SystemExit(f"long_term: the process of seed {seed} ended without a word.")
        found[seed] = outcomes
    for seed in seeds:
        yield from _rows(f"seed {seed}", [found[seed]])
    everything = [found[seed] for seed in seeds]
    yield from _rows("mean", everything)
    for number, (first, last) in enumerate(SPANS):
        ours, theirs = (
            mean(one[name].spans[number] for one in everything) for name in ("nonlocal", WITHOUT)
        )
        yield Row(f"remembers, {first} to {last} s after a glow", WITHOUT, ours, theirs, "%")


def _rows(of: str, found: Sequence[dict[str, Outcome]]) -> Iterator[Row]:
    for operator in OPERATORS:
        for peer in (WITHOUT, SWAPPED, KNOWN) if operator == "nonlocal" else (WITHOUT,):
            ours, theirs = (mean(one[name].memory for one in found) for name in (operator, peer))
            yield Row(f"{of}: memory, {operator}", peer, ours, theirs, "AP")
        ours, theirs = (mean(one[name].others for one in found) for name in (operator, WITHOUT))
        yield Row(f"{of}: other labels, {operator}", WITHOUT, ours, theirs, "AP")


def _compare(seed: int, *, size: Size, threads: int) -> dict[str, Outcome]:
    torch.set_num_threads(threads)
    with redirect_stderr(StringIO()), tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), seed, size)


def compare(folder: Path, seed: int, size: Size) -> dict[str, Outcome]:
    """Return what the detectors of one seed reach, by operator."""
    data = write_ava_dataset(
        folder / "data",
        train_videos=size.train_videos,
        val_videos=size.val_videos,
        videos=replace(size.videos, seed=seed),
        workers=1,
    )
    options = TrainOptions(validate=False, seed=seed)
    recipe = _recipe(data, epochs=size.epochs, lr=0.4)
    plain = run_training(recipe, folder / "plain", options)
    for mode in ("train", "val"):
        of_bank = replace(bank_recipe_of(recipe, folder=folder), dataset_mode=mode)
        fill_bank(plain.model, of_bank, metadata=bank_metadata(of_bank, "long_term", plain.latest))
    start = folder / "start.safetensors"
    save_file(_backbone(plain.model), start)
    onward = replace(_recipe(data, epochs=size.further_epochs, lr=0.05), start=str(start))
    found = {KNOWN: _outcome(_known(data), data)}
    for operator in (None, *OPERATORS):
        own = onward if operator is None else _with_bank(onward, operator, folder)
        name = operator or WITHOUT
        trained = run_training(own, folder / name, options)
        found[name] = _outcome(run_detection_test(trained.model, own).frames, data)
        if operator == "nonlocal":
            assert own.bank is not None
            swapped = replace(own.bank, val=_swapped(own.bank.val))
            tested = run_detection_test(trained.model, replace(own, bank=swapped))
            found[SWAPPED] = _outcome(tested.frames, data)
    return found


def _recipe(data: AvaDatasetFiles, *, epochs: int, lr: float) -> DetectionRecipe:
    """Return the plain detector: the quickstart's on smaller pictures."""
    whole = BoxTransform(short_side=(32, 32), size=None, flip=0)
    outputs = len(data.videos.labels) + 1
    return DetectionRecipe(
        model=ActorDetector(
            network=SlowOnly(depth=14, num_classes=outputs, width=8, dropout=0.0, block_start=0.5)
        ),
        clip=Clip(frames=4, stride=2),
        train=data.list("train"),
        val=data.list("val"),
        train_transform=whole,
        test_transform=whole,
        box_limit=8,
        protocol=PROTOCOL,
        optim=Sgd(lr=lr, batch=16, clip_norm=2.0),
        schedule=Cosine(epochs=epochs, warmup_epochs=1, by_epoch=False),
        loader=Loader(videos_per_device=16, workers=0),
        channels_last=True,
    )


def _with_bank(recipe: DetectionRecipe, operator: BankOperator, folder: Path) -> DetectionRecipe:
    """Return a detector that reads what was 20 seconds before and after.

    One person a second is enough: everybody shines at once.
    """
    bank = BankWindows(
        train=folder / "lfb_train.safetensors",
        val=folder / "lfb_val.safetensors",
        seconds=WINDOW,
        per_second=1,
    )
    return replace(recipe, model=replace(recipe.model, bank=operator), bank=bank)


def _backbone(model: Detector) -> dict[str, torch.Tensor]:
    """Return the weights that detectors with and without a bank share."""
    state = model.state_dict()
    return {n: t.contiguous() for n, t in state.items() if n.startswith("backbone.")}


def _swapped(path: Path) -> Path:
    """Write a bank in which every video has the rows of the next one, and return its path."""
    bank, swapped = Bank(path), path.with_name("swapped.safetensors")
    writer = BankWriter(swapped, bank.channels)
    videos = bank.videos()
    for video, other in zip(videos, (*videos[1:], videos[0]), strict=True):
        writer.add(video, *bank.rows(other))
    writer.finish()
    return swapped


def _known(data: AvaDatasetFiles) -> tuple[ScoredFrame, ...]:
    """Return a score of 1 for the colour of a glow in a key frame's window, of 0 for all else."""
    frames = []
    for moment in read_key_frames(data.list("val")):
        assert moment.proposals is not None
        targets = moment.targets(len(data.videos.labels) + 1)
        scores = np.zeros((len(moment.proposals), targets.shape[1]), np.float32)
        glow, since = _glow(data, moment)
        if glow is not None and -WINDOW // 2 < since <= WINDOW // 2:
            scores[:, data.videos.labels.index(f"remember {glow.hue}") + 1] = 1
        truth = moment.boxes, targets
        frames.append(ScoredFrame(moment.video, moment.timestamp, moment.proposals, scores, *truth))
    return tuple(frames)


def _glow(data: AvaDatasetFiles, moment: KeyFrame | ScoredFrame) -> tuple[Glow | None, int]:
    """Return the glow of a key frame's video, and how many seconds ago its last one was."""
    glow = data.videos.scene("val", int(moment.video.removeprefix("val_"))).glow
    second = int(moment.timestamp - data.videos.first_timestamp)
    return glow, second - glow.second - GLOW_SECONDS + 1 if glow else 0


def _outcome(frames: Sequence[ScoredFrame], data: AvaDatasetFiles) -> Outcome:
    groups = data.videos.groups
    found = evaluate_frames(frames, data.list("val"), min_score=0.002, protocol=PROTOCOL)["AP"]
    memory = [found[name] for name in groups["memory"]]
    others = [found[n] for group, own in groups.items() if group != "memory" for n in own]
    spans: list[list[float]] = [[] for _ in SPANS]
    for frame in frames:
        glow, since = _glow(data, frame)
        if glow is None:
            continue
        output = data.videos.labels.index(f"remember {glow.hue}") + 1
        (own,) = (
            s for s, (first, last) in zip(spans, SPANS, strict=True) if first <= since <= last
        )
        own.extend(frame.scores[:, output].tolist())
    return Outcome(
        memory=100 * float(np.nanmean(memory)),
        others=100 * float(np.nanmean(others)),
        spans=tuple(100 * mean(own) if own else float("nan") for own in spans),
    )
