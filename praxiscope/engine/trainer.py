"""What training and testing share: devices, Lightning's Trainer, checks before a long run."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch

from praxiscope.data.lists import check_files
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.engine.checkpoints import AtomicCheckpointIO
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.types import Broken
from praxiscope.zoo.files import write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Devices:
    """Where a run takes place.

    Args:
        count: Devices of this machine; None takes all GPUs, or one CPU process.
        ids: Certain GPUs instead.
        launcher: "none" starts the processes itself; "pytorch" (torchrun) and "slurm" have started
            them already.
    """

    count: int | None = None
    ids: tuple[int, ...] = ()
    launcher: str = "none"


def trainer_from(devices: Devices, **settings: Any) -> lightning.Trainer:
    """Return Lightning's Trainer on ``devices``, with our samplers, checkpoints and bars."""
    num_nodes, count = 1, devices.count or "auto"
    if devices.launcher == "pytorch":
        count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        num_nodes = int(os.environ.get("WORLD_SIZE", "1")) // count
    elif devices.launcher == "slurm":
        count = int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
        num_nodes = int(os.environ.get("SLURM_NNODES", "1"))
    gpus = torch.cuda.is_available()
    if not gpus and count == "auto":
        count = 1
    if gpus and devices.count and devices.count > torch.cuda.device_count():
        raise PraxiscopeError(
            f"--gpus {devices.count}: this machine has {torch.cuda.device_count()}."
        )
    many = count != 1 or num_nodes > 1 or len(devices.ids) > 1
    with quiet():
        return lightning.Trainer(
            accelerator="gpu" if gpus else "cpu",
            devices=list(devices.ids) if devices.ids and gpus else count,
            num_nodes=num_nodes,
            strategy="ddp" if many else "auto",
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[AtomicCheckpointIO()],
            **settings,
        )


def check_list(dataset: RecognitionDataset, num_classes: int, *, skip_broken: bool) -> None:
    """Find missing videos, and classes the model cannot have, before anything is built.

    Raises:
        DataError: The list does not fit the model, or names videos that do not exist.
    """
    videos = dataset.videos
    if videos.num_classes != num_classes:
        raise DataError(
            f"{videos.annotations or videos.root} has {videos.num_classes} classes and the model "
            f"{num_classes}: set the model's and the lists' num_classes to the same number."
        )
    if not skip_broken:
        check_files(videos, dataset.records)


def write_broken(path: Path, broken: Mapping[str, Broken], *, is_main_process: bool) -> None:
    """List the videos that were left out, one a line with the reason, and say how many."""
    if broken and is_main_process:
        text = "".join(f"{video}\t{found.reason}\n" for video, found in sorted(broken.items()))
        write_atomically(path, lambda file: file.write(text.encode()))
        log.warning("%d broken videos were left out; %s lists them.", len(broken), path)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out Lightning's hints to people who write their own training loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*smaller than the logging interval.*",
            ".*GPU available but not used.*",
            ".*LeafSpec.*",  # Lightning 2.6 with torch 2.15
        ):
            warnings.filterwarnings("ignore", message)
        try:
            yield
        except SystemExit as error:  # Lightning's answer to a signal; it would pass for success
            raise KeyboardInterrupt from error
