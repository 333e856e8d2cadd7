"""The published models: one card per row of the model zoo, and where their class names are.

The facts live in ``cards.csv`` beside this file. To add a model, add its line. A blank is None.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from praxiscope import label_map
from praxiscope.errors import CheckpointError, DataError, RecipeError, did_you_mean
from praxiscope.recipe import AnyRecipe, Recipe, configs_folder
from praxiscope.zoo.download import fetch_checkpoint

# Named in the published SlowOnly and SlowFast documents; other datasets of recognition have none.
KINETICS400_CLASSES = (
    "https://download.openmmlab.com/mmaction/dataset/k400_val/kinetics_class2ind.txt"
)
# By AVA's authors: all 80 actions, of which the official evaluation counts 60.
AVA_CLASSES = "https://research.google.com/ava/download/ava_action_list_v2.2.pbtxt"


# Detectors see whole frames, whose shape is the video's; they cost what this one costs, the usual
# shape of videos of short side 256, with one person in it.
FRAME_HEIGHT, FRAME_WIDTH = 256, 340


@dataclass(frozen=True, kw_only=True)
class Card:
    """One published row: a checkpoint, the recipe it belongs to, and what was reported for it.

    Source: the model-zoo documents of SlowOnly, SlowFast and spatio-temporal detection; where a row
    has a blank or an x, None. Parameters, multiply-adds and views are those of the recipe here.
    Those of a detector are for frames of 256 x 340 pixels with one person in them.
    """

    row: int  # its place among all published rows, from 1
    table: str  # the heading it stands under
    published_as: str  # the config name as printed, which may differ from the recipe's
    config_path: str | None  # the recipe, from the root of the project; None where a row has none
    resolution: str | None  # of the training videos
    frame_sampling: str | None  # frames x stride (x clips), where the row says so
    gpus: str | None  # GPUs x videos on each
    backbone: str | None
    method: str | None  # what sets the row apart from its neighbours in the table
    pretrain: str | None
    protocol: str | None  # views in testing, where the row says so
    top1: float | None  # percent
    top5: float | None  # percent
    mean_class_accuracy: float | None  # percent
    mean_ap: float | None  # percent, of detections at an overlap of 0.5
    gpu_mem_mib: int | None  # per GPU, in training
    videos_per_second: str | None  # as printed: a rate, and the views it was measured with
    parameters: int | None
    gmacs_per_view: float | None  # 1e9 multiply-adds of one view, or key frame, in testing
    views: str | None  # in testing: clips x crops x frames x pixels; frames x height x width
    checkpoint_url: str | None  # None for a row that joins the scores of others
    log_url: str | None
    json_url: str | None

    @property
    def name(self) -> str:
        """The checkpoint's file name without its ending; a few rows share a checkpoint."""
        if self.checkpoint_url is None:
            return self.published_as
        return PurePosixPath(urlsplit(self.checkpoint_url).path).stem

    @property
    def config(self) -> str:
        """The recipe's name, or what is printed in the place of one."""
        return PurePosixPath(self.config_path).stem if self.config_path else self.published_as

    @property
    def recipe(self) -> Path | None:
        """The recipe's file; None if the row has none."""
        if self.config_path is None:
            return None
        path = configs_folder() / PurePosixPath(self.config_path).relative_to("configs")
        return path if path.is_file() else None

    @property
    def accuracies(self) -> dict[str, float]:
        """What was reported, in percent, by its short name."""
        named = {
            "top-1": self.top1,
            "top-5": self.top5,
            "mean class": self.mean_class_accuracy,
            "mAP": self.mean_ap,
        }
        return {name: value for name, value in named.items() if value is not None}


