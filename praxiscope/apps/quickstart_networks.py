"""The detectors of the detection quickstart, trained and tested side by side."""

import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from praxiscope.apps.detection_report import DetectorResult
from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.apps.quickstart_parts import Lines, read_curves
from praxiscope.data.ava import output_names
from praxiscope.data.batch import num_cores
from praxiscope.engine.detections import list_detections, write_detections
from praxiscope.engine.testing import ScoreOptions, run_detection_test
from praxiscope.engine.trainer import Devices
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import PraxiscopeError
from praxiscope.recipe import DetectionRecipe
from praxiscope.zoo.weights import save_weights

CURVES = {"train loss": "train/loss_epoch"}


@dataclass(frozen=True)
class Network:
    """One of the detectors: what it is called, and how its recipe differs from the plain one."""

    name: str
    overrides: tuple[str, ...] = ()
    meant_for: str | None = None  # a group of labels

    @property
    def folder(self) -> str:
        """Its folder below the quickstart's."""
        return self.name.lower().replace(" ", "_")


NETWORKS = (
    Network("plain"),
    Network("context", ("model.context=true",), "scene"),
    Network("temporal max", ("model.temporal_pool=max",), "brief"),
    Network("ACRN", ("model.acrn=true",), "relation"),
)


@dataclass(frozen=True)
class NetworkRun:
    """One network, trained and tested."""

    result: DetectorResult
    parameters: int
    train_seconds: float
    test_seconds: float


def run_all(recipes: Mapping[Network, DetectionRecipe], out: Path, seed: int) -> list[NetworkRun]:
    """Train and test all networks, each on a core of its own; small ones gain little from more.

    Raises:
        PraxiscopeError: Something cannot be read or written, or a process ended without a word.
        StoppedError: SIGTERM while training.
    """
    processes = min(len(recipes), num_cores())
    threads = max(1, num_cores() // processes)
    work = partial(_run, out=out, seed=seed, threads=threads)
    done: dict[Network, NetworkRun] = {}
    for (network, _), run in in_processes(work, recipes.items(), processes):
        if isinstance(run, Crashed):
            raise PraxiscopeError(
                f"the process that trained '{network.name}' ended without a word, perhaps for lack "
                "of memory: close other programs and start again."
            )
        done[network] = run
    return [done[network] for network in recipes]


def _run(
    item: tuple[Network, DetectionRecipe], *, out: Path, seed: int, threads: int
) -> NetworkRun:
    """Train and test one network; leave its checkpoint and its detections."""
    network, recipe = item
    torch.set_num_threads(threads)
    with redirect_stderr(Lines(sys.stderr)):  # a bar for each process would write over the others
        return _train_and_test(recipe, out, network, seed)


def _train_and_test(recipe: DetectionRecipe, out: Path, network: Network, seed: int) -> NetworkRun:
    devices, folder = Devices(count=1), out / network.folder
    started = time.monotonic()
    options = TrainOptions(validate=False, seed=seed, devices=devices)
    trained = run_training(recipe, folder, options, name=f"train {network.name}")
    between = time.monotonic()
    tested = run_detection_test(
        trained.model,
        recipe,
        ScoreOptions(seed=seed, work_dir=folder, devices=devices),
        name=f"test {network.name}",
    )
    ended = time.monotonic()
    names = output_names(recipe.val) or ()
    save_weights(trained.model, checkpoint_of(out, network), names, clip=recipe.clip)
    detections = list_detections(
        tested.frames, recipe.val, min_score=recipe.min_score, protocol=recipe.protocol
    )
    write_detections(folder / "detections.csv", detections)
    result = DetectorResult(
        name=network.name,
        mean_precision=tested.metrics["mAP@0.5IOU"],
        per_class=tested.per_class,
        frames=tested.frames,
        curves=read_curves(trained.curves, network.name, CURVES),
        meant_for=network.meant_for,
    )
    parameters = sum(p.numel() for p in trained.model.parameters())
    return NetworkRun(result, parameters, between - started, ended - between)


def checkpoint_of(out: Path, network: Network) -> Path:
    """Return where the weights of a network are left."""
    return out / network.folder / "checkpoint.pth"
