"""What is measured: one function a table."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from benchmarks.timing import Row, side_by_side
from praxiscope import create_model, load_recipe
from praxiscope.metrics.classification import evaluate
from praxiscope.zoo.weights import save_weights

NETWORKS = (
    "slowonly_r50_4x16x1_256e_kinetics400_rgb",
    "slowfast_r50_8x8x1_256e_kinetics400_rgb",
    "slowfast_r152_r50_4x16x1_256e_kinetics400_rgb",
)


def metrics() -> Iterator[Row]:
    """Time top-1, top-5 and mean class accuracy of 20,000 videos over 400 classes."""
    random = np.random.default_rng(0)
    scores, labels = random.random((20_000, 400), np.float32), random.integers(0, 400, 20_000)

    def theirs() -> None:
        on_torch, truth = torch.from_numpy(scores), torch.from_numpy(labels)
        for k, average in ((1, "micro"), (5, "micro"), (1, "macro")):
            multiclass_accuracy(on_torch, truth, 400, average, top_k=k)  # type: ignore[arg-type]

    names = ["top_k_accuracy", "mean_class_accuracy"]
    yield side_by_side(
        "three metrics, 20,000 x 400",
        "torchmetrics",
        lambda: evaluate(scores, labels, names),
        theirs,
    )


def model_load() -> Iterator[Row]:
    """Time a model with its checkpoint, beside reading the file alone.

    The difference is what building the network and checking the file cost.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            path = Path(folder) / f"{name}.pth"
            save_weights(load_recipe(name).model.build(), path)
            yield side_by_side(name, "torch.load", *_loads(name, path))


def _loads(name: str, path: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    return lambda: create_model(name, path), lambda: torch.load(path, weights_only=True)


TABLES: dict[str, Callable[[], Iterator[Row]]] = {"metrics": metrics, "model_load": model_load}