def cards(pattern: str = "*") -> list[Card]:
    """Return the cards whose recipe, printed name or checkpoint matches ``pattern``, in row order.

    The pattern is a shell's: ``slowfast*``, ``*_flow``.
    """
    return [card for card in _all() if any(fnmatchcase(name, pattern) for name in _names(card))]


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the recipes with published weights that match ``pattern``, sorted."""
    known = {card.config for card in _all() if card.recipe}
    return sorted(name for name in known if fnmatchcase(name, pattern))


def recipes_without_weights(pattern: str = "*") -> list[Path]:
    """Return the files of the published recipes without a row that match ``pattern``, in order.

    The zoo has no weights of theirs, as of those that fill feature banks.
    """
    rows = {card.config for card in _all()}
    folders = [configs_folder() / name for name in ("recognition", "detection")]
    found = (path for folder in folders for path in sorted(folder.rglob("*.py")))
    return [path for path in found if path.stem not in rows and fnmatchcase(path.stem, pattern)]


def card(name: str | Path) -> Card:
    """Return the card of a recipe's name or path, or of a checkpoint's name, path or address.

    Several rows may share a recipe: the one with the best top-1 or mAP is returned (then the
    first). Name the checkpoint to choose another.

    Raises:
        RecipeError: Nothing published has this name.
    """
    asked = str(name)
    stem = PurePosixPath(asked).stem if asked.endswith((".py", ".pth")) else asked
    known = _all()
    found = [one for one in known if stem in _names(one)]
    if not found and any(path.stem == stem for path in recipes_without_weights()):
        raise RecipeError(
            f"the model zoo has no weights of '{stem}': give a checkpoint of your own. `praxiscope "
            "zoo show` says what was published."
        )
    if not found:
        hint = did_you_mean(stem, {name for one in known for name in _names(one)})
        raise RecipeError(
            f"The model zoo has no '{stem}'.{hint} Expected a recipe's or a checkpoint's name: "
            "`praxiscope zoo` lists them."
        )
    return max(found, key=lambda one: one.top1 or one.mean_ap or 0.0)


def fetch_published(card: Card, cache: Path | None = None) -> Path:
    """Return the local file of a card's checkpoint, downloaded once and checked.

    Raises:
        CheckpointError: The row has no weights of its own, or they cannot be downloaded.
    """
    if card.checkpoint_url is None:
        raise CheckpointError(
            f"'{card.name}' ({card.table}) has no weights of its own: it joins the scores of "
            "other rows of its table. tools/analysis/report_accuracy.py does that."
        )
    return fetch_checkpoint(card.checkpoint_url, cache)


def view_shape(recipe: AnyRecipe) -> tuple[int, int, int, int]:
    """Return (C, T, H, W) of what a recipe's network sees at a time in testing.

    Of detection: key frames of the shape of 256 x 340, or the crop, if the recipe tests on one.
    """
    if isinstance(recipe, Recipe):
        height = width = recipe.test_views.size
    elif recipe.test_transform.size is not None:
        height = width = recipe.test_transform.size
    else:
        height = recipe.test_transform.short_side[0]
        width = round(height * FRAME_WIDTH / FRAME_HEIGHT)
    return recipe.model.channels, recipe.clip.frames, height, width


def views_in_words(recipe: AnyRecipe) -> str:
    """Return what :attr:`Card.views` says of a recipe."""
    _, frames, height, width = view_shape(recipe)
    if not isinstance(recipe, Recipe):
        return f"{frames}x{height}x{width}"
    views = recipe.test_views
    return f"{views.num_clips}x{views.crops}x{frames}x{height}"


def class_names(card: Card, cache: Path | None = None) -> tuple[str, ...] | None:
    """Return the names of the classes in order, from the cache or downloaded; None if unpublished.

    Those of a detector are without the background.

    Raises:
        CheckpointError: The label map is not in the cache and cannot be downloaded.
        DataError: The label map is damaged.
    """
    if "AVA" in card.table:
        return tuple(label_map.read_label_map(fetch_checkpoint(AVA_CLASSES, cache)).values())
    if not card.table.startswith("Kinetics-400"):
        return None
    return read_label_map(fetch_checkpoint(KINETICS400_CLASSES, cache))


def read_label_map(path: Path) -> tuple[str, ...]:
    """Return the class names in a file with one ``name index`` or ``index name`` per line.

    Names may hold spaces, digits and parentheses, so the order of the two is that in which the
    indices of all lines together are 0, 1, 2 ... (or 1, 2, 3 ...).

    Raises:
        DataError: Neither order gives whole, distinct indices.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text file. Expected a label map: remove it.") from error
    words = [line.replace(",", " ").replace("\t", " ") for line in lines if line]
    last = [tuple(reversed(line.rpartition(" ")[::2])) for line in words]
    first = [line.partition(" ")[::2] for line in words]
    for pairs in (last, first):
        if not all(index.isdecimal() and name for index, name in pairs):
            continue
        ordered = sorted((int(index), name.strip(" '\"")) for index, name in pairs)
        begin = ordered[0][0] if ordered else -1
        if begin in (0, 1) and [i for i, _ in ordered] == list(range(begin, begin + len(ordered))):
            return tuple(name for _, name in ordered)
    raise DataError(
        f"{path} is no label map. Expected lines of a class name and its index, counting from 0 "
        "without gaps: remove the file to download it again, or correct it."
    )


def _names(card: Card) -> tuple[str, str, str]:
    return card.config, card.published_as, card.name


def _all() -> list[Card]:
    text = (files("praxiscope.zoo") / "cards.csv").read_text(encoding="utf-8")
    return [_card(row) for row in csv.DictReader(text.splitlines())]


def _card(row: dict[str, str]) -> Card:
    def read(name: str, kind: Callable[[str], Any] = str) -> Any:
        return kind(row[name]) if row[name] else None

    return Card(
        row=int(row["row"]),
        table=row["table"],
        published_as=row["published_as"],
        config_path=read("config_path"),
        resolution=read("resolution"),
        frame_sampling=read("frame_sampling"),
        gpus=read("gpus"),
        backbone=read("backbone"),
        method=read("method"),
        pretrain=read("pretrain"),
        protocol=read("protocol"),
        top1=read("top1", float),
        top5=read("top5", float),
        mean_class_accuracy=read("mean_class_accuracy", float),
        mean_ap=read("mean_ap", float),
        gpu_mem_mib=read("gpu_mem_mib", int),
        videos_per_second=read("videos_per_second"),
        parameters=read("parameters", int),
        gmacs_per_view=read("gmacs_per_view", float),
        views=read("views"),
        checkpoint_url=read("checkpoint_url"),
        log_url=read("log_url"),
        json_url=read("json_url"),
    )
