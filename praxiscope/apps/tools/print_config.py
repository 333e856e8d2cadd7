"""A whole recipe with everything it leaves to defaults, as Python or JSON."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from praxiscope.recipe import find_recipe, load_recipe

WIDTH = 100  # characters a line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add(
        *("--options", "--cfg-options"),
        dest="cfg_options",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change the recipe, as schedule.epochs=1 test_views.clips=1",
    )
    add("--json", action="store_true", help="print JSON; each object names its class")


def run(args: argparse.Namespace) -> int:
    """Print it; a comment line names the file."""
    recipe = load_recipe(args.config, args.cfg_options)
    if args.json:
        print(json.dumps(as_json(recipe), indent=2))
    else:
        print(f"# {find_recipe(args.config)}")
        print(as_python(recipe))
    return 0


def as_python(value: Any, indent: int = 0, prefix: int = 0) -> str:
    """Return ``value`` as the Python that makes it; ``prefix`` characters stand before it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
        opening, closing = f"{type(value).__name__}(", ")"
        items = [(f"{name}=", item) for name, item in fields]
    elif isinstance(value, tuple | list):
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        items = [("", item) for item in value]
    elif isinstance(value, dict):
        opening, closing = "{", "}"
        items = [(f"{key!r}: ", item) for key, item in value.items()]
    elif isinstance(value, Path):
        return f"Path({as_python(value.as_posix())})"
    else:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    comma = "," if isinstance(value, tuple) and len(items) == 1 else ""
    parts = [name + as_python(item) for name, item in items]
    line = f"{opening}{', '.join(parts)}{comma}{closing}"
    if "\n" not in line and indent + prefix + len(line) < WIDTH:
        return line
    inner = indent + 4
    lines = [f"{' ' * inner}{n}{as_python(item, inner, len(n))}," for n, item in items]
    return "\n".join([opening, *lines, f"{' ' * indent}{closing}"])


def as_json(value: Any) -> Any:
    """Return ``value`` as JSON's types; an object of a class says which under ``class``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__} | fields
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)
