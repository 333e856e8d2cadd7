"""A recipe is everything one run needs, as plain frozen dataclasses in one Python file."""

from praxiscope.recipe.auxiliary import AuxiliarySource
from praxiscope.recipe.loading import configs_folder, find_recipe, load_recipe, override_fields
from praxiscope.recipe.multigrid import Multigrid
from praxiscope.recipe.optimisation import Cosine, PreciseBn, Sgd, Step
from praxiscope.recipe.run import Loader, Recipe

__all__ = [
    "AuxiliarySource",
    "Cosine",
    "Loader",
    "Multigrid",
    "PreciseBn",
    "Recipe",
    "Sgd",
    "Step",
    "configs_folder",
    "find_recipe",
    "load_recipe",
    "override_fields",
]
