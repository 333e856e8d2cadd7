"""Two processes that share a run: of recognition with all its options, and of detection."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.multiprocessing import start_processes

from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.synthetic_ava import AvaDatasetFiles, write_ava_dataset
from praxiscope.engine.detections import list_detections, write_detections
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.testing import DetectionTested, ScoreOptions, run_detection_test
from praxiscope.engine.trainer import Devices
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.detector import Detector
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Multigrid, PreciseBn, Recipe, Sgd
from praxiscope.types import ItemKey
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.engine.test_detection import small as detection
from tests.parity import made_up
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


def scored(actors: AvaDatasetFiles, devices: Devices) -> DetectionTested:
    """A test of a detector with made-up weights."""
    recipe = detection(actors)
    model = made_up.fill(recipe.model.build())
    assert isinstance(model, Detector)
    return run_detection_test(model.eval(), recipe, ScoreOptions(devices=devices))


def write(found: DetectionTested, actors: AvaDatasetFiles, path: Path) -> None:
    detections = list_detections(found.frames, detection(actors).val, min_score=0.002)
    write_detections(path, detections)


def run_as_one_of_two(rank: int, port: str, motions: str, actors: str, folder: str) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": str(rank)}
    os.environ |= {"LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
    os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}
    devices = Devices(launcher="pytorch")
    options = TrainOptions(validate=False, devices=devices)
    for make in (still, everything):
        run_training(make(MotionDataset(Path(motions))), Path(folder) / make.__name__, options)
    files = AvaDatasetFiles(Path(actors))
    found = scored(files, devices)
    if found.is_main_process:
        write(found, files, Path(folder) / "two.csv")
        (Path(folder) / "map.txt").write_text(repr(found.metrics["mAP@0.5IOU"]))
    recipe = detection(files, schedule=Cosine(epochs=1))
    recipe = replace(recipe, model=replace(recipe.model, acrn=True))
    run_training(recipe, Path(folder) / "acrn", TrainOptions(devices=devices))


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> AvaDatasetFiles:
    """A video to train on and two to validate on, eight key frames each."""
    return write_ava_dataset(tmp_path_factory.mktemp("actors"), train_videos=1, val_videos=2)


@pytest.fixture(scope="module")
def runs(
    motions: MotionDataset, actors: AvaDatasetFiles, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder that two processes have written to.

    They have what torchrun says to those it starts (tests/test_cli.py runs torchrun itself), but
    load the libraries once together.
    """
    folder = tmp_path_factory.mktemp("two")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", __name__, *map(str, (port, motions.root, actors.root, folder))],
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


def test_each_key_frame_is_scored_once_and_gives_the_same_map(
    actors: AvaDatasetFiles, runs: Path, tmp_path: Path
) -> None:
    alone = scored(actors, Devices())
    write(alone, actors, tmp_path / "alone.csv")
    assert (runs / "two.csv").read_text() == (tmp_path / "alone.csv").read_text()
    assert float((runs / "map.txt").read_text()) == alone.metrics["mAP@0.5IOU"]


def test_a_detector_trains_and_is_validated(runs: Path) -> None:
    assert (runs / "acrn/latest.pth").is_file()
    assert list((runs / "acrn").glob("best_mAP@0.5IOU_epoch_1.pth"))


if __name__ == "__main__":
    start_processes(run_as_one_of_two, tuple(sys.argv[1:]), nprocs=2, start_method="fork")
