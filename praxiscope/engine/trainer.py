"""What training and testing share: devices, Lightning's Trainer, checks before a long run."""

import errno
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lightning
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy

from praxiscope.checks import check_choice, check_whole
from praxiscope.data.lists import check_files
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.engine.checkpoints import AtomicCheckpointIO
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.types import Broken

log = logging.getLogger(__name__)

Part = TypeVar("Part")


DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
BROKEN = "broken.txt"
MAX_SEED = 2**32 - 1  # NumPy's


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

    def __post_init__(self) -> None:
        check_choice(self.launcher, "--launcher", ("none", "pytorch", "slurm"))
        if self.count is not None:
            check_whole(self.count, "--gpus")
        for number in self.ids:
            check_whole(number, "--gpu-ids", least=0)


def trainer_from(devices: Devices, **settings: Any) -> lightning.Trainer:
    """Return Lightning's Trainer on ``devices``, with our samplers, checkpoints and bars.

    Raises:
        PraxiscopeError: This machine has no such devices, or nobody has started the processes.
    """
    place, environment = _place(devices)
    with quiet():
        return lightning.Trainer(
            **place,
            strategy="ddp" if _are_several(place) else "auto",
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[AtomicCheckpointIO(), environment],
            **settings,
        )


def fabric_from(devices: Devices) -> lightning.Fabric:
    """Return the processes on ``devices`` for work that trains nothing; they are to be launched.

    Raises:
        PraxiscopeError: See :func:`trainer_from`.
    """
    place, environment = _place(devices)
    patient = DDPStrategy(timeout=timedelta(days=7))  # the last may be hours behind the first
    with quiet():
        return lightning.Fabric(
            **place,
            strategy=patient if _are_several(place) else "auto",
            plugins=[environment],
        )


def _place(devices: Devices) -> tuple[dict[str, Any], ClusterEnvironment]:
    """Return what Lightning is told of the devices, and who says which process is which."""
    count, num_nodes, environment = _processes(devices)
    gpus = _num_gpus()
    chosen = sorted(set(devices.ids)) or count or gpus or 1
    kind = "gpu" if gpus else "cpu"
    return {"accelerator": kind, "devices": chosen, "num_nodes": num_nodes}, environment


def _are_several(place: Mapping[str, Any]) -> bool:
    return bool(place["devices"] != 1 or place["num_nodes"] > 1)


def check_devices(devices: Devices) -> None:
    """Raise what :func:`trainer_from` would, before anything is made for the run."""
    _processes(devices)


def _processes(devices: Devices) -> tuple[int | None, int, ClusterEnvironment]:
    """Return the processes of this machine (None: as many as GPUs), the machines, and who says so.

    Lightning would guess the last from variables that clusters also set where nobody asked.
    """
    count, num_nodes, environment = _launched(devices)
    gpus = _num_gpus()
    absent = sorted(set(devices.ids) - set(range(gpus)))
    if absent:
        raise PraxiscopeError(
            f"--gpu-ids {absent[0]}: this machine has {gpus} GPUs, counted from 0."
        )
    if gpus and count and count > gpus:
        raise PraxiscopeError(f"{count} processes need a GPU each: this machine has {gpus} GPUs.")
    return count, num_nodes, environment


def _num_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _launched(devices: Devices) -> tuple[int | None, int, ClusterEnvironment]:
    if devices.launcher == "pytorch":
        start = "start with tools/dist_train.sh, tools/dist_test.sh or torchrun"
        count = _variable("LOCAL_WORLD_SIZE", start)
        return count, _variable("WORLD_SIZE", start) // count, TorchElasticEnvironment()
    if devices.launcher == "slurm":
        start = "start with srun --ntasks-per-node=N"
        count, nodes = (
            _variable(name, start) for name in ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES")
        )
        if _variable("SLURM_NTASKS", start) != count * nodes:
            raise PraxiscopeError(
                f"--launcher slurm: SLURM_NTASKS is not {count} tasks on each of {nodes} nodes: "
                f"{start}, without --ntasks."
            )
        return count, nodes, SLURMEnvironment()
    for variable, launcher in (("ROLE_WORLD_SIZE", "pytorch"), ("SLURM_STEP_NUM_TASKS", "slurm")):
        if os.environ.get(variable, "1") != "1":
            raise PraxiscopeError(
                f"{os.environ[variable]} processes were started, each of which would do the whole "
                f"work: say --launcher {launcher}."
            )
    return devices.count, 1, LightningEnvironment()


