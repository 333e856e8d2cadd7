"""Multigrid runs from end to end."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.checkpoints import Checkpoints, StoppedError
from praxiscope.engine.recognition import RecognitionModule
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Multigrid, PreciseBn, Recipe, Step, load_recipe
from praxiscope.types import Batch
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe

QUIET = TrainOptions(validate=False)


def recipe_of(motions: MotionDataset) -> Recipe:
    """Five epochs of two steps, four of them a long cycle."""
    recipe = tiny_recipe(
        motions,
        model=SlowOnly(num_classes=8, width=8, depth=14),
        schedule=Step(epochs=5, milestones=(4,)),
        multigrid=Multigrid(long_cycles=(0, 4)),
    )
    return replace(recipe, loader=replace(recipe.loader, videos_per_device=8))


def weights(checkpoint: Path) -> dict[str, Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


def assert_equal_weights(a: Path, b: Path) -> None:
    ours, theirs = weights(a), weights(b)
    assert not [name for name in ours if not torch.equal(ours[name], theirs[name])]


@pytest.fixture(scope="module")
def seen() -> list[tuple[int, ...]]:
    """The shapes of all batches of the run of ``whole``."""
    return []


@pytest.fixture(scope="module")
def whole(
    motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory, seen: list[tuple[int, ...]]
) -> Path:
    def note(self: Any, batch: Batch, batch_idx: int) -> None:
        seen.append(tuple(batch.clips.shape))
        reseed(self, batch, batch_idx)

    reseed = RecognitionModule.on_train_batch_start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecognitionModule, "on_train_batch_start", note)
        return run_training(recipe_of(motions), tmp_path_factory.mktemp("whole"), QUIET).latest


def test_a_run_sees_the_shapes_of_both_cycles(whole: Path, seen: list[tuple[int, ...]]) -> None:
    # clips of 4 x 32 x 32, 8 a batch; an epoch of two steps has two thirds of a short cycle
    shapes = [(shape[0], *shape[3:]) for shape in seen]
    assert shapes == [
        *[(128, 1, 16, 16), (64, 1, 23, 23)],
        *[(64, 2, 16, 16), (32, 2, 23, 23)],
        *[(64, 2, 16, 16), (32, 2, 23, 23)],
        *[(32, 4, 16, 16), (16, 4, 23, 23)],
        *[(32, 4, 16, 16), (16, 4, 23, 23)],
    ]


def test_the_rate_follows_the_long_cycle_and_the_schedule(whole: Path) -> None:
    rates = []
    for epoch in (1, 2, 3, 4):
        state: Any = read_checkpoint_file(whole.with_name(f"epoch_{epoch}.pth"))
        rates.append(state["lr_schedulers"][0]["_last_lr"][0])
    # those of the next epoch: 4, 2 and 1 times 0.02, then the milestone
    assert rates == pytest.approx([0.08, 0.04, 0.02, 0.002])


def test_a_run_resumed_after_an_epoch_with_workers_is_the_same_run(
    motions: MotionDataset, tmp_path: Path, whole: Path
) -> None:
    recipe = recipe_of(motions)
    recipe = replace(recipe, loader=replace(recipe.loader, workers=2))
    options = replace(QUIET, resume=whole.with_name("epoch_2.pth"))
    assert_equal_weights(run_training(recipe, tmp_path, options).latest, whole)


def test_a_run_stopped_within_an_epoch_is_the_same_run(
    motions: MotionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    def send_a_signal(self: Any, trainer: Any, *args: Any) -> None:
        if trainer.current_epoch == 1 and args[-1] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        saved(self, trainer, *args)

    saved = Checkpoints.on_train_batch_end
    monkeypatch.setattr(Checkpoints, "on_train_batch_end", send_a_signal)
    with pytest.raises(StoppedError, match="in epoch 2, after batch 1"):
        run_training(recipe_of(motions), tmp_path, QUIET)
    monkeypatch.undo()
    options = replace(QUIET, resume=tmp_path / "latest.pth")
    assert_equal_weights(run_training(recipe_of(motions), tmp_path, options).latest, whole)


def test_the_example_recipe_trains_in_miniature(motions: MotionDataset, tmp_path: Path) -> None:
    example = load_recipe("slowfast_r50_multigrid_8x8x1_kinetics400_rgb")
    assert isinstance(example.model, SlowFast)
    tiny = tiny_recipe(motions)
    recipe = replace(
        example,
        model=replace(example.model, depth=14, width=8, num_classes=8),
        clip=replace(example.clip, frames=16),
        train=tiny.train,
        val=tiny.val,
        train_transform=tiny.train_transform,
        val_views=tiny.val_views,
        test_views=tiny.test_views,
        optim=tiny.optim,
        loader=tiny.loader,
        schedule=Cosine(epochs=1),
        precise_bn=PreciseBn(batches=2, every=3),
    )
    trained = run_training(recipe, tmp_path)
    assert trained.metrics.keys() >= {"top1_acc"}
    tracked = weights(trained.latest)["backbone.fast_path.conv1.bn.num_batches_tracked"]
    assert tracked == 4 + 2
