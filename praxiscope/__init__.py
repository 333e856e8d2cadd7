"""Action recognition in video: published models, their weights, and your own data.

The names below are stable. They are loaded when first used, so that ``import praxiscope`` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from praxiscope.apps.detect import detect
    from praxiscope.apps.predict import Prediction, predict
    from praxiscope.data.video import open_video
    from praxiscope.errors import CheckpointError, DataError, PraxiscopeError, RecipeError
    from praxiscope.recipe import load_recipe
    from praxiscope.zoo.cards import list_models
    from praxiscope.zoo.create import create_model
    from praxiscope.zoo.weights import LoadReport, load_checkpoint

__version__ = "0.1.0.dev0"

__all__ = [
    "CheckpointError",
    "DataError",
    "LoadReport",
    "PraxiscopeError",
    "Prediction",
    "RecipeError",
    "create_model",
    "detect",
    "list_models",
    "load_checkpoint",
    "load_recipe",
    "open_video",
    "predict",
]

_HOMES = {
    "CheckpointError": "errors",
    "DataError": "errors",
    "LoadReport": "zoo.weights",
    "Prediction": "apps.predict",
    "PraxiscopeError": "errors",
    "RecipeError": "errors",
    "create_model": "zoo.create",
    "detect": "apps.detect",
    "list_models": "zoo.cards",
    "load_checkpoint": "zoo.weights",
    "load_recipe": "recipe",
    "open_video": "data.video",
    "predict": "apps.predict",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'praxiscope' has no attribute '{name}'")
    return getattr(import_module(f"praxiscope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
