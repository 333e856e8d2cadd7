"""The whole way in a few minutes: generate videos, train, test, and tell how it went on one page.

Everything lies below one folder::

    out/data/               the generated videos and their lists
    out/motion/             the training run: checkpoints, logs
    out/one_frame/          the same for the network that sees one frame
    out/checkpoint.pth      the weights after the last epoch, with the names of the classes
    out/predictions.json    one score vector a test video, in list order
    out/predictions.csv     video, label, prediction, probability
    out/report.html         curves, confusion matrix, clips that play, settings
    out/quickstart.json     the figures; written last
"""

import csv
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from praxiscope.apps.quickstart_parts import generate, machine, read_curves, say
from praxiscope.apps.report import ClipResult, Curve, Report, choose_clips, write_report
from praxiscope.data.lists import VideoList, class_names
from praxiscope.data.synthetic import MotionDataset, MotionVideos, Split, write_motion_dataset
from praxiscope.engine.checkpoints import StoppedError
from praxiscope.engine.recognition import Scored
from praxiscope.engine.results import check_writable, write_results
from praxiscope.engine.testing import ScoreOptions, run_test
from praxiscope.engine.trainer import Devices
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.files import write_atomically
from praxiscope.models.recognizer import Recognizer
from praxiscope.recipe import Recipe, load_recipe
from praxiscope.zoo.weights import save_weights

RECIPE = "quickstart_motions"
CURVES = {"train loss": "train/loss_epoch", "train accuracy": "train/top1_acc_epoch"}


@dataclass(frozen=True, kw_only=True)
class QuickstartSize:
    """How much is generated and trained. The defaults are the quickstart; tests take less.

    Args:
        overrides: Of the recipe's fields, as ``schedule.epochs=1``.
    """

    train_per_class: int = 80
    test_per_class: int = 30
    videos: MotionVideos = field(default_factory=MotionVideos)
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quickstart:
    """What a quickstart gave, as in ``quickstart.json``."""

    top1: float
    one_frame_top1: float
    test_videos: int
    seconds: float  # of everything, the generation of the videos included
    checkpoint: Path
    report: Path

    def as_json(self) -> str:
        """Return the fields as the text of ``quickstart.json``."""
        return json.dumps(vars(self), indent=2, default=str) + "\n"


@dataclass(frozen=True)
class _Run:
    """One network, trained and tested."""

    model: Recognizer
    curves: tuple[Curve, ...]
    scored: Scored  # scores (N, K), labels (N,)
    top1: float
    train_seconds: float
    test_seconds: float


