"""Actions in videos of one's own: files, folders of frames, whole folders.

The test list's code path does the work, so a prediction equals what a test gives for the video.
"""

import glob
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from praxiscope.data.batch import collate
from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.flow import flow_method as find_flow_method
from praxiscope.data.flow import open_flow
from praxiscope.data.lists import Kind, Record, VideoList, class_names
from praxiscope.data.recognition import RecognitionDataset, open_record
from praxiscope.errors import CheckpointError, DataError, PraxiscopeError, RecipeError
from praxiscope.models.recognizer import Average, Recognizer, score_views
from praxiscope.recipe import BankRecipe, Recipe, load_recipe
from praxiscope.types import ItemKey
from praxiscope.zoo.cards import card
from praxiscope.zoo.cards import class_names as published_class_names
from praxiscope.zoo.create import PUBLISHED, find_checkpoint, load_model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """What one video shows."""

    video: Path
    scores: dict[str, float]  # probability of every class, in the order of the classes

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the ``count`` best classes and their probabilities, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:count]

    @property
    def label(self) -> str:
        """The best class."""
        return self.top(1)[0][0]


@dataclass(frozen=True)
class Predictor:
    """A loaded model with what it needs to look at a video."""

    model: Recognizer
    recipe: Recipe
    class_names: tuple[str, ...]
    checkpoint: Path
    flow_method: str = "tvl1"  # how a model of flow gets it from a video file

    def __call__(self, video: str | Path) -> Prediction:
        """Return the probabilities of one video over the recipe's test views, joined as it says.

        Where it averages logits ("score"), these are the softmax of their mean: the ranking that a
        test has. Where it averages nothing, the probabilities are averaged.

        Raises:
            DataError: The video cannot be decoded; the message names it.
            CheckpointError: The weights give no numbers.
        """
        path, recipe = Path(video), self.recipe
        flow = recipe.model.channels == 2
        kind: Kind = "video" if not path.is_dir() else "flow" if flow else "frames"
        computed = partial(open_flow, method=self.flow_method)
        videos = VideoList(root=Path(), num_classes=recipe.model.num_classes, kind=kind)
        threads = torch.get_num_threads()
        records = [Record(str(path), ())]
        try:
            dataset = RecognitionDataset(
                videos,
                recipe.clip,
                recipe.test_views,
                threads=threads,
                records=records,
                open_source=computed if flow else open_record,
            )
            batch = collate([dataset.load(ItemKey(epoch=0, index=0))])
        except DataError as error:  # "., item 0: " is the list's way to name it
            raise type(error)(str(error).partition("item 0: ")[2] or str(error)) from error
        clips = batch.to(next(self.model.parameters()).device).clips
        chunk = recipe.max_testing_views
        with torch.inference_mode():
            joined: Average = "score" if recipe.average == "score" else "prob"
            scores = score_views(self.model, clips, average=joined, max_views=chunk)[0]
        if joined == "score":
            scores = scores.softmax(-1)
        if not scores.isfinite().all():
            raise CheckpointError(
                f"{self.checkpoint} gives no numbers as the scores of {path}: its weights hold NaN "
                "or are far too large; use an earlier checkpoint of the run."
            )
        return Prediction(path, dict(zip(self.class_names, scores.tolist(), strict=True)))

    def __post_init__(self) -> None:
        assert len(self.class_names) == self.recipe.model.num_classes
        name, times = Counter(self.class_names).most_common(1)[0]
        if times > 1:  # scores are told apart by names
            raise DataError(
                f"{times} classes have the name '{name}': give every class a name of its own, one "
                "a line, with --labels."
            )


