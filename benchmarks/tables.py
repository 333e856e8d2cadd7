"""What is measured: one function a table."""

import importlib
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from benchmarks import bank_filling, feature_bank, long_term
from benchmarks.ava_map import evaluate_by_hand, write_files
from benchmarks.timing import Row, side_by_side
from praxiscope import create_model, load_recipe
from praxiscope.metrics.ava import evaluate_files
from praxiscope.metrics.classification import evaluate
from praxiscope.models.roi import roi_align
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


def ava_map() -> Iterator[Row]:
    """Time the mAP of 57,000 key frames with 1,000,000 detections over 80 classes, from csv files.

    Both sides work on one core and share the reading of the files.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, num_frames=57_000, num_detections=1_000_000)
        paths = (folder / "found.csv", folder / "truth.csv", folder / "labels.pbtxt")
        work = "AVA mAP, 57,000 frames, 1,000,000 detections"
        yield side_by_side(
            work,
            "loops over frames",
            lambda: evaluate_files(*paths),
            lambda: evaluate_by_hand(folder),
            runs=1,
        )


def roi_aligns() -> Iterator[Row]:
    """Time RoIAlign as the AVA models need it, 8 images of 256 x 352 pixels, 1 to 30 boxes each.

    2,048 channels are SlowOnly's, 2,304 SlowFast's. Maps are laid out as the peer has them.
    """
    try:
        theirs = importlib.import_module("torchvision.ops").roi_align
    except (ImportError, RuntimeError):  # missing, or built for another torch
        sentence = "roi_align skipped: its peer is torchvision, and none fits the installed torch."
        raise SystemExit(sentence) from None
    torch.manual_seed(0)
    for channels in (2048, 2304):
        maps = torch.randn(8, channels, 16, 22, requires_grad=True)
        for count in (1, 5, 30):
            extent = torch.rand(8, count, 2) * torch.tensor([0.4, 0.6]) + torch.tensor([0.1, 0.3])
            corner = torch.rand(8, count, 2) * (1 - extent)
            whole = torch.tensor([352.0, 256.0, 352.0, 256.0])
            boxes = list(torch.cat((corner, corner + extent), -1) * whole)
            gradient = torch.randn(8 * count, channels, 8, 8)
            pair = (
                partial(roi_align, boxes=boxes),
                partial(theirs, boxes=boxes, output_size=8, spatial_scale=1 / 16, aligned=True),
            )
            work = f"{channels} channels, 8 x {count}"
            yield side_by_side(
                f"{work}: forward", "torchvision", *(partial(f, maps.detach()) for f in pair)
            )
            yield side_by_side(
                f"{work}: both",
                "torchvision",
                *(partial(_both_ways, f, maps, gradient) for f in pair),
            )


def bank(num_seconds: int) -> Iterator[Row]:
    """Time and weigh a feature bank of so many seconds with four persons each."""
    with tempfile.TemporaryDirectory() as name:
        yield from feature_bank.rows(Path(name), num_seconds)


def _both_ways(align: Callable[[Tensor], Tensor], maps: Tensor, gradient: Tensor) -> None:
    torch.autograd.grad(align(maps), maps, gradient)


TABLES: dict[str, Callable[[], Iterator[Row]]] = {
    "metrics": metrics,
    "bank": partial(bank, 4_000),
    "bank_published_size": partial(bank, 80_000),
    "bank_filling": bank_filling.filling,
    "long_term": long_term.rows,
    "ava_map": ava_map,
    "model_load": model_load,
    "roi_align": roi_aligns,
}