def quickstart(
    out: Path,
    *,
    size: QuickstartSize | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> Quickstart:
    """Generate, train, test and report below ``out``; return the figures.

    A second call into the same folder keeps the videos and replaces the results. The network of the
    last epoch is tested, once: nothing is chosen by the test videos.

    Args:
        seed: Of the weights and of everything random in training; the videos have their own.

    Raises:
        PraxiscopeError: ``out`` cannot be written, or holds videos that were not generated here.
        StoppedError: Ctrl-C or SIGTERM while training.
    """
    started = time.monotonic()
    size = size or QuickstartSize()
    console = console or Console(stderr=True)
    out = Path(out).absolute()
    done = out / "quickstart.json"
    check_writable(done)
    done.unlink(missing_ok=True)  # it stands for a whole run

    dataset = _generate(out / "data", size, console)
    generated = time.monotonic() - started
    recipe = _recipe(dataset, size)
    names = class_names(recipe.val) or ()
    try:
        motion = _run(recipe, out / "motion", f"{recipe.clip.frames} frames", seed=seed)
        still = _run(recipe, out / "one_frame", "one frame", seed=seed, one_frame=True)
    except StoppedError as stopped:
        raise StoppedError(
            f"the quickstart was stopped. The same command begins again and keeps the videos in "
            f"{dataset.root}."
        ) from stopped

    checkpoint, report = out / "checkpoint.pth", out / "report.html"
    save_weights(motion.model, checkpoint, names)
    clips = list(_results(motion.scored, recipe.val, names))
    write_results(out / "predictions.json", motion.scored.scores)
    _write_table(out / "predictions.csv", clips, dataset.videos("test"))
    settings = _settings(recipe, size, seed, generated, motion, still)
    write_report(report, _page(motion, still, clips, names, settings))
    result = Quickstart(
        top1=motion.top1,
        one_frame_top1=still.top1,
        test_videos=len(clips),
        seconds=round(time.monotonic() - started, 1),
        checkpoint=checkpoint,
        report=report,
    )
    write_atomically(done, lambda file: file.write(result.as_json().encode()))
    _say(console, result, clips[0].video)
    return result


def _generate(root: Path, size: QuickstartSize, console: Console) -> MotionDataset:
    """Write the videos that are not there yet, under a bar."""
    return generate(
        lambda progress: write_motion_dataset(
            root,
            train_per_class=size.train_per_class,
            test_per_class=size.test_per_class,
            videos=size.videos,
            progress=progress,
        ),
        console,
    )


def _recipe(dataset: MotionDataset, size: QuickstartSize) -> Recipe:
    """Return the recipe with the lists of this dataset."""
    recipe = load_recipe(RECIPE, size.overrides, kind=Recipe)

    def here(videos: VideoList, split: Split) -> VideoList:
        files = dataset.list_file(split)
        root, names = dataset.videos(split), dataset.label_map
        return replace(videos, root=root, annotations=files, label_map=names)

    return replace(recipe, train=here(recipe.train, "train"), val=here(recipe.val, "test"))


def _run(recipe: Recipe, folder: Path, name: str, *, seed: int, one_frame: bool = False) -> _Run:
    """Train and test one network; with ``one_frame`` on clips that are one frame, repeated."""
    devices = Devices(count=1)
    started = time.monotonic()
    options = TrainOptions(validate=False, seed=seed, one_frame=one_frame, devices=devices)
    trained = run_training(recipe, folder, options, name=f"train on {name}")
    between = time.monotonic()
    tested = run_test(
        trained.model,
        recipe,
        ScoreOptions(seed=seed, one_frame=one_frame, work_dir=folder, devices=devices),
        name=f"test on {name}",
    )
    return _Run(
        model=trained.model,
        curves=read_curves(trained.curves, name, CURVES),
        scored=tested.scored,
        top1=tested.metrics["top1_acc"],
        train_seconds=between - started,
        test_seconds=time.monotonic() - between,
    )


def _results(scored: Scored, videos: VideoList, names: Sequence[str]) -> Iterator[ClipResult]:
    """Yield what the network made of each test video, in list order."""
    for video, label, scores in zip(scored.videos, scored.labels, scored.scores, strict=True):
        by_name = dict(zip(names, scores.tolist(), strict=True))
        yield ClipResult(videos.root / video, names[int(label)], by_name)


def _write_table(path: Path, clips: Sequence[ClipResult], root: Path) -> None:
    """Write one line a test video, for people and spreadsheets."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["video", "label", "prediction", "probability"])
    for clip in clips:
        video = clip.video.relative_to(root).as_posix()
        probability = f"{clip.scores[clip.prediction]:.4f}"
        table.writerow([video, clip.label, clip.prediction, probability])
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def _page(
    motion: _Run,
    still: _Run,
    clips: Sequence[ClipResult],
    names: Sequence[str],
    settings: Mapping[str, str],
) -> Report:
    """Return the contents of the report."""
    labels, predictions = motion.scored.labels.numpy(), motion.scored.scores.argmax(1).numpy()
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return Report(
        title="Praxiscope quickstart",
        headline={
            "top-1 accuracy": f"{100 * motion.top1:.1f}%",
            "top-1 given one frame": f"{100 * still.top1:.1f}%",
            "chance": f"{100 / len(names):.1f}%",
            "test videos": str(len(clips)),
        },
        curves=[*motion.curves, *still.curves],
        class_names=names,
        confusion=counts,
        clips=choose_clips(clips),
        settings=settings,
        notes=(
            "A small SlowFast, trained from scratch on generated videos of moving shapes, and "
            "tested on videos that it has not seen, once, after the last epoch. The same network, "
            "trained as long on clips that repeat their centre frame, shows how little one frame "
            "tells about a motion."
        ),
    )


def _settings(
    recipe: Recipe,
    size: QuickstartSize,
    seed: int,
    generated: float,
    motion: _Run,
    still: _Run,
) -> dict[str, str]:
    """Return what somebody needs to judge the figures, or to repeat them."""
    clip, optim, views, videos = recipe.clip, recipe.optim, recipe.test_views, size.videos
    classes = recipe.model.num_classes
    return {
        "recipe": RECIPE,
        "model": repr(recipe.model),
        "parameters": f"{sum(p.numel() for p in motion.model.parameters()):,}",
        "videos": f"{classes * size.train_per_class} to train, {classes * size.test_per_class} "
        f"to test, {videos.width} x {videos.height}, {videos.frames} frames",
        "clip": f"{clip.frames} frames, one every {clip.stride}",
        "augmentation": repr(recipe.train_transform),
        "test views": f"{views.num_clips} clips x {views.crops} crops of {views.size} pixels",
        "optimiser": f"{optim}, {recipe.schedule}",
        "seed": f"{seed}; of the videos {videos.seed}",
        "machine": machine(),
        "seconds": f"videos {generated:.0f}; training {motion.train_seconds:.0f}, with one frame "
        f"{still.train_seconds:.0f}; testing {motion.test_seconds:.0f}, with one frame "
        f"{still.test_seconds:.0f}",
    }


def _say(console: Console, result: Quickstart, video: Path) -> None:
    """Print the figures, where things are, and what to do next."""
    say(
        console,
        f"top-1 on {result.test_videos} unseen videos: {result.top1:.3f}; "
        f"given one frame: {result.one_frame_top1:.3f}; {result.seconds:.0f} seconds in all.",
        f"report:      {result.report}",
        f"checkpoint:  {result.checkpoint}",
        f"predictions: {result.report.with_name('predictions.csv')}",
        "Next: open the report in a browser; look at one video with",
        f"  praxiscope predict {video} --model {RECIPE} --checkpoint {result.checkpoint}",
        f"or copy the recipe {RECIPE}.py for videos of your own and run praxiscope train on it.",
    )
