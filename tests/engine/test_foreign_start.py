"""Training, testing and predicting with weights of another code base keeps its conventions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.conventions import PYSLOWFAST
from praxiscope.models.slowfast import SlowFast
from praxiscope.recipe import Recipe
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.weights import load_checkpoint
from tests.tiny import tiny_recipe
from tests.zoo.foreign import tiny_pyslowfast

ENTRY = SlowFast(depth=14, width=16, num_classes=8, slow_stride=4, speed_ratio=4)


@pytest.fixture
def recipe(motions: MotionDataset, tmp_path: Path) -> Recipe:
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "start.pyth")
    base = tiny_recipe(motions, model=ENTRY, start=str(tmp_path / "start.pyth"))
    return replace(base, clip=replace(base.clip, frames=8, stride=2))


def train(recipe: Recipe, folder: Path, resume: Path | None = None) -> Any:
    return run_training(recipe, folder, TrainOptions(validate=False, resume=resume))


def test_a_run_from_foreign_weights_is_saved_and_resumed_with_their_conventions(
    recipe: Recipe, tmp_path: Path
) -> None:
    whole = train(recipe, tmp_path / "whole")
    assert whole.model.conventions == PYSLOWFAST
    content: Any = read_checkpoint_file(whole.latest)
    assert content["meta"]["clip"] == "8x2/4"
    model = ENTRY.build()
    report = load_checkpoint(model, whole.latest, clip=recipe.clip)
    assert (report.missing, report.unexpected, report.warnings) == ((), (), ())
    assert model.conventions == PYSLOWFAST

    resumed = train(recipe, tmp_path / "resumed", resume=tmp_path / "whole" / "epoch_1.pth")
    again: Any = read_checkpoint_file(resumed.latest)
    assert again["meta"] == content["meta"]
    for name, tensor in content["state_dict"].items():
        assert torch.equal(again["state_dict"][name], tensor), name
