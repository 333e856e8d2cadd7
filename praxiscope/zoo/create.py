"""A published model by its name, with or without its weights."""

from dataclasses import replace
from pathlib import Path

from praxiscope.errors import CheckpointError, did_you_mean
from praxiscope.models.recognizer import Recognizer
from praxiscope.recipe import load_recipe
from praxiscope.zoo.cards import card, cards, fetch_published
from praxiscope.zoo.weights import load_checkpoint

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
    entry = load_recipe(name).model
    if num_classes is not None:
        entry = replace(entry, num_classes=num_classes)
    model = entry.build()
    if checkpoint is not None:
        load_checkpoint(model, find_checkpoint(checkpoint, name), num_classes=num_classes)
    model.eval()
    return model


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
