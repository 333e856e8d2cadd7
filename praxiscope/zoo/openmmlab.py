"""Where OpenMMLab files (0.x and 1.x), plain state dicts and our own files keep their weights."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.models.actor_head import TemporalPool
from praxiscope.models.bank_ops import BankOperator
from praxiscope.models.conventions import OPENMMLAB, Conventions
from praxiscope.zoo.recorded import (
    RecordedClip,
    class_names,
    recorded_bank_checkpoint,
    recorded_clip,
    recorded_conventions,
    recorded_operator,
    recorded_pool,
)

PREFIXES = ("module.", "model.")  # DistributedDataParallel, our LightningModules
WRITERS = ("mmcv_version", "mmengine_version")  # what these note in their files
PLACES = ("state_dict", "model_state", "blobs")  # OpenMMLab and ours, PySlowFast, Caffe2


@dataclass(frozen=True)
class PublishedState:
    """The weights of a file, and what the file says about them."""

    tensors: Mapping[str, Tensor]
    not_tensors: tuple[str, ...]  # names in the state dict whose value is something else
    class_names: tuple[str, ...] | None
    epoch: int | None
    clip: RecordedClip | None = None
    conventions: Conventions | None = None  # None: the file does not say
    order: tuple[str, ...] = ()  # of the names in the file that this one was converted from
    temporal_pool: TemporalPool | None = None  # of a detector; None: the file does not say
    bank: BankOperator | None = None  # how a detector reads a feature bank
    bank_checkpoint: str | None = None  # the SHA-256 of the weights that made it


def published_state(content: Mapping[object, object], source: str) -> PublishedState:
    """Return the state dict in a file, or else the file's mapping itself, prefixes removed.

    Raises:
        CheckpointError: Two entries of ``source`` mean the same weight.
    """
    nested = [content[place] for place in PLACES if isinstance(content.get(place), dict)]
    state: Any = nested[0] if nested else content
    tensors: dict[str, Tensor] = {}
    others: list[str] = []
    for key, value in state.items():
        name = _without_prefixes(str(key))
        tensor = _tensor(value)
        if tensor is None or not isinstance(key, str):
            others.append(name)
        elif name in tensors:
            raise CheckpointError(
                f"{source} has two entries for '{name}', with and without one of the prefixes "
                f"{', '.join(PREFIXES)}. Expected one: remove the entries that do not belong."
            )
        else:
            tensors[name] = tensor
    meta = content.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    said = OPENMMLAB if any(writer in meta for writer in WRITERS) else None
    epoch = meta.get("epoch", content.get("epoch"))
    order = meta.get("order")
    return PublishedState(
        tensors,
        tuple(others),
        class_names(meta),
        epoch if isinstance(epoch, int) else None,
        recorded_clip(content),
        recorded_conventions(meta, source) or said,
        tuple(order.split("\n")) if isinstance(order, str) else (),
        recorded_pool(content),
        recorded_operator(content),
        recorded_bank_checkpoint(content),
    )


def _without_prefixes(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _tensor(value: object) -> Tensor | None:
    """Return a tensor as it is, an array of numbers as a tensor, None for anything else."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and re.fullmatch(r"[fiub?]\d*", value.dtype.str[1:]):
        return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=False))
    return None