def _variable(name: str, start: str) -> int:
    """Return the whole number that a launcher has put into an environment variable."""
    text = os.environ.get(name, "")
    if not text.isdecimal() or int(text) < 1:
        found = f"is '{text}', not a whole number" if text else "is not set"
        raise PraxiscopeError(f"--launcher: the environment variable {name} {found}: {start}.")
    return int(text)


def check_seed(seed: int) -> None:
    """Raise :class:`PraxiscopeError` for a seed that some source of random numbers refuses."""
    check_whole(seed, "--seed", least=0, most=MAX_SEED)


def check_list(
    dataset: RecognitionDataset, model: SlowOnly | SlowFast, *, skip_broken: bool
) -> None:
    """Find missing videos, and what the model cannot see or tell, before anything is built.

    Raises:
        DataError: The list does not fit the model, or names videos that do not exist.
    """
    videos = dataset.videos
    name = videos.annotations or videos.root
    if videos.num_classes != model.num_classes:
        raise DataError(
            f"{name} has {videos.num_classes} classes and the model {model.num_classes}: "
            "set the model's and the lists' num_classes to the same number."
        )
    if (videos.kind == "flow") != (model.channels == 2):
        sees = "optical flow (2 channels)" if model.channels == 2 else "RGB (3 channels)"
        raise DataError(
            f"{name} is a list of kind '{videos.kind}' and the model sees {sees}: "
            "a model of flow needs lists of kind 'flow', any other model those of another kind."
        )
    if not skip_broken:
        check_files(videos, dataset.records)


def write_broken(trainer: lightning.Trainer, broken: Mapping[str, Broken]) -> None:
    """List the videos that were left out, one a line with the reason, and say how many.

    The file is ``broken.txt`` in the trainer's folder. A run that ends with nothing left out takes
    away the one that an earlier run has written.
    """
    if trainer.is_global_zero:
        list_broken(broken_file(trainer), broken, finished=trainer.state.finished)


def list_broken(
    path: Path, broken: Mapping[str, Broken], *, finished: bool, items: str = "videos"
) -> None:
    """Write what was left out, one a line with the reason, and say how much.

    Where a run ``finished`` with nothing left out, the file of an earlier one is taken away.
    """
    if broken:
        text = "".join(f"{video}\t{found.reason}\n" for video, found in sorted(broken.items()))
        write_atomically(path, lambda file: file.write(text.encode()))
        log.warning("%d broken %s were left out; %s lists them.", len(broken), items, path)
    elif finished and path.is_file() and "\t" in path.read_text(errors="replace"):
        path.unlink()  # by its tabs one of ours, not somebody's notes


def broken_file(trainer: lightning.Trainer) -> Path:
    """Return where :func:`write_broken` lists the videos of a run."""
    return Path(trainer.default_root_dir) / BROKEN


def from_all(trainer: lightning.Trainer | lightning.Fabric, part: Part) -> list[Part]:
    """Return ``part`` of every process, in the order of their ranks. All have to call this."""
    if trainer.world_size == 1:
        return [part]
    parts: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, part)
    return parts


@contextmanager
def writing_logs(folder: Path) -> Iterator[None]:
    """Take a disk's refusal for one of ``folder``: loggers give no name, nor do their threads.

    Raises:
        PraxiscopeError: The disk is full, or refuses for another reason.
    """

    def leave_out(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError):  # TensorBoard raises it again where it waits
            hook(args)

    hook, threading.excepthook = threading.excepthook, leave_out
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in DISK_ERRORS:
            raise
        raise PraxiscopeError(
            f"{folder} could not be written to: {error.strerror}. Free some space or choose "
            "another folder; --resume continues from the last checkpoint."
        ) from error
    finally:
        threading.excepthook = hook


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out Lightning's hints to people who write their own training loop."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
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
