"""``praxiscope zoo``: the published models on the command line."""

import argparse
import ast
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console

from praxiscope.errors import PraxiscopeError, did_you_mean
from praxiscope.zoo.cards import Card, card, cards, fetch_published, recipes_without_weights


def zoo(args: argparse.Namespace) -> int:
    """Do what the words say; words that begin with no action are patterns to list."""
    action, *names = args.words or ["list"]
    if action == "convert":
        from praxiscope.apps.convert import convert_command

        return convert_command(names, args.to, args.report)
    if action not in _ACTIONS:
        action, names = "list", [action, *names]
    return _ACTIONS[action](names)


def _list(patterns: list[str]) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    found = {one.row: one for pattern in patterns or ["*"] for one in cards(pattern)}
    others = {path for pattern in patterns or ["*"] for path in recipes_without_weights(pattern)}
    for pattern in patterns:
        if not cards(pattern) and not recipes_without_weights(pattern):
            raise PraxiscopeError(
                f"no published model matches '{pattern}'.{did_you_mean(pattern, _ACTIONS)} "
                "'praxiscope zoo list' shows all."
            )
    by_recipe = sorted(found.values(), key=_place)
    for config, rows in groupby(by_recipe, key=lambda one: one.config):
        same = list(rows)
        console.print(f"{config}  {_cost(same[0])}", style="bold")
        for one in same:
            figures = "  ".join(f"{name} {value:.2f}" for name, value in one.accuracies.items())
            console.print(f"    {figures:24}  {one.resolution or '':14}  {one.name}")
    for path in sorted(others):
        console.print(f"{path.stem}  (no weights here)", style="bold")
    return 0


def _show(names: list[str]) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    name = _only(names, "show")
    for path in recipes_without_weights():
        if path.stem == Path(name).name.removesuffix(".py"):
            console.print(f"{ast.get_docstring(ast.parse(path.read_text()))}\nrecipe: {path}")
            return 0
    one = card(name)
    for field, value in asdict(one).items():
        if value is not None:
            console.print(f"{field}: {value}")
    console.print(f"recipe: {one.recipe or 'none'}")
    for other in cards(one.config):
        if other.name != one.name:
            figures = ", ".join(f"{name} {value:.2f}" for name, value in other.accuracies.items())
            console.print(f"another checkpoint: {other.name} ({figures})")
    return 0


def _download(names: list[str]) -> int:
    print(fetch_published(card(_only(names, "download"))))
    return 0


def _only(names: list[str], action: str) -> str:
    if len(names) != 1:
        raise PraxiscopeError(
            f"'praxiscope zoo {action}' takes one name, not {len(names)}: that of a recipe or of a "
            "checkpoint. 'praxiscope zoo list' shows them."
        )
    return names[0]


def _place(one: Card) -> tuple[bool, bool, str]:
    """Recognition before detection, recipes before rows without one, then by name."""
    return one.mean_ap is not None, one.config_path is None, one.config


def _cost(one: Card) -> str:
    """Return what a recipe costs in testing, in a few words."""
    if not one.parameters or not one.gmacs_per_view or not one.views:
        return f"({one.method})"
    cost = f"{one.parameters / 1e6:.1f} M parameters, {one.gmacs_per_view:.1f} GMACs"
    if one.mean_ap is not None:
        frames, height, width = one.views.split("x")
        return f"{cost} with one person; {frames} frames of {height} x {width}"
    clips, crops, frames, size = one.views.split("x")
    plural = "" if crops == "1" else "s"
    return (
        f"{cost} per view; {clips} clips x {crops} crop{plural}, {frames} frames of {size} x {size}"
    )


_ACTIONS: dict[str, Callable[[list[str]], int]] = {
    "list": _list,
    "show": _show,
    "download": _download,
}
