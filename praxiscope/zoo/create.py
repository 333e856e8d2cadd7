"""A published model by its name, with or without its weights."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from praxiscope.data.sampling import Clip
from praxiscope.errors import CheckpointError, did_you_mean
from praxiscope.models.recognizer import Recognizer
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import load_recipe
from praxiscope.zoo.cards import card, cards, fetch_published
from praxiscope.zoo.weights import LoadReport, load_checkpoint

log = logging.getLogger(__name__)

PUBLISHED = "published"


def create_model(
    name: str, checkpoint: str | Path | None = None, num_classes: int | None = None
) -> Recognizer:
    """Return the model of a recipe in eval mode: float clips (N, C, T, H, W) -> (N, num_classes).

    Clips are already normalised where they are floating point; uint8 clips are normalised inside.

    Args:
        name: A recipe's published name or its file.
        checkpoint: A file; the name of a published checkpoint; "published" for the recipe's best
            one; None for fresh weights.
        num_classes: Of the classifier, where it is not the recipe's. A checkpoint with another
            number then gives the backbone alone.

    Raises:
        RecipeError: There is no such recipe.
        CheckpointError: The checkpoint cannot be read, or is one of another model.
    """
    recipe = load_recipe(name)
    entry = recipe.model
    if num_classes is not None:
        entry = replace(entry, num_classes=num_classes)
    if checkpoint is None:
        return entry.build().eval()
    path = find_checkpoint(checkpoint, name)
    model, report = load_model(entry, path, num_classes=num_classes, clip=recipe.clip)
    for warning in report.warnings:
        log.warning("%s", warning)
    return model.eval()


def load_model(
    entry: SlowOnly | SlowFast,
    path: Path,
    *,
    num_classes: int | None = None,
    clip: Clip | None = None,
) -> tuple[Recognizer, LoadReport]:
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
    """Return a checkpoint's file: a local one, or a published one, downloaded once and checked.

    Raises:
        CheckpointError: There is no such file and no such published checkpoint.
        RecipeError: "published" was asked for, and nothing is published for the recipe.
    """
    path = Path(checkpoint)
    if path.exists():
        return path
    if str(checkpoint) == PUBLISHED:
        return fetch_published(card(recipe_name))
    published = {one.name: one for one in cards()}
    if str(checkpoint) in published:
        return fetch_published(published[str(checkpoint)])
    raise CheckpointError(
        f"there is no checkpoint {checkpoint}.{did_you_mean(str(checkpoint), published)} "
        f"Give a file, the name of a published checkpoint, or '{PUBLISHED}'."
    )
