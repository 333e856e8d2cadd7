"""Checks of values that a recipe or ``--cfg-options`` may get wrong."""

from praxiscope.errors import RecipeError


def check_whole(value: object, name: str, least: int = 1) -> None:
    """Raise :class:`RecipeError` unless ``value`` is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RecipeError(f"{name} must be a whole number of at least {least}, not {value!r}.")


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
