"""The published models: one card per row of the model zoo, and where their class names are.

The facts live in ``cards.csv`` beside this file. To add a model, add its line.
"""

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from praxiscope.errors import DataError, RecipeError, did_you_mean
from praxiscope.zoo.download import fetch_checkpoint

# Named in the published SlowOnly and SlowFast documents; the other datasets have no such file.
KINETICS400_CLASSES = (
    "https://download.openmmlab.com/mmaction/dataset/k400_val/kinetics_class2ind.txt"
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One published row: a checkpoint, the recipe it belongs to, and what was reported for it.

    Source: the model-zoo documents of SlowOnly and SlowFast; where a row has a blank or an x, None.
    """

    row: int  # its place among all published rows, from 1
    table: str  # the heading it stands under
    published_as: str  # the config name as printed, which may differ from the recipe's
    config_path: str  # the recipe, from the root of the project
    resolution: str | None  # of the training videos
    gpus: str | None  # GPUs x videos on each
    backbone: str
    pretrain: str | None
    protocol: str | None  # views in testing, where the row says so
    top1: float | None  # percent
    top5: float | None  # percent
    gpu_mem_mib: int | None  # per GPU, in training
    videos_per_second: str | None  # as printed: a rate, and the views it was measured with
    checkpoint_url: str
    log_url: str | None
    json_url: str | None

    @property
    def name(self) -> str:
        """The checkpoint's file name without its ending; a few rows share a checkpoint."""
        return PurePosixPath(urlsplit(self.checkpoint_url).path).stem

    @property
    def config(self) -> str:
        """The recipe's name."""
        return PurePosixPath(self.config_path).stem


def cards(pattern: str = "*") -> list[Card]:
    """Return the cards whose recipe, printed name or checkpoint matches ``pattern``, in row order.

    The pattern is a shell's: ``slowfast*``, ``*_flow``.
    """
    return [card for card in _all() if any(fnmatchcase(name, pattern) for name in _names(card))]


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the recipes with published weights that match ``pattern``, sorted."""
    return sorted({card.config for card in _all() if fnmatchcase(card.config, pattern)})


def card(name: str | Path) -> Card:
    """Return the card of a recipe's name or path, or of a checkpoint's name, path or address.

    Several rows may share a recipe: the one with the best top-1 is returned (then the first). Name
    the checkpoint to choose another.

    Raises:
        RecipeError: Nothing published has this name.
    """
    asked = str(name)
    stem = PurePosixPath(asked).stem if asked.endswith((".py", ".pth")) else asked
    known = _all()
    found = [one for one in known if stem in _names(one)]
    if not found:
        hint = did_you_mean(stem, {name for one in known for name in _names(one)})
        raise RecipeError(
            f"The model zoo has no '{stem}'.{hint} Expected a recipe's or a checkpoint's name: "
            "`praxiscope zoo` lists them."
        )
    return max(found, key=lambda one: one.top1 or 0.0)


def class_names(card: Card, cache: Path | None = None) -> tuple[str, ...] | None:
    """Return the names of the classes in order, from the cache or downloaded; None if unpublished.

    Raises:
        CheckpointError: The label map is not in the cache and cannot be downloaded.
        DataError: The label map is damaged.
    """
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
    return Card(
        row=int(row["row"]),
        table=row["table"],
        published_as=row["published_as"],
        config_path=row["config_path"],
        resolution=row["resolution"] or None,
        gpus=row["gpus"] or None,
        backbone=row["backbone"],
        pretrain=row["pretrain"] or None,
        protocol=row["protocol"] or None,
        top1=float(row["top1"]) if row["top1"] else None,
        top5=float(row["top5"]) if row["top5"] else None,
        gpu_mem_mib=int(row["gpu_mem_mib"]) if row["gpu_mem_mib"] else None,
        videos_per_second=row["videos_per_second"] or None,
        checkpoint_url=row["checkpoint_url"],
        log_url=row["log_url"] or None,
        json_url=row["json_url"] or None,
    )
