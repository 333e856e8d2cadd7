"""Precise statistics of batch norms."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import Tensor

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.progress import RunProgress
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, PreciseBn, Recipe, Sgd
from praxiscope.types import ItemKey
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe

QUIET = TrainOptions(validate=False)
STEM = "backbone.conv1"


def small(motions: MotionDataset, precise_bn: PreciseBn | None) -> Recipe:
    return tiny_recipe(
        motions,
        model=SlowOnly(num_classes=8, width=8, depth=14),
        schedule=Cosine(epochs=3),
        precise_bn=precise_bn,
    )


def weights(checkpoint: Path) -> dict[str, Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


def test_the_statistics_are_those_of_everything_the_norm_saw(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = small(motions, PreciseBn(batches=100))  # more than there are
    recipe = replace(recipe, schedule=Cosine(epochs=1), optim=Sgd(lr=1e-30, batch=4))
    found = weights(run_training(recipe, tmp_path, QUIET).latest)
    dataset = RecognitionData(recipe, seed=0).train_set
    clips = torch.cat([dataset.load(ItemKey(1, index)).clips for index in range(len(dataset))])
    seen = recipe.model.build().normalize(clips).double()
    seen = torch.nn.functional.conv3d(
        seen, found[f"{STEM}.conv.weight"].double(), stride=(1, 2, 2), padding=(0, 3, 3)
    )
    mean, var = seen.mean((0, 2, 3, 4)), seen.var((0, 2, 3, 4), unbiased=False)
    torch.testing.assert_close(found[f"{STEM}.bn.running_mean"].double(), mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[f"{STEM}.bn.running_var"].double(), var, rtol=1e-5, atol=0)


@pytest.fixture(scope="module")
def whole(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = small(motions, PreciseBn(batches=2, every=2))
    return run_training(recipe, tmp_path_factory.mktemp("whole")).latest


def test_measuring_does_not_touch_the_training(
    motions: MotionDataset, tmp_path: Path, whole: Path
) -> None:
    without = weights(run_training(small(motions, None), tmp_path).latest)
    precise = weights(whole)
    differing = {name for name in precise if not torch.equal(precise[name], without[name])}
    assert differing == {
        name for name in precise if name.endswith(("running_mean", "running_var", "tracked"))
    }


def test_it_is_done_when_due_and_at_the_end(motions: MotionDataset, whole: Path) -> None:
    seen = [
        int(weights(whole.with_name(f"epoch_{epoch}.pth"))[f"{STEM}.bn.num_batches_tracked"])
        for epoch in (1, 2, 3)
    ]
    assert seen == [4, 4 + 4 + 2, 4 + 4 + 2 + 4 + 2]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_resumed_run_measures_the_same(
    motions: MotionDataset, tmp_path: Path, whole: Path, epoch: int
) -> None:
    recipe = small(motions, PreciseBn(batches=2, every=2))
    options = TrainOptions(resume=whole.with_name(f"epoch_{epoch}.pth"))
    resumed = weights(run_training(recipe, tmp_path, options).latest)
    expected = weights(whole)
    assert not [name for name in expected if not torch.equal(expected[name], resumed[name])]


def test_norms_that_stand_still_are_left_alone(motions: MotionDataset, tmp_path: Path) -> None:
    recipe = replace(small(motions, PreciseBn(batches=2)), frozen_stages=0, norm_eval=False)
    found = weights(run_training(recipe, tmp_path, replace(QUIET, amp=True)).latest)
    assert torch.equal(found[f"{STEM}.bn.running_mean"], torch.zeros(8))
    assert not torch.equal(found["backbone.layer1.0.conv1.bn.running_mean"], torch.zeros(8))


def test_a_terminal_shows_how_far_the_measuring_is() -> None:
    text = io.StringIO()
    progress = RunProgress("train", Console(file=text, force_terminal=True, width=120))
    trainer = SimpleNamespace(
        is_global_zero=True, max_epochs=2, num_training_batches=4, current_epoch=0
    )
    progress.on_train_start(trainer, None)
    shown = []
    for item in progress.track(range(3), "precise norms", 3):
        shown.append(item)
        assert progress._bar is not None
        progress._bar.refresh()
    progress.teardown(trainer, None, "fit")
    assert shown == [0, 1, 2]
    assert "precise norms" in text.getvalue() and "2/3" in text.getvalue()
    assert list(progress.track(range(2), "without a terminal", 2)) == [0, 1]
