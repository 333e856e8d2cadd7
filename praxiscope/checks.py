"""Checks of values that a recipe, ``--cfg-options`` or another option may get wrong."""

from math import inf

from praxiscope.errors import RecipeError


def check_whole(value: object, name: str, least: int = 1, most: int | None = None) -> None:
    """Raise :class:`RecipeError` unless ``value`` is a whole number from ``least`` to ``most``."""
    limit = inf if most is None else most
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= limit:
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise RecipeError(f"{name} must be a whole number {limits}, not {value!r}.")


def check_number(value: float, name: str, least: float, most: float) -> None:
    """Raise :class:`RecipeError` unless ``value`` lies from ``least`` to ``most``; NaN does not."""
    if not least <= value <= most:
        raise RecipeError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}.")


def check_choice(value: object, name: str, choices: tuple[object, ...]) -> None:
    """Raise :class:`RecipeError` unless ``value`` is one of ``choices``."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise RecipeError(f"{name} must be one of {known}, not {value!r}.")


def check_range(value: tuple[float, float], name: str, least: float, most: float) -> None:
    """Raise :class:`RecipeError` unless ``value`` is (low, high) within ``least`` .. ``most``."""
    if len(value) != 2 or not least < value[0] <= value[1] <= most:
        raise RecipeError(
            f"{name} must be (low, high) with {least:g} < low <= high <= {most:g}, not {value!r}."
        )
