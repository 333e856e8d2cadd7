"""Who does what in a video of one's own, a camera or a stream, in one pass.

Unless they are smoothed, scores equal those of a test on the same key frames, clip for clip and box
for box.
Letters: N clips, n persons of a key frame, T frames, H x W pixels, A classes.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from praxiscope.apps.actors import Actor, FloatArray, Moment, Present
from praxiscope.apps.bank_clips import BankMaker, load_bank_maker
from praxiscope.apps.key_clips import KeyClip, KeyClips, as_tensor, in_batches
from praxiscope.apps.persons import PersonProvider
from praxiscope.apps.predict import find_device, published_names
from praxiscope.apps.streams import FrameStream, TimedFrame, open_stream
from praxiscope.apps.tracks import Smoother, Tracker
from praxiscope.checks import check_number, check_whole
from praxiscope.data.ava import output_names
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import BoxPlan, in_pixels
from praxiscope.data.list_formats import read_text
from praxiscope.errors import CheckpointError, DataError, RecipeError
from praxiscope.models.detector import Detector, actor_probabilities
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.types import Frame
from praxiscope.zoo.create import PUBLISHED, find_checkpoint, load_model

log = logging.getLogger(__name__)

_CLIPS_ON_GPU = 8  # in the network at a time; on a CPU several take as long as one after the other


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """How a video is looked at, and what is said of it.

    Args:
        rate: Key frames a second, at most as many as there are frames.
        smooth: Seconds after which a track's earlier scores weigh half; 0 leaves scores alone.
        threshold: Probability from which an action is written beside a person, and into JSON lines.
        top: How many actions are written beside a person at most.
        seconds: Where to stop; None goes on to the end.
        fps: Of a folder of frame images; None takes the recipe's.
        first_timestamp: What AVA's files call the time of the first frame: in proposals, in csv.
        only_past: Of detectors with a feature bank: they see no later seconds, so nothing has to
            wait for these. None: in live streams.
    """

    rate: float = 1.0
    smooth: float = 1.0
    threshold: float = 0.3
    top: int = 3
    seconds: float | None = None
    fps: float | None = None
    first_timestamp: float = 0.0
    only_past: bool | None = None

    def __post_init__(self) -> None:
        check_number(self.rate, "rate", 1e-3, 1e3)
        check_number(self.smooth, "smooth", 0, 1e6)
        check_number(self.threshold, "threshold", 0, 1)
        check_whole(self.top, "top", least=0)
        check_number(self.first_timestamp, "first_timestamp", 0, 1e8)
        for name in ("seconds", "fps"):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name, 1e-3, 1e8)


@dataclass(frozen=True)
class ActionDetector:
    """A loaded detector with what it needs to look at a video."""

    model: Detector
    recipe: DetectionRecipe
    class_names: tuple[str, ...]  # A, without the background
    checkpoint: Path
    maker: BankMaker | None = None  # if the model reads a feature bank

    def __post_init__(self) -> None:
        assert len(self.class_names) == self.recipe.model.num_classes - 1
        name, times = Counter(self.class_names).most_common(1)[0]
        if times > 1:  # scores are told apart by names
            raise DataError(
                f"{times} classes have the name '{name}': give every class a name of its own with "
                "--labels."
            )

    def open(self, video: str | Path, options: DetectOptions) -> FrameStream:
        """Open a video as :func:`praxiscope.apps.streams.open_stream`, as the options say."""
        stream = open_stream(video, fps=options.fps or self.recipe.val.fps)
        return stream if options.seconds is None else stream.first(options.seconds)

    def moments(
        self,
        frames: Iterator[TimedFrame],
        fps: float,
        persons: PersonProvider,
        options: DetectOptions,
        *,
        batch: int | None = None,
    ) -> Iterator[Moment]:
        """Yield what is seen in every key frame, in order, as soon as its clip is complete.

        Frames are taken one by one and memory does not grow with their number: it holds the frames
        of a clip's span at the size of the recipe's test transform, ``batch`` clips, and one frame
        at full size. A detector with a feature bank waits for the later half of its window, 29
        seconds of the published size, unless ``options.only_past`` is true; memory then holds the
        clips of persons of so many seconds too (:meth:`BankMaker.with_windows`).

        Args:
            fps: About the frames' rate; clips cover the seconds that they did in training anyway.
            persons: Finds the persons of a key frame.
            batch: Key frames in the network at a time, for which the first of them waits; None: 8
                on a GPU, 1 on a CPU.

        Raises:
            CheckpointError: The weights give no numbers.
        """
        batch = batch or (_CLIPS_ON_GPU if self._device.type == "cuda" else 1)
        rate = min(options.rate, fps)
        if rate < options.rate:
            log.warning("there are %g frames a second, of which each is a key frame.", fps)
        gap = max(2.0, 1.5 / rate)
        tracker, smoother = Tracker(max_gap=gap), Smoother(options.smooth, max_gap=gap)
        plans: list[BoxPlan] = []

        def each(picture: Frame) -> Frame:
            if not plans:
                height, width = picture.shape[:2]
                unused = np.random.default_rng(0)  # test transforms draw nothing
                plans.append(self.recipe.test_transform.plan(height, width, unused))
            return plans[0].each(picture)

        def look(picture: Frame, seconds: float) -> Present:
            found, plan = persons(picture, seconds), plans[0]
            pixels = in_pixels(plan.boxes(found.boxes), plan.height, plan.width)
            return Present(found, tracker.update(found, seconds), pixels)

        cuts = KeyClips(self.recipe.clip, fps=self.recipe.val.fps, rate=rate, each=each, look=look)
        clips = cuts.cut(frames, fps)
        if self.maker is not None:
            if rate < 1:
                log.warning(
                    "%g key frames a second: the seconds between them stay empty in the feature "
                    "bank, where training had every second; --rate 1 fills them.",
                    rate,
                )
            clips = self.maker.with_windows(clips, batch, only_past=bool(options.only_past))
        for some in in_batches(clips, batch):
            yield from self._score(some, smoother)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _score(self, clips: Sequence[KeyClip[Present]], smoother: Smoother) -> Iterator[Moment]:
        """Yield a moment for every clip; those without persons do not pass the network."""
        peopled = [clip for clip in clips if len(clip.seen.persons)]
        found = iter(self._probabilities(peopled) if peopled else ())
        for clip in clips:
            persons, tracks = clip.seen.persons, clip.seen.tracks
            if not len(persons):
                yield Moment(clip.seconds, clip.number, ())
                continue
            smoothed = smoother.update(tracks, next(found), clip.seconds)
            people = zip(persons.boxes, persons.scores, tracks, smoothed, strict=True)
            yield Moment(
                clip.seconds,
                clip.number,
                tuple(
                    Actor(box, float(score), int(track), scores, self.class_names)
                    for box, score, track, scores in people
                ),
            )

    def _probabilities(self, clips: Sequence[KeyClip[Present]]) -> tuple[FloatArray, ...]:
        """Return (n, A) probabilities for every clip."""
        boxes = [torch.from_numpy(clip.seen.boxes).to(self._device) for clip in clips]
        windows = [clip.window for clip in clips if clip.window is not None]
        with torch.inference_mode():
            logits = self.model(
                as_tensor(clips).to(self._device),
                boxes,
                torch.stack(windows).to(self._device) if windows else None,
            )
            multi_label = self.recipe.train.multi_label
            scores = actor_probabilities(logits.float(), multi_label=multi_label)[:, 1:].cpu()
        if not scores.isfinite().all():
            raise CheckpointError(
                f"{self.checkpoint} gives no numbers as scores: its weights hold NaN or are far "
                "too large; use an earlier checkpoint of the run."
            )
        sizes = [len(one) for one in boxes]
        return tuple(part.numpy() for part in torch.split(scores, sizes))


def load_detector(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    bank_checkpoint: str | Path | None = None,
    labels: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
) -> ActionDetector:
    """Return a recipe's detector with weights and class names, ready for any number of videos.

    Args:
        model: A recipe's published name or its file.
        checkpoint: A file or the name of a published checkpoint; None downloads the recipe's best
            published one, once.
        bank_checkpoint: The same for the network that made the detector's feature bank; None takes
            the recipe's ``bank.checkpoint``.
        labels: Class names: a pbtxt label map, or a text file, one a line without the background;
            None takes those of the checkpoint, of the recipe's list or, for a published checkpoint,
            the published ones; else numbers.
        overrides: ``field=value``, as ``test_transform.size=None``.
        device: As in torch; None takes a GPU if there is one.

    Raises:
        PraxiscopeError: The recipe is none of detection, or it or the weights cannot be used.
    """
    recipe = load_recipe(model, overrides, kind=DetectionRecipe)
    if recipe.model.channels != 3:
        raise RecipeError(f"{model} is a detector for optical flow; detect takes those for RGB.")
    chosen = find_device(device)
    given = None if labels is None else _read_names(Path(labels), recipe.val)
    file = find_checkpoint(checkpoint or PUBLISHED, model)
    network, report = load_model(recipe.model, file, clip=recipe.clip)
    for warning in report.warnings:
        log.warning("%s", warning)
    network.eval().to(chosen)
    maker = load_bank_maker(recipe, bank_checkpoint, name=str(model), reader=file, device=chosen)
    names = given or _names_of(report.class_names or (), recipe.val)
    if names is None and checkpoint is None:
        names = published_names(model, recipe.val.num_classes - 1)
    return ActionDetector(network, recipe, names or _numbers(recipe.val), file, maker)


def _names_of(recorded: Sequence[str], ava: AvaList) -> tuple[str, ...] | None:
    """Return the names in a checkpoint, or in the recipe's label map, if there are any."""
    count = ava.num_classes - 1
    if len(recorded) in (count, count + 1):  # some files name the background too
        return tuple(recorded[-count:])
    if ava.label_map is not None and ava.label_map.exists():
        return (output_names(ava) or ())[1:]
    return None


def _numbers(ava: AvaList) -> tuple[str, ...]:
    """Return numbers for names, and say so."""
    log.warning(
        "classes are called by their numbers: neither the checkpoint nor a label map%s names them; "
        "--labels FILE does.",
        "" if ava.label_map is None else f" {ava.label_map}",
    )
    return tuple(f"class {label}" for label in ava.labels)


def _read_names(path: Path, ava: AvaList) -> tuple[str, ...]:
    """Return the names of outputs 1 and up from a label map, or from a text, one a line."""
    if path.suffix == ".pbtxt":
        return (output_names(replace(ava, label_map=path)) or ())[1:]
    lines = tuple(line.strip() for line in read_text(path, "file of labels").strip().split("\n"))
    if len(lines) != ava.num_classes - 1:
        raise DataError(
            f"{path} names {len(lines)} classes, one a line, but the recipe has "
            f"{ava.num_classes - 1} without the background."
        )
    return lines
