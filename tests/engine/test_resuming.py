"""Checkpoints that do not fit the run they should continue: one sentence each, naming the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import CheckpointError
from praxiscope.recipe import Cosine
from tests.tiny import tiny_recipe

LOOP, OPTIMISER, SCHEDULE = ("loops", "fit_loop"), ("optimizer_states", 0), ("lr_schedulers", 0)


@pytest.fixture(scope="module")
def latest(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe(motions, schedule=Cosine(epochs=1))
    folder = tmp_path_factory.mktemp("run")
    return run_training(recipe, folder, TrainOptions(validate=False)).latest


def resume(motions: MotionDataset, checkpoint: Path, **changes: Any) -> None:
    options = TrainOptions(validate=False, resume=checkpoint)
    run_training(tiny_recipe(motions, **changes), checkpoint.parent / "resumed", options)


def test_a_run_of_another_model_is_not_continued(motions: MotionDataset, latest: Path) -> None:
    other = type(tiny_recipe(motions).model)(num_classes=8, width=16)
    with pytest.raises(CheckpointError, match=r"latest.pth is a run of another network: 2"):
        resume(motions, latest, model=other)


def test_a_run_of_more_epochs_is_not_continued_with_fewer(
    motions: MotionDataset, latest: Path
) -> None:
    content = torch.load(latest, weights_only=True)
    content["loops"]["fit_loop"]["epoch_progress"]["current"].update(processed=9, completed=9)
    path = latest.with_name("later.pth")
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"later.pth does not fit this run: .*max_epochs"):
        resume(motions, path)


def put(value: object, *keys: str | int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put([], "loops"),
        put(None, *LOOP),
        put("x", *LOOP, "epoch_loop.batch_progress", "current", "ready"),
        put(-1, *LOOP, "epoch_progress", "current", "processed"),
        put([], "optimizer_states"),
        put(None, *OPTIMISER, "state", 0),
        put({"momentum_buffer": torch.zeros(3)}, *OPTIMISER, "state", 0),
        put("x", *OPTIMISER, "param_groups", 0, "lr"),
        put({}, *OPTIMISER, "param_groups", 0),
        put({}, *SCHEDULE),
        put("x", *SCHEDULE, "last_epoch"),
        put({"best_score": "x", "best_path": ""}, "callbacks", "Checkpoints"),
    ],
)
def test_a_damaged_state_of_a_run_is_refused(
    motions: MotionDataset, latest: Path, change: Callable[[Any], None]
) -> None:
    content = torch.load(latest, weights_only=True)
    change(content)
    path = latest.with_name("damaged.pth")
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"damaged.pth does not fit this run: .* Expected a"):
        resume(motions, path)
