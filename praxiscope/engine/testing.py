"""A test run: every video of a list scored once, or every key frame of its videos."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import lightning
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from praxiscope.engine.detection import DetectionModule
from praxiscope.engine.detection_data import DetectionData
from praxiscope.engine.progress import RunProgress
from praxiscope.engine.recognition import RecognitionModule, Scored
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.trainer import (
    Devices,
    check_seed,
    quiet,
    trainer_from,
    write_broken,
)
from praxiscope.errors import PraxiscopeError
from praxiscope.metrics.classification import check_fit
from praxiscope.models.detector import Detector
from praxiscope.models.nonlocal3d import ConvOut
from praxiscope.models.recognizer import Average, Recognizer
from praxiscope.models.resnet3d import ConvBn3d
from praxiscope.models.slowfast import LateralConv
from praxiscope.recipe import DetectionRecipe, Recipe
from praxiscope.types import Broken, ScoredFrame


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What a command line says about a test beyond its recipe.

    Args:
        average: Instead of the recipe's way to join the scores of a video's views.
        metrics: Instead of the recipe's metrics.
        work_dir: Where ``broken.txt`` goes if videos are left out.
    """

    average: Average | None = None
    metrics: tuple[str, ...] | None = None
    fuse_conv_bn: bool = False
    seed: int = 0
    skip_broken: bool = False
    one_frame: bool = False
    work_dir: Path = Path()
    devices: Devices = field(default_factory=Devices)


@dataclass(frozen=True)
class Tested:
    """What a test run gave."""

    scored: Scored
    metrics: dict[str, float]
    broken: tuple[Broken, ...]
    is_main_process: bool  # of several, only this one should write files


def run_test(
    model: Recognizer, recipe: Recipe, options: ScoreOptions | None = None, *, name: str = "test"
) -> Tested:
    """Score the recipe's test list with ``model``.

    Raises:
        PraxiscopeError: A list, a video or an option cannot be used.
    """
    options = options or ScoreOptions()
    check_seed(options.seed)
    average = options.average or recipe.average
    if average == "none" and options.metrics:
        raise PraxiscopeError(
            f"--eval {' '.join(options.metrics)}: metrics need one score vector for each video: "
            "average the views with --average-clips prob or score."
        )
    recipe = replace(
        recipe,
        average=average,
        metrics=recipe.metrics if options.metrics is None else options.metrics,
    )
    data = RecognitionData(
        recipe, seed=options.seed, skip_broken=options.skip_broken, one_frame=options.one_frame
    )
    data.check("test")
    check_fit(recipe.metrics, several_labels=data.test_set.videos.multi_label)
    module = RecognitionModule(model, recipe, base_lr=recipe.optim.lr, seed=options.seed)
    trainer = _test(module, data, options, name)
    assert module.scored is not None
    broken = tuple(module.broken.values())
    return Tested(module.scored, module.metrics, broken, trainer.is_global_zero)


@dataclass(frozen=True)
class DetectionTested:
    """What a test run of a detector gave."""

    frames: tuple[ScoredFrame, ...]
    metrics: dict[str, float]  # mAP@0.5IOU
    per_class: dict[str, float]  # AP by the class's name; NaN where the mean leaves it out
    broken: tuple[Broken, ...]
    is_main_process: bool  # of several, only this one should write files


def run_detection_test(
    model: Detector,
    recipe: DetectionRecipe,
    options: ScoreOptions | None = None,
    *,
    name: str = "test",
) -> DetectionTested:
    """Score the proposals of every key frame of the recipe's test list with ``model``.

    Raises:
        PraxiscopeError: A list, a video or an option cannot be used.
    """
    options = options or ScoreOptions()
    check_seed(options.seed)
    if options.average is not None:
        raise PraxiscopeError("--average-clips is for recognition: a key frame is one clip.")
    if options.metrics is not None:
        recipe = replace(recipe, metrics=options.metrics)
    data = DetectionData(
        recipe, seed=options.seed, skip_broken=options.skip_broken, one_frame=options.one_frame
    )
    data.check("test")
    module = DetectionModule(model, recipe, base_lr=recipe.optim.lr, seed=options.seed)
    trainer = _test(module, data, options, name)
    broken = tuple(module.broken.values())
    return DetectionTested(
        module.frames, module.metrics, module.per_class, broken, trainer.is_global_zero
    )


def _test(
    module: RecognitionModule | DetectionModule,
    data: RecognitionData | DetectionData,
    options: ScoreOptions,
    name: str,
) -> lightning.Trainer:
    """Run a test under a bar, list what is broken, and return who knows about the processes."""
    module.model.eval()
    if options.fuse_conv_bn:
        fuse_conv_bn(module.model)
    trainer = trainer_from(
        options.devices,
        logger=False,
        default_root_dir=options.work_dir,
        callbacks=[RunProgress(name)],
    )
    try:
        with quiet():
            trainer.test(module, datamodule=data, verbose=False)
    finally:
        write_broken(trainer, module.broken)
    return trainer


def fuse_conv_bn(model: torch.nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place; the sums stay the same."""
    for module in model.modules():
        if not isinstance(module, ConvBn3d | ConvOut | LateralConv):
            continue
        if isinstance(module.bn, torch.nn.BatchNorm3d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = torch.nn.Identity()
