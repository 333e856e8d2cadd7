"""A recipe is everything one run needs, as plain frozen dataclasses in one Python file."""

from praxiscope.recipe.auxiliary import AuxiliarySource
from praxiscope.recipe.bank import BankRecipe, bank_recipe_of
from praxiscope.recipe.detection import BankWindows, DetectionRecipe
from praxiscope.recipe.loading import (
    AnyRecipe,
    TrainingRecipe,
    configs_folder,
    find_recipe,
    load_recipe,
    override_fields,
)
from praxiscope.recipe.multigrid import Multigrid
from praxiscope.recipe.optimisation import Cosine, PreciseBn, Sgd, Step
from praxiscope.recipe.recognition import Recipe
from praxiscope.recipe.run import Loader, RunSettings

__all__ = [
    "AnyRecipe",
    "AuxiliarySource",
    "BankRecipe",
    "BankWindows",
    "Cosine",
    "DetectionRecipe",
    "Loader",
    "Multigrid",
    "PreciseBn",
    "Recipe",
    "RunSettings",
    "Sgd",
    "Step",
    "TrainingRecipe",
    "bank_recipe_of",
    "configs_folder",
    "find_recipe",
    "load_recipe",
    "override_fields",
]
