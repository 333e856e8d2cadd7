"""Every message a user can cause: what failed, where, what was expected, and the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class PraxiscopeError(Exception):
    """Base of all errors that the command line prints as one sentence, with exit code 2."""


class RecipeError(PraxiscopeError):
    """A recipe file, a recipe name or a ``--cfg-options`` override is wrong."""


class DataError(PraxiscopeError):
    """A list, a label or a folder is missing, unreadable, or not what the recipe expects."""


class VideoError(DataError):
    """A video file cannot be opened or decoded. The message names the file."""


class CheckpointError(PraxiscopeError):
    """A checkpoint is missing, damaged, dangerous, or belongs to another model."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or nothing if none is near."""
    guess = get_close_matches(name, list(known), n=1)
    return f" Did you mean '{guess[0]}'?" if guess else ""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str) -> RecipeError:
    """Build the error for a name that is not in ``known``, guessing the intended one."""
    options = sorted(known)
    hint = did_you_mean(name, options)
    return RecipeError(f"{where} has no {kind} '{name}'.{hint} It has: {', '.join(options)}.")
