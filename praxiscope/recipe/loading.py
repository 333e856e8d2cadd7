"""From a recipe's name or file, and changes from a command line, to a :class:`Recipe`."""

import ast
import dataclasses
import runpy
import typing
from collections.abc import Collection, Sequence
from dataclasses import MISSING
from difflib import SequenceMatcher
from pathlib import Path
from traceback import extract_tb
from types import GenericAlias
from typing import Any, TypeVar, overload

from praxiscope.errors import PraxiscopeError, RecipeError, unknown_name
from praxiscope.recipe.bank import BankRecipe
from praxiscope.recipe.detection import DetectionRecipe
from praxiscope.recipe.recognition import Recipe
from praxiscope.recipe.run import RunSettings

TrainingRecipe = Recipe | DetectionRecipe
AnyRecipe = TrainingRecipe | BankRecipe
LEAST_LIKENESS = 0.6  # of a name that may be meant, 1 for the same
Kind = TypeVar("Kind", bound=RunSettings | BankRecipe)

_KINDS: dict[type, str] = {
    Recipe: "recognition",
    DetectionRecipe: "detection",
    BankRecipe: "a feature bank",
}


def configs_folder() -> Path:
    """Return the folder of the published recipes, of an installed package or of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def find_recipe(name: str | Path) -> Path:
    """Return the file of a recipe.

    Args:
        name: A file; a published path (``configs/recognition/...``) from any folder; or a bare
            recipe name, with or without ``.py``.

    Raises:
        RecipeError: No such recipe; the message has the nearest name.
    """
    path = Path(name)
    if path.is_file():
        return path
    published = {p.stem: p for p in sorted(configs_folder().rglob("*.py"))}
    found = published.get(path.name.removesuffix(".py"))
    # A path must be a published one to its end, so that a typing error in a folder is not ignored.
    ending = f"/{path.with_suffix('').as_posix()}.py"
    linked = ending.replace("/detection/ava/", "/detection/slowonly/")  # so in the documents, once
    if found and found.as_posix().endswith((ending, linked)):
        return found
    if path.parent.is_dir() and len(path.parts) > 1:
        published |= {p.stem: p for p in path.parent.glob("*.py")}
    hint = _hint(path.name.removesuffix(".py"), published)
    raise RecipeError(
        f"there is no recipe '{name}'.{hint} Give a file or a published name; "
        "'praxiscope zoo' lists them."
    )


def _hint(name: str, published: Collection[str]) -> str:
    """Return which name may be meant: the only one that begins so, else the nearest.

    Words may be in another order: the documents' older names have theirs.
    """
    begins = [one for one in published if one.startswith(name)]
    if len(begins) == 1:
        return f" Did you mean '{begins[0]}'?"
    alike = [
        (SequenceMatcher(None, form(one), form(name)).ratio(), one)
        for form in (str, _words)
        for one in published
    ]
    likeness, guess = max(alike, default=(0.0, ""))
    return f" Did you mean '{guess}'?" if likeness > LEAST_LIKENESS else ""


def _words(name: str) -> str:
    return " ".join(sorted(name.replace("-", "_").split("_")))


@overload
def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> AnyRecipe: ...


@overload
def load_recipe(name: str | Path, overrides: Sequence[str] = (), *, kind: type[Kind]) -> Kind: ...


def load_recipe(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    kind: type[Any] | None = None,
) -> RunSettings | BankRecipe:
    """Run the recipe's file, call its ``recipe()``, apply ``a.b=value`` overrides in order.

    A recipe is a program: run only files that you trust.

    Args:
        kind: The task that is asked for; None takes a recipe of any.

    Raises:
        RecipeError: The recipe or a field does not exist, a value has the wrong type, or the recipe
            is of another task.
    """
    path = find_recipe(name)
    try:
        namespace = runpy.run_path(str(path))
        if "recipe" not in namespace:
            raise RecipeError(f"{path} defines no function recipe() -> Recipe.")
        recipe = namespace["recipe"]()
    except PraxiscopeError:
        raise
    except (
        Exception,
        SystemExit,
    ) as error:  # whatever somebody's own file raises, the file is what to mend
        lines = [
            place.lineno for place in extract_tb(error.__traceback__) if place.filename == str(path)
        ]
        where = f" (line {lines[-1]})" if lines else ""  # of a SyntaxError its own text says it
        raise RecipeError(
            f"{path} cannot be run: {type(error).__name__}: {error}{where}"
        ) from error
    if not isinstance(recipe, AnyRecipe):
        raise RecipeError(
            f"{path}: recipe() returns {type(recipe).__name__}, not a Recipe, DetectionRecipe or "
            "BankRecipe."
        )
    if kind is not None and not isinstance(recipe, kind):
        found = next(name for one, name in _KINDS.items() if isinstance(recipe, one))
        raise RecipeError(
            f"{path} is a recipe of {found}; a recipe of {_KINDS.get(kind)} is expected here."
        )
    return override_fields(recipe, overrides)


def override_fields(recipe: Kind, overrides: Sequence[str]) -> Kind:
    """Return a copy of ``recipe`` with every ``a.b=value`` applied; types are checked.

    All are applied before a dataclass checks itself, so their order does not matter; of two for the
    same field the later one counts.
    """
    changes: dict[str, Any] = {}
    for override in overrides:
        dotted, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(
                f"--cfg-options {override}: expected field=value, as schedule.epochs=1."
            )
        *parents, name = dotted.split(".")
        branch = changes
        for parent in parents:
            if not isinstance(branch.setdefault(parent, {}), dict):
                raise RecipeError(f"--cfg-options {override}: {parent} is set as a whole too.")
            branch = branch[parent]
        branch[name] = value
    replaced: Kind = _replace(recipe, changes, where="Recipe")
    return replaced


def _replace(node: Any, changes: dict[str, Any], *, where: str) -> Any:
    """Return a copy of the dataclass ``node`` with a tree of texts read into its fields.

    Of a tuple of dataclasses the fields are the places, from 0.
    """
    if isinstance(node, tuple) and node and all(map(dataclasses.is_dataclass, node)):
        places = {str(place): item for place, item in enumerate(node)}
        for name, change in changes.items():
            if name not in places or not isinstance(change, dict):
                last = f"It has 0 to {len(node) - 1}"
                raise RecipeError(f"{where} has no item '{name}'. {last}, each with fields.")
            places[name] = _replace(places[name], change, where=f"{where}.{name}")
        return tuple(places.values())
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        raise RecipeError(f"{where} is {node!r}: it has no field '{next(iter(changes))}'.")
    fields = [f.name for f in dataclasses.fields(node)]
    values = {}
    for name, change in changes.items():
        if name not in fields:
            raise unknown_name("field", name, fields, where)
        where_field, kind = f"{where}.{name}", typing.get_type_hints(type(node))[name]
        if isinstance(change, dict):
            value = getattr(node, name)
            there = _default(kind) if value is None else value
            values[name] = _replace(there, change, where=where_field)
        else:
            values[name] = _read(change, kind, where_field)
    return dataclasses.replace(node, **values)


def _default(kind: Any) -> Any:
    """Return what ``X | None`` is with none of its fields given; None if it needs some."""
    for option in filter(dataclasses.is_dataclass, typing.get_args(kind)):
        given = (field.default is not MISSING for field in dataclasses.fields(option))
        if isinstance(option, type) and all(given):
            return option()
    return None


def _read(text: str, kind: Any, where: str) -> Any:
    """Return the value of type ``kind`` that ``text`` spells, as Python would or as plain text."""
    from pydantic import TypeAdapter, ValidationError

    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    candidates = [value] if value is text else [value, text]  # "0123" may be meant as a string
    # In a tuple, as fields that a dataclass lacks are no error where it stands by itself.
    one: Any = GenericAlias(tuple, (kind,))
    adapter = TypeAdapter(one, config={"extra": "forbid"})
    problem: dict[str, Any] = {}
    for candidate in candidates:
        try:
            return adapter.validate_python((candidate,))[0]
        except ValidationError as error:
            problem = problem or dict(error.errors()[0])
    reason = problem["msg"]
    if problem["type"] == "unexpected_keyword_argument":
        reason += f" {problem['loc'][-1]!r}"
    raise RecipeError(f"{where}={text}: {reason}.")
