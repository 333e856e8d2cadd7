"""The whole way of detection in a few minutes: generate videos, train, test, tell how it went.

Four detectors are trained that differ in one setting each, on the same key frames for as many
steps. Everything lies below one folder::

    out/data/                       the generated videos, annotations, proposals
    out/plain/                      a training run: checkpoints, logs
    out/plain/checkpoint.pth        the weights after the last epoch, with the names of the classes
    out/plain/detections.csv        what they find in the test videos, in the published layout
    out/context/ ...                the same with the whole frame beside every actor
    out/temporal_max/ ...           the same with the maximum over time instead of the mean
    out/acrn/ ...                   the same with actor-centric relations
    out/report.html                 mAP, labels by what tells them, key frames, curves, settings
    out/quickstart_detection.json   the figures; written last
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from praxiscope.apps.detection_report import DetectorResult, write_detection_report
from praxiscope.apps.quickstart_networks import (
    NETWORKS,
    Network,
    NetworkRun,
    checkpoint_of,
    run_all,
)
from praxiscope.apps.quickstart_parts import generate, machine, say
from praxiscope.data.ava_lists import KeyFrame, read_key_frames
from praxiscope.data.synthetic_actors import GROUPS
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.checkpoints import StoppedError
from praxiscope.engine.detections import evaluate_frames
from praxiscope.engine.results import check_writable
from praxiscope.files import write_atomically
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.types import ScoredFrame

RECIPE = "quickstart_actors"
NOTES = (
    "Small SlowOnly detectors, trained from scratch on generated videos of several actors with one "
    "to five labels each, and tested once on videos that they have not seen. They differ in one "
    "setting and were trained alike. The class prior gives every proposed box the share of the "
    "training actors that have a label. Motion is how an actor's box is filled over time; brief, a "
    "tenth of a second of it; scene, a lamp at the end of the frame, away from the actors; "
    "relation, the kinds of two actors together."
)


@dataclass(frozen=True, kw_only=True)
class DetectionSize:
    """How much is generated and trained. The defaults are the quickstart; tests take less.

    Args:
        overrides: Of the recipe's fields, as ``schedule.epochs=1``.
    """

    train_videos: int = 100
    val_videos: int = 30
    videos: ActorVideos = field(default_factory=ActorVideos)
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class DetectionQuickstart:
    """What a quickstart gave, as in ``quickstart_detection.json``."""

    mean_precision: dict[str, float]  # mAP by the network's name, the class prior first
    by_group: dict[str, dict[str, float]]  # group of labels -> network -> mean AP
    test_key_frames: int
    seconds: float  # of everything, the generation of the videos included
    checkpoints: dict[str, Path]  # by the network's name
    report: Path

    def as_json(self) -> str:
        """Return the fields as the text of ``quickstart_detection.json``."""
        return json.dumps(vars(self), indent=2, default=str) + "\n"


def quickstart_detection(
    out: Path,
    *,
    size: DetectionSize | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> DetectionQuickstart:
    """Generate, train, test and report below ``out``; return the figures.

    A second call into the same folder keeps the videos and replaces the results. Each network is
    tested once, after its last epoch: nothing is chosen by the test videos.

    Args:
        seed: Of the weights and of everything random in training; the videos have their own.

    Raises:
        PraxiscopeError: ``out`` cannot be written, or holds videos that were not generated here.
        StoppedError: Ctrl-C or SIGTERM while training.
    """
    started = time.monotonic()
    size = size or DetectionSize()
    console = console or Console(stderr=True)
    out = Path(out).absolute()
    done = out / "quickstart_detection.json"
    check_writable(done)
    done.unlink(missing_ok=True)  # it stands for a whole run

    data = generate(
        lambda progress: write_ava_dataset(
            out / "data",
            train_videos=size.train_videos,
            val_videos=size.val_videos,
            videos=size.videos,
            progress=progress,
        ),
        console,
    )
    generated = time.monotonic() - started
    recipe = _recipe(data, size)
    prior = _class_prior(recipe)
    recipes = {network: _recipe(data, size, network) for network in NETWORKS}
    try:
        runs = run_all(recipes, out, seed)
    except (StoppedError, KeyboardInterrupt) as stopped:
        raise StoppedError(
            f"the quickstart was stopped. The same command begins again and keeps the videos in "
            f"{data.root}."
        ) from stopped

    detectors = [run.result for run in runs]
    report = out / "report.html"
    write_detection_report(
        report,
        prior,
        detectors,
        groups=GROUPS,
        ava=recipe.val,
        settings=_settings(recipe, size, seed, generated, runs),
        notes=NOTES,
    )
    found = {one.name: one.by_group(GROUPS) for one in (prior, *detectors)}
    result = DetectionQuickstart(
        mean_precision={one.name: one.mean_precision for one in (prior, *detectors)},
        by_group={g: {name: of[g] for name, of in found.items()} for g in GROUPS},
        test_key_frames=len(prior.frames),
        seconds=round(time.monotonic() - started, 1),
        checkpoints={network.name: checkpoint_of(out, network) for network in NETWORKS},
        report=report,
    )
    write_atomically(done, lambda file: file.write(result.as_json().encode()))
    _say(console, result, data, prior.frames[0].video)
    return result


def _recipe(
    data: AvaDatasetFiles, size: DetectionSize, network: Network = NETWORKS[0]
) -> DetectionRecipe:
    """Return the recipe of a network with the lists of this dataset."""
    overrides = (*network.overrides, *size.overrides)
    recipe = load_recipe(RECIPE, overrides, kind=DetectionRecipe)
    return replace(recipe, train=data.list("train"), val=data.list("val"))


def _class_prior(recipe: DetectionRecipe) -> DetectorResult:
    """Score every proposal with the share of the training actors that have each label."""
    outputs = recipe.model.num_classes
    shares = np.concatenate([k.targets(outputs) for k in read_key_frames(recipe.train)]).mean(0)
    frames = tuple(_scored(moment, shares) for moment in read_key_frames(recipe.val))
    found = evaluate_frames(
        frames, recipe.val, min_score=recipe.min_score, protocol=recipe.protocol
    )
    return DetectorResult(
        name="class prior",
        mean_precision=found["mAP@0.5IOU"],
        per_class=found["AP"],
        frames=frames,
    )


def _scored(moment: KeyFrame, shares: np.ndarray) -> ScoredFrame:
    boxes = moment.boxes if moment.proposals is None else moment.proposals
    scores = np.tile(shares.astype(np.float32), (len(boxes), 1))
    truth = moment.boxes, moment.targets(len(shares))
    return ScoredFrame(moment.video, moment.timestamp, boxes, scores, *truth)


def _settings(
    recipe: DetectionRecipe,
    size: DetectionSize,
    seed: int,
    generated: float,
    runs: Sequence[NetworkRun],
) -> dict[str, str]:
    """Return what somebody needs to judge the figures, or to repeat them."""
    videos = size.videos
    sums = (f"{run.result.name} {run.parameters:,}" for run in runs)
    times = (f"{r.result.name} {r.train_seconds:.0f} + {r.test_seconds:.0f}" for r in runs)
    return {
        "recipe": RECIPE,
        "networks": "; ".join(
            f"{n.name}: {', '.join(n.overrides) or 'as it is'}" for n in NETWORKS
        ),
        "model": repr(recipe.model),
        "parameters": "; ".join(sums),
        "videos": f"{size.train_videos} to train, {size.val_videos} to test, {videos.width} x "
        f"{videos.height}, {videos.seconds} seconds at {videos.fps} frames a second",
        "clip": f"{recipe.clip.frames} frames, one every {recipe.clip.stride}",
        "optimiser": f"{recipe.optim}, {recipe.schedule}",
        "protocol": recipe.protocol,
        "seed": f"{seed}; of the videos {videos.seed}",
        "machine": machine(),
        "seconds": f"videos {generated:.0f}; training + testing: {'; '.join(times)}",
    }


def _say(console: Console, result: DetectionQuickstart, data: AvaDatasetFiles, shown: str) -> None:
    """Print the figures, where things are, and what to do next."""
    means = ", ".join(f"{name} {mean:.3f}" for name, mean in result.mean_precision.items())
    compared = (
        f"{n.name} on {n.meant_for} labels {result.by_group[n.meant_for][n.name]:.3f} "
        f"(plain {result.by_group[n.meant_for]['plain']:.3f})"
        for n in NETWORKS
        if n.meant_for
    )
    checkpoint = result.checkpoints["plain"]
    video, proposals = data.folder / f"{shown}.mp4", data.proposals("val")
    say(
        console,
        f"mAP on {result.test_key_frames} unseen key frames: {means}.",
        f"{'; '.join(compared)}; {result.seconds:.0f} seconds in all.",
        f"report:      {result.report}",
        f"checkpoint:  {checkpoint}",
        f"detections:  {checkpoint.with_name('detections.csv')}",
        "Next: open the report in a browser; look at one video with",
        f"  praxiscope detect {video} --model {RECIPE} --checkpoint {checkpoint} --persons "
        f"{proposals} --first-timestamp {data.videos.first_timestamp:g} --out detected.mp4",
        f"or copy the recipe {RECIPE}.py for videos of your own and run praxiscope train on it.",
    )
