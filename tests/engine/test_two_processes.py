"""Training options in two processes that share a run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.trainer import Devices
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Multigrid, PreciseBn, Recipe, Sgd
from praxiscope.types import ItemKey
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe

STEM = "backbone.conv1"


def still(motions: MotionDataset) -> Recipe:
    """Weights that do not move, and norms measured over the whole list."""
    return tiny_recipe(
        motions,
        model=SlowOnly(num_classes=8, width=8, depth=14),
        schedule=Cosine(epochs=1),
        optim=Sgd(lr=1e-30, batch=8),
        precise_bn=PreciseBn(batches=100),
    )


def everything(motions: MotionDataset) -> Recipe:
    """Frozen stages of both pathways beside all else that may clash with several processes."""
    recipe = tiny_recipe(
        motions,
        model=SlowFast(num_classes=8, width=8, depth=14, slow_stride=2, speed_ratio=2),
        clip=Clip(frames=8, stride=2),
        schedule=Cosine(epochs=4),
        optim=Sgd(lr=0.02, batch=8),
        precise_bn=PreciseBn(batches=1, every=4),
        multigrid=Multigrid(long_cycles=(0, 4)),
        frozen_stages=1,
        label_smoothing=0.1,
    )
    return replace(recipe, loader=replace(recipe.loader, class_balance=0.5))


def run_as_one_of_two(root: Path, folder: Path) -> None:
    """What each process does; started by :func:`runs`."""
    torch.set_num_threads(1)
    motions = MotionDataset(root)
    options = TrainOptions(validate=False, devices=Devices(launcher="pytorch"))
    for recipe in (still, everything):
        run_training(recipe(motions), folder / recipe.__name__, options)


@pytest.fixture(scope="module")
def runs(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes have trained into."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", __name__, str(motions.root), str(folder)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


def weights(checkpoint: Path) -> dict[str, Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


def test_norms_are_measured_over_what_both_have_seen(motions: MotionDataset, runs: Path) -> None:
    found = weights(runs / "still/latest.pth")
    recipe = still(motions)
    dataset = RecognitionData(recipe, seed=0).train_set
    clips = torch.cat([dataset.load(ItemKey(1, index)).clips for index in range(len(dataset))])
    seen = torch.nn.functional.conv3d(
        recipe.model.build().normalize(clips).double(),
        found[f"{STEM}.conv.weight"].double(),
        stride=(1, 2, 2),
        padding=(0, 3, 3),
    )
    mean, var = seen.mean((0, 2, 3, 4)), seen.var((0, 2, 3, 4), unbiased=False)
    torch.testing.assert_close(found[f"{STEM}.bn.running_mean"].double(), mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[f"{STEM}.bn.running_var"].double(), var, rtol=1e-5, atol=0)


def test_frozen_stages_multigrid_and_balance_work_together(runs: Path) -> None:
    first, last = weights(runs / "everything/epoch_1.pth"), weights(runs / "everything/latest.pth")
    still = {name for name in first if torch.equal(first[name], last[name])}
    frozen = {name for name in first if any(f"_path.{p}" in name for p in ("conv1", "layer1."))}
    assert still == frozen
    assert all(value.isfinite().all() for value in last.values())


if __name__ == "__main__":
    run_as_one_of_two(Path(sys.argv[1]), Path(sys.argv[2]))