def load_predictor(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
    flow_method: str = "tvl1",
) -> Predictor:
    """Return a recipe's model with weights and class names, ready for any number of videos.

    Args:
        model: A recipe's published name or its file.
        checkpoint: A file or the name of a published checkpoint; None downloads the recipe's best
            published one, once.
        labels: A file of class names, one a line; None takes those of the checkpoint, of the
            recipe's list, or the published ones.
        overrides: ``field=value``, as ``test_views.clips=1``.
        device: As in torch; None takes a GPU if there is one.
        flow_method: How a model of optical flow gets it from a video file: "tvl1", as published and
            slow, "farneback" or "dis".
    """
    recipe = load_recipe(model, overrides)
    if isinstance(recipe, BankRecipe):
        raise RecipeError(
            f"{model} fills a feature bank: 'praxiscope bank build' does that, and 'praxiscope "
            "detect' says what each person in a video does."
        )
    if not isinstance(recipe, Recipe):
        raise RecipeError(
            f"{model} is a recipe of detection: 'praxiscope detect' says what each person in a "
            "video does."
        )
    chosen = find_device(device)
    find_flow_method(flow_method)  # a misspelt one is found before anything is downloaded
    file = find_checkpoint(checkpoint or PUBLISHED, model)
    network, report = load_model(recipe.model, file, clip=recipe.clip)
    for warning in report.warnings:
        log.warning("%s", warning)
    network.eval().to(chosen)
    names = _class_names(recipe, labels, report.class_names)
    if names is None and checkpoint is None:
        names = published_names(model, recipe.model.num_classes)
    names = names or tuple(f"class {number}" for number in range(recipe.model.num_classes))
    return Predictor(network, recipe, names, file, flow_method)


def find_device(name: str | None = None) -> torch.device:
    """Return a device by torch's name; without one a GPU, if there is any, or the CPU.

    Raises:
        PraxiscopeError: There is no such device on this machine.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" exists, but holds nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        gpus = torch.cuda.device_count()
        raise PraxiscopeError(
            f"there is no device '{name}' on this machine, which has cpu and {gpus} CUDA devices."
        ) from error
    return device


def predict(
    video: str | Path,
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
    flow_method: str = "tvl1",
) -> Prediction:
    """Return what one video shows. See :func:`load_predictor` for the arguments.

    Raises:
        PraxiscopeError: The recipe, checkpoint or video cannot be used; the message says why.
    """
    predictor = load_predictor(
        model,
        checkpoint,
        labels=labels,
        overrides=overrides,
        device=device,
        flow_method=flow_method,
    )
    return predictor(video)


def find_videos(inputs: Sequence[str | Path]) -> list[Path]:
    """Return the videos that files, folders and globs stand for, in order, each once.

    A folder of numbered frame images is one video; any other folder gives the video files below it.

    Raises:
        DataError: An input stands for no video.
    """
    found: dict[Path, None] = {}
    for given in map(str, inputs):
        videos = list(_expand(given))
        if not videos:
            raise DataError(
                f"{given} stands for no video: expected a video file, a folder of videos or of "
                "frame images (img_00001.jpg ...), or a pattern such as 'clips/*.mp4'."
            )
        found |= dict.fromkeys(videos)
    return list(found)


def _expand(given: str) -> Iterator[Path]:
    path = Path(given)
    if path.is_file():
        yield path
    elif path.exists() and not path.is_dir():
        yield path  # a pipe or device: refused when its turn comes, without stopping the others
    elif path.is_dir():
        if any(path.glob("img_*.jpg")) or any(path.glob("*x_0*.jpg")):
            yield path
        else:
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    else:
        matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 (may be absolute)
        yield from (Path(match) for match in matches if Path(match).is_file())


def _class_names(
    recipe: Recipe, labels: str | Path | None, of_checkpoint: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Return the classes' names from the first source that has them on this machine."""
    count = recipe.model.num_classes
    if labels is not None:
        return class_names(replace(recipe.val, label_map=Path(labels), num_classes=count))
    if of_checkpoint and len(of_checkpoint) == count:
        return of_checkpoint
    if recipe.val.label_map and recipe.val.label_map.exists():
        return class_names(recipe.val)
    return None


def published_names(model: str | Path, count: int) -> tuple[str, ...] | None:
    """Return the published names of a published model's classes, if they can be had."""
    try:
        names = published_class_names(card(model))
    except PraxiscopeError as error:  # the prediction is worth having without them
        log.warning("classes are shown as numbers: %s", error)
        return None
    return names if names and len(names) == count else None
