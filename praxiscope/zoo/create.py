"""A published model by its name, with or without its weights."""

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, overload
from urllib.parse import urlsplit

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from praxiscope.data.sampling import Clip
from praxiscope.errors import CheckpointError, did_you_mean
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.recognizer import Recognizer
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import load_recipe
from praxiscope.zoo.cards import card, cards, fetch_published
from praxiscope.zoo.download import expected_digest, fetch_checkpoint
from praxiscope.zoo.weights import LoadReport, load_checkpoint

log = logging.getLogger(__name__)

PUBLISHED = "published"
# An address of weights. Without encryption only from this machine.
_ADDRESS = re.compile(r"https://|http://(127\.0\.0\.1|localhost)[:/]")

Entry = SlowOnly | SlowFast | ActorDetector


def create_model(
    name: str, checkpoint: str | Path | None = None, num_classes: int | None = None
) -> Recognizer | Detector:
    """Return the model of a recipe in eval mode: a recogniser or a detector.

    ``recognizer(clips)``: (N, C, T, H, W) -> logits (N, num_classes). ``detector(clips, boxes)``:
    the same clips and N tensors (n, 4) of boxes, xyxy in pixels of the clip -> logits of all boxes
    together (K, num_classes), where output 0 is the background; one that reads a feature bank also
    takes windows (N, slots, channels). Clips are already normalised where they are floating point;
    uint8 clips are normalised inside.

    Args:
        name: A recipe's published name or its file.
        checkpoint: A file; the name of a published checkpoint, or the https address of one;
            "published" for the recipe's best one; None for fresh weights.
        num_classes: Of the classifier, where it is not the recipe's; a detector's counts the
            background (81 for the 80 classes of AVA). A checkpoint with another number, or of the
            other task, then gives the backbone alone.

    Raises:
        RecipeError: There is no such recipe.
        CheckpointError: The checkpoint cannot be read, or is one of another model.
    """
    recipe = load_recipe(name)
    entry = recipe.model if num_classes is None else with_classes(recipe.model, num_classes)
    if checkpoint is None:
        return entry.build().eval()
    path = find_checkpoint(checkpoint, name)
    model, report = load_model(entry, path, num_classes=num_classes, clip=recipe.clip)
    for warning in report.warnings:
        log.warning("%s", warning)
    return model.eval()


def with_classes(entry: Entry, num_classes: int) -> Entry:
    """Return a recipe entry with another number of outputs (a detector's count the background)."""
    if isinstance(entry, ActorDetector):
        return replace(entry, network=replace(entry.network, num_classes=num_classes))
    return replace(entry, num_classes=num_classes)


@overload
def load_model(
    entry: SlowOnly | SlowFast,
    path: Path,
    *,
    num_classes: int | None = None,
    clip: Clip | None = None,
) -> tuple[Recognizer, LoadReport]: ...


@overload
def load_model(
    entry: ActorDetector,
    path: Path,
    *,
    num_classes: int | None = None,
    clip: Clip | None = None,
) -> tuple[Detector, LoadReport]: ...


def load_model(
    entry: Entry,
    path: Path,
    *,
    num_classes: int | None = None,
    clip: Clip | None = None,
) -> tuple[Recognizer | Detector, LoadReport]:
    """Return a recipe entry's model with the weights in ``path``, and the report.

    As :func:`load_checkpoint` into a fresh model, but random numbers are drawn only if some stay.
    """
    with _Unfilled():
        model = entry.build()
    report = load_checkpoint(model, path, num_classes=num_classes, clip=clip)
    if report.missing:
        model = entry.build()
        report = load_checkpoint(model, path, num_classes=num_classes, clip=clip)
    return model, report


class _Unfilled(TorchFunctionMode):
    """Leaves out the random numbers of fresh weights, which take longer than reading a file."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        init = nn.init
        if func in (init.kaiming_uniform_, init.uniform_, init.normal_, Tensor.normal_):
            return None  # of no use to their callers, which fill in place
        return func(*args, **(kwargs or {}))


def find_checkpoint(checkpoint: str | Path, recipe_name: str | Path) -> Path:
    """Return a checkpoint's file: a local one, or one downloaded once and checked.

    Args:
        checkpoint: A file, a published name, an address or "published".
        recipe_name: Whose best checkpoint "published" is.

    Raises:
        CheckpointError: There is no such file and no such published checkpoint, or it cannot be
            downloaded or checked.
        RecipeError: "published" was asked for, and nothing is published for the recipe.
    """
    path = Path(checkpoint)
    with suppress(OSError):  # a name that is too long for a file
        if path.exists():
            return path
    if str(checkpoint) == PUBLISHED:
        return fetch_published(card(recipe_name))
    published = {one.name: one for one in cards()}
    if str(checkpoint) in published:
        return fetch_published(published[str(checkpoint)])
    if "://" in str(checkpoint):
        return _fetch_address(str(checkpoint))
    raise CheckpointError(
        f"there is no checkpoint {checkpoint}.{did_you_mean(str(checkpoint), published)} "
        f"Give a file, the name of a published checkpoint, its address, or '{PUBLISHED}'."
    )


def _fetch_address(address: str) -> Path:
    try:
        name = urlsplit(address).path
    except ValueError:  # a bracket that is not closed
        name = ""
    if _ADDRESS.match(address) is None or expected_digest(name) is None:
        raise CheckpointError(
            f"{address} is no address of published weights. Expected https://.../NAME-01234567.pth,"
            " with the first eight digits of the file's SHA-256: download others by yourself, and "
            "give the file."
        )
    return fetch_checkpoint(address)
