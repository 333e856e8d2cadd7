"""A training run: from a recipe to checkpoints and curves in a folder."""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from praxiscope.data.ava import output_names
from praxiscope.data.lists import class_names
from praxiscope.engine.checkpoints import LATEST, Checkpoints
from praxiscope.engine.detection import DetectionModule
from praxiscope.engine.detection_data import DetectionData
from praxiscope.engine.means import LogMeans
from praxiscope.engine.norms import PreciseNorms
from praxiscope.engine.progress import RunProgress
from praxiscope.engine.recognition import RecognitionModule
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.trainer import (
    Devices,
    check_devices,
    check_seed,
    quiet,
    trainer_from,
    write_broken,
    writing_logs,
)
from praxiscope.errors import CheckpointError, DataError
from praxiscope.files import check_folder
from praxiscope.models.detector import Detector
from praxiscope.models.recognizer import Recognizer
from praxiscope.recipe import DetectionRecipe, Recipe, RunSettings, TrainingRecipe
from praxiscope.types import Broken
from praxiscope.zoo.imagenet import load_start
from praxiscope.zoo.weights import prepare_for

log = logging.getLogger(__name__)

Model = TypeVar("Model", Recognizer, Detector)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What a command line says about a run beyond its recipe."""

    validate: bool = True
    seed: int = 0
    diff_rank_seed: bool = False
    deterministic: bool = False
    amp: bool = False
    auto_scale_lr: bool = False
    resume: Path | None = None
    skip_broken: bool = False
    one_frame: bool = False
    devices: Devices = field(default_factory=Devices)


@dataclass(frozen=True)
class Trained(Generic[Model]):
    """What a training run leaves."""

    model: Model
    latest: Path  # the last checkpoint
    best: Path | None  # the best one, if the run was validated
    metrics: dict[str, float]  # of the last validation
    curves: Path  # csv: epoch, train/loss, train/top1_acc, val/top1_acc ...
    broken: tuple[Broken, ...]
    is_main_process: bool  # of several, only this one should write files


@overload
def run_training(
    recipe: Recipe, work_dir: Path, options: TrainOptions | None = None, *, name: str = "train"
) -> Trained[Recognizer]: ...


@overload
def run_training(
    recipe: DetectionRecipe,
    work_dir: Path,
    options: TrainOptions | None = None,
    *,
    name: str = "train",
) -> Trained[Detector]: ...


def run_training(
    recipe: TrainingRecipe,
    work_dir: Path,
    options: TrainOptions | None = None,
    *,
    name: str = "train",
) -> Trained[Any]:
    """Train a recipe and return what was made. Everything it writes is in ``work_dir``.

    Raises:
        PraxiscopeError: Something the user gave cannot be used; nothing half-written is left.
        StoppedError: Ctrl-C or SIGTERM; the message names the checkpoint to continue from.
    """
    options = options or TrainOptions()
    check_seed(options.seed)
    check_devices(options.devices)
    data = _data(recipe, options)
    data.check("train")
    if options.validate:
        try:
            data.check("val")
        except DataError as error:
            raise DataError(f"{error} (--no-validate trains without it.)") from error
    if options.resume and not options.resume.is_file():
        raise CheckpointError(f"{options.resume} does not exist: there is nothing to resume from.")
    check_folder(work_dir)
    lightning.seed_everything(options.seed, verbose=False)
    model = recipe.model.build()
    if recipe.start and not options.resume:
        report = load_start(model, recipe.model, recipe.start, clip=recipe.clip)
        log.info("%s", report)
    if options.resume:
        prepare_for(model, options.resume)

    checkpoints = Checkpoints(work_dir, every=recipe.checkpoint_every, monitor=monitor(recipe))
    progress = RunProgress(name)
    callbacks: list[lightning.Callback] = [LogMeans(), progress, checkpoints]
    if recipe.precise_bn:
        callbacks.append(PreciseNorms(recipe.precise_bn, data, progress))
    logs = new_logs_folder(work_dir)
    csv = CSVLogger(save_dir=logs, name="", version="")
    trainer = trainer_from(
        options.devices,
        max_epochs=recipe.schedule.epochs,
        precision=half_precision() if options.amp else "32-true",
        deterministic=options.deterministic,
        accumulate_grad_batches=recipe.optim.accumulate,
        gradient_clip_val=recipe.optim.clip_norm,
        check_val_every_n_epoch=min(recipe.validate_every, recipe.schedule.epochs),
        limit_val_batches=1.0 if options.validate else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        default_root_dir=work_dir,
        logger=[csv, TensorBoardLogger(save_dir=logs, name="", version="")],
        callbacks=callbacks,
    )
    seed = options.seed + (trainer.global_rank if options.diff_rank_seed else 0)
    base_lr = scaled_lr(recipe, trainer.world_size, options)
    module = _module(model, data, base_lr=base_lr, seed=seed)
    try:
        with quiet(), writing_logs(logs), checkpoints.restoring(options.resume):
            resume = str(options.resume) if options.resume else None
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=False)
    finally:
        write_broken(trainer, module.broken)
    return Trained(
        model=model,
        latest=work_dir / LATEST,
        best=Path(checkpoints.best_path) if checkpoints.best_path else None,
        metrics=module.metrics,
        curves=logs / "metrics.csv",
        broken=tuple(module.broken.values()),
        is_main_process=trainer.is_global_zero,
    )


def _data(recipe: TrainingRecipe, options: TrainOptions) -> RecognitionData | DetectionData:
    """Return the lists of a recipe, unread."""
    seed, skip_broken, one_frame = options.seed, options.skip_broken, options.one_frame
    if isinstance(recipe, Recipe):
        return RecognitionData(recipe, seed=seed, skip_broken=skip_broken, one_frame=one_frame)
    return DetectionData(recipe, seed=seed, skip_broken=skip_broken, one_frame=one_frame)


def _module(
    model: Recognizer | Detector,
    data: RecognitionData | DetectionData,
    *,
    base_lr: float,
    seed: int,
) -> RecognitionModule | DetectionModule:
    """Return what trains a model on the lists of its task."""
    if isinstance(model, Recognizer):
        assert isinstance(data, RecognitionData)
        names = class_names(data.train_set.videos)
        return RecognitionModule(model, data.recipe, base_lr=base_lr, seed=seed, class_names=names)
    assert isinstance(data, DetectionData)
    names = output_names(data.recipe.train)
    return DetectionModule(model, data.recipe, base_lr=base_lr, seed=seed, class_names=names)


def scaled_lr(recipe: RunSettings, world_size: int, options: TrainOptions) -> float:
    """Return the learning rate for the videos in a step of this run, and say what was done."""
    optim = recipe.optim
    batch = recipe.videos_per_device * world_size * optim.accumulate
    items = "key frames" if isinstance(recipe, DetectionRecipe) else "videos"
    if batch == optim.batch:
        return optim.lr
    if not options.auto_scale_lr:
        log.warning(
            "the recipe's learning rate %g is for %d %s a step; this run has %d "
            "(--auto-scale-lr scales it).",
            optim.lr,
            optim.batch,
            items,
            batch,
        )
        return optim.lr
    lr = optim.lr * batch / optim.batch
    log.warning(
        "learning rate scaled from %g to %g: %d %s a step instead of %d.",
        optim.lr,
        lr,
        batch,
        items,
        optim.batch,
    )
    return lr


def new_logs_folder(work_dir: Path) -> Path:
    """Return a folder named after the time, so that a resumed run keeps the earlier curves."""
    logs = first = work_dir / "logs" / time.strftime("%Y%m%d_%H%M%S")
    number = 1
    while logs.exists():
        number += 1
        logs = first.with_name(f"{first.name}_{number}")
    return logs


def monitor(recipe: TrainingRecipe) -> str:
    """Return the validation metric by which the best epoch is chosen."""
    if isinstance(recipe, DetectionRecipe):
        return "val/mAP@0.5IOU"
    first = recipe.metrics[0] if recipe.metrics else "top_k_accuracy"
    return "val/top1_acc" if first == "top_k_accuracy" else f"val/{first}"


def half_precision() -> str:
    """Return this machine's mixed precision: float16 with loss scaling on GPUs, or bfloat16."""
    return "16-mixed" if torch.cuda.is_available() else "bf16-mixed"
