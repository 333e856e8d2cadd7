"""A recipe is everything one run needs, as plain frozen dataclasses in one Python file."""

import ast
import dataclasses
import runpy
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxiscope.data.checks import check_whole
from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip, Convention
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import PraxiscopeError, RecipeError, did_you_mean, unknown_name
from praxiscope.models.recognizer import Average
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """SGD with momentum.

    Args:
        lr: Learning rate for steps of ``batch`` videos; ``--auto-scale-lr`` rescales it to others.
        batch: Videos per step, over all devices, that ``lr`` was chosen for.
        clip_norm: Gradients are scaled down to this L2 norm; None leaves them.
        accumulate: Gradients of so many batches are added before a step.
    """

    lr: float
    batch: int
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip_norm: float | None = 40.0
    accumulate: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise RecipeError(f"Sgd.lr must be above 0, not {self.lr!r}.")
        check_whole(self.batch, "Sgd.batch")
        check_whole(self.accumulate, "Sgd.accumulate")


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from the base rate down to ``min_lr``, with a linear warm-up.

    Args:
        warmup_epochs: The rate rises from ``warmup_ratio`` times its value; 0 for no warm-up.
        by_epoch: The cosine goes down once an epoch; otherwise with every step.
        convention: "0.x" lays the warm-up over the cosine's beginning; "1.x" lets the cosine begin
            after it. See :mod:`praxiscope.engine.schedules`.
    """

    epochs: int
    warmup_epochs: int = 0
    warmup_ratio: float = 0.1
    min_lr: float = 0.0
    by_epoch: bool = True
    convention: Convention = "0.x"

    def __post_init__(self) -> None:
        check_whole(self.epochs, "Cosine.epochs")
        check_whole(self.warmup_epochs, "Cosine.warmup_epochs", least=0)


@dataclass(frozen=True, kw_only=True)
class Step:
    """The rate is multiplied by ``gamma`` at the beginning of every epoch in ``milestones``.

    Args:
        warmup_epochs: The rate rises from ``warmup_ratio`` times its value; 0 for no warm-up.
        warmup_by_epoch: It rises once an epoch; otherwise with every step.
        convention: In "1.x" the last step (or epoch) of the warm-up has the full rate already, in
            "0.x" the first one after it.
    """

    epochs: int
    milestones: tuple[int, ...]
    gamma: float = 0.1
    warmup_epochs: int = 0
    warmup_ratio: float = 0.1
    warmup_by_epoch: bool = False
    convention: Convention = "0.x"

    def __post_init__(self) -> None:
        check_whole(self.epochs, "Step.epochs")
        check_whole(self.warmup_epochs, "Step.warmup_epochs", least=0)


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How videos reach each device.

    Args:
        videos_per_device: Videos in a training batch of one device.
        workers: Decoding processes per device; None takes this machine's cores, shared by devices.
    """

    videos_per_device: int = 8
    workers: int | None = None

    def __post_init__(self) -> None:
        check_whole(self.videos_per_device, "Loader.videos_per_device")
        if self.workers is not None:
            check_whole(self.workers, "Loader.workers", least=0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run and how it is tested.

    Args:
        clip: What the model sees at a time.
        start: Weights that training begins from: a file, or the name of a published checkpoint.
            Those of a classifier of another size are left out. None begins with fresh weights.
        test: The list to test on; None takes ``val``.
        val_views: Scored for each video when validating while training.
        test_views: Scored for each video when testing.
        average: How the scores of a video's views are joined.
        max_testing_views: Views in the model at a time when testing; None chooses by memory.
        channels_last: Train on clips stored channels-last: faster, and on CPUs a little less exact.
        metrics: What to report, by the published names.
        validate_every: Epochs between validations.
        checkpoint_every: Epochs between checkpoints.
    """

    model: SlowOnly | SlowFast
    start: str | None = None
    clip: Clip
    train: VideoList
    val: VideoList
    test: VideoList | None = None
    train_transform: TrainTransform = dataclasses.field(default_factory=TrainTransform)
    val_views: Views = dataclasses.field(default_factory=Views)
    test_views: Views
    average: Average = "prob"
    max_testing_views: int | None = None
    optim: Sgd
    schedule: Cosine | Step
    loader: Loader = dataclasses.field(default_factory=Loader)
    channels_last: bool = False
    metrics: tuple[str, ...] = ("top_k_accuracy", "mean_class_accuracy")
    validate_every: int = 5
    checkpoint_every: int = 5

    def __post_init__(self) -> None:
        check_whole(self.validate_every, "Recipe.validate_every")
        check_whole(self.checkpoint_every, "Recipe.checkpoint_every")
        if self.max_testing_views is not None:
            check_whole(self.max_testing_views, "Recipe.max_testing_views")


def configs_folder() -> Path:
    """Return the folder of the published recipes, of an installed package or of a checkout."""
    package = Path(__file__).parent
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
    if found and found.as_posix().endswith("/" + path.with_suffix("").as_posix() + ".py"):
        return found
    if path.parent.is_dir() and len(path.parts) > 1:
        published |= {p.stem: p for p in path.parent.glob("*.py")}
    hint = did_you_mean(path.name.removesuffix(".py"), published)
    raise RecipeError(
        f"there is no recipe '{name}'.{hint} Give a file or a published name; "
        "'praxiscope zoo' lists them."
    )


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Run the recipe's file, call its ``recipe()``, apply ``a.b=value`` overrides in order.

    A recipe is a program: run only files that you trust.

    Raises:
        RecipeError: The recipe or a field does not exist, or a value has the wrong type.
    """
    path = find_recipe(name)
    try:
        namespace = runpy.run_path(str(path))
        if "recipe" not in namespace:
            raise RecipeError(f"{path} defines no function recipe() -> Recipe.")
        recipe = namespace["recipe"]()
    except PraxiscopeError:
        raise
    except Exception as error:  # whatever somebody's own file raises, the file is what to mend
        raise RecipeError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: recipe() returns {type(recipe).__name__}, not a Recipe.")
    return override_fields(recipe, overrides)


def override_fields(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
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
    replaced: Recipe = _replace(recipe, changes, where="Recipe")
    return replaced


def _replace(node: Any, changes: dict[str, Any], *, where: str) -> Any:
    """Return a copy of the dataclass ``node`` with a tree of texts read into its fields."""
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        raise RecipeError(f"{where} is {node!r}: it has no field '{next(iter(changes))}'.")
    fields = [f.name for f in dataclasses.fields(node)]
    values = {}
    for name, change in changes.items():
        if name not in fields:
            raise unknown_name("field", name, fields, where)
        where_field = f"{where}.{name}"
        if isinstance(change, dict):
            values[name] = _replace(getattr(node, name), change, where=where_field)
        else:
            values[name] = _read(change, typing.get_type_hints(type(node))[name], where_field)
    return dataclasses.replace(node, **values)


def _read(text: str, kind: Any, where: str) -> Any:
    """Return the value of type ``kind`` that ``text`` spells, as Python would or as plain text."""
    from pydantic import TypeAdapter, ValidationError

    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    candidates = [value] if value is text else [value, text]  # "0123" may be meant as a string
    for candidate in candidates:
        try:
            return TypeAdapter(kind).validate_python(candidate)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
    raise RecipeError(f"{where}={text}: {reason}.")
