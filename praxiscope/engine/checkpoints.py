"""Checkpoints of a run: ``epoch_5.pth``, ``latest.pth``, ``best_top1_acc_epoch_5.pth``.

A checkpoint holds the weights under their published names, and what an exact continuation needs.
"""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from praxiscope.errors import CheckpointError, PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.trees import all_values

LATEST = "latest.pth"
MINUTES_BETWEEN_CHECKPOINTS = 30  # what a power cut may cost
STEPS_BETWEEN_QUESTIONS = 10


class StoppedError(PraxiscopeError):
    """Somebody stopped the run. Its checkpoint is written, and the message says where."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all; reads them without executing anything in them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Replace ``path`` in one step. A full disk leaves the previous file as it was."""
        write_atomically(path, lambda file: torch.save(checkpoint, file))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return what a checkpoint of ours holds.

        Raises:
            CheckpointError: It holds weights alone, or is no checkpoint.
        """
        content = {str(key): value for key, value in read_checkpoint_file(path).items()}
        missing = {"state_dict", "optimizer_states", "lr_schedulers", "loops"} - content.keys()
        if missing:
            raise CheckpointError(
                f"{path} holds no state of a run (no {', '.join(sorted(missing))}): expected a "
                "checkpoint of an earlier run of this recipe, such as latest.pth."
            )
        return content


class Checkpoints(lightning.Callback):
    """Saves every half hour, the last epoch, every n-th and the best one; on Ctrl-C, then stops.

    Args:
        folder: Where the files go.
        every: Epochs between the files that are kept.
        monitor: The validation metric whose best epoch is kept.
    """

    def __init__(self, folder: Path, *, every: int, monitor: str) -> None:
        self.folder, self.every, self.monitor = folder, every, monitor
        self.best_score, self.best_path = float("-inf"), ""
        self._begun, self._saved = False, time.monotonic()
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far, for the checkpoint."""
        return {"best_score": self.best_score, "best_path": self.best_path}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epoch so far."""
        self.best_score = float(state_dict["best_score"])
        # The name alone, and only one that we give: what it stands for may be deleted later, and a
        # checkpoint from elsewhere must not choose that.
        name = Path(str(state_dict["best_path"])).name
        ours = re.fullmatch(r"best_\w+_epoch_\d+\.pth", name) and (self.folder / name).is_file()
        self.best_path = str(self.folder / name) if ours else ""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse what Lightning and torch would take up unseen, and stumble over in the first step.

        Raises:
            CheckpointError: The state is not one of such a run.
        """
        learning = [p for p in pl_module.parameters() if p.requires_grad]
        kept = checkpoint["optimizer_states"][0]["state"]
        if not _numbers_only(checkpoint["loops"]) or not _numbers_only(checkpoint["lr_schedulers"]):
            raise CheckpointError("its progress does not consist of numbers")
        if any(
            isinstance(tensor, Tensor) and tensor.ndim and tensor.shape != learning[number].shape
            for number, state in kept.items()
            for tensor in state.values()
        ):
            raise CheckpointError("its optimiser moved weights of other shapes")

    @contextmanager
    def restoring(self, path: Path | None) -> Iterator[None]:
        """Until training begins, take any error for one of the checkpoint at ``path``.

        What is wrong with a file from elsewhere surfaces in many ways and places.

        Raises:
            CheckpointError: The checkpoint does not fit the run.
        """
        try:
            yield
        except Exception as error:
            before = path is not None and not self._begun
            ours = isinstance(error, PraxiscopeError) and not isinstance(error, CheckpointError)
            if not before or ours or isinstance(error, OSError) or str(path) in str(error):
                raise
            reason = " ".join(str(error).split())[:300].rstrip(".")
            if isinstance(error, KeyError):
                reason = f"it lacks {reason}"
            raise CheckpointError(
                f"{path} does not fit this run: {reason}. Expected a checkpoint of an earlier run "
                "of this recipe, such as latest.pth."
            ) from error

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the epoch that has just ended, its validation included."""
        epoch = trainer.current_epoch + 1
        score = trainer.callback_metrics.get(self.monitor)
        validated = trainer.fit_loop.epoch_loop._should_check_val_epoch()
        is_best = validated and score is not None and float(score) > self.best_score
        worst = self.best_path
        if is_best:
            metric = self.monitor.rsplit("/", 1)[-1]
            self.best_score = float(score)
            self.best_path = str(self.folder / f"best_{metric}_epoch_{epoch}.pth")
        trainer.save_checkpoint(self.folder / LATEST)
        self._saved = time.monotonic()
        if trainer.is_global_zero:
            if epoch % self.every == 0 or epoch == trainer.max_epochs:
                copy_atomically(self.folder / LATEST, self.folder / f"epoch_{epoch}.pth")
            if is_best:
                copy_atomically(self.folder / LATEST, Path(self.best_path))
                if worst and worst != self.best_path:
                    Path(worst).unlink(missing_ok=True)

    # A signal may arrive anywhere; the run is saved where it can be continued exactly.

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Take over Ctrl-C and SIGTERM."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:  # as a checkpoint may have left them
                if not _numbers_only([group.get(name, name) for name in optimizer.defaults]):
                    raise CheckpointError("its optimiser's settings are not numbers")
        self._begun = True
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note_signal)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Give Ctrl-C and SIGTERM back."""
        self._give_back()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Give Ctrl-C and SIGTERM back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:  # the second one does not wait
            raise KeyboardInterrupt
        self._signal = number

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, if the last time is long ago or a signal has arrived in any process; then stop."""
        batches = batch_idx + 1
        # With gradients half accumulated there is nothing to continue from; the last batch of an
        # epoch is followed by the epoch's own checkpoint.
        if batches % trainer.accumulate_grad_batches or batches >= trainer.num_training_batches:
            return
        if trainer.world_size > 1 and trainer.global_step % STEPS_BETWEEN_QUESTIONS:
            return  # to ask the other processes means to wait for them
        due = time.monotonic() - self._saved > MINUTES_BETWEEN_CHECKPOINTS * 60
        stopped = self._any_process(trainer, self._signal is not None)
        if stopped or self._any_process(trainer, due):
            trainer.save_checkpoint(self.folder / LATEST)
            self._saved = time.monotonic()
        if stopped:
            raise self._stopped(f"in epoch {trainer.current_epoch + 1}, after batch {batches}")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop between two epochs, if a signal has arrived during validation."""
        if self._any_process(trainer, self._signal is not None):
            raise self._stopped(f"after epoch {trainer.current_epoch}")

    @staticmethod
    def _any_process(trainer: Any, yes: bool) -> bool:
        """Return whether any process says yes."""
        if trainer.world_size == 1:
            return yes
        return bool(trainer.strategy.reduce_boolean_decision(yes, all=False))

    def _stopped(self, where: str) -> StoppedError:
        return StoppedError(f"stopped {where}. Continue with --resume {self.folder / LATEST}.")


def copy_atomically(source: Path, target: Path) -> None:
    """Make ``target`` the file ``source``, without a second copy where the disk can share them."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without hard links
        with source.open("rb") as file:
            write_atomically(target, _copier(file))
        return
    temporary.replace(target)


def _numbers_only(tree: object) -> bool:
    """Return whether there is nothing but numbers of at least 0, and None, in nested containers."""
    return all_values(tree, lambda x: x is None or (isinstance(x, int | float) and x >= 0))


def _copier(source: Any) -> Callable[[Any], None]:
    return lambda target: shutil.copyfileobj(source, target)
