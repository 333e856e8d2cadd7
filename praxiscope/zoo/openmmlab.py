"""Where OpenMMLab files (0.x and 1.x), plain state dicts and our own files keep their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from praxiscope.errors import CheckpointError

PREFIXES = ("module.", "model.")  # DistributedDataParallel, our LightningModules


@dataclass(frozen=True)
class PublishedState:
    """The weights of a file under our models' names, and what the file says about them."""

    tensors: Mapping[str, Tensor]
    not_tensors: tuple[str, ...]  # names in the state dict whose value is something else
    class_names: tuple[str, ...] | None
    epoch: int | None


def published_state(content: Mapping[object, object], source: str) -> PublishedState:
    """Return the state dict under ``state_dict``, or else the mapping itself, prefixes removed.

    Raises:
        CheckpointError: Two entries of ``source`` mean the same weight.
    """
    nested = content.get("state_dict")
    state = nested if isinstance(nested, dict) else content
    tensors: dict[str, Tensor] = {}
    others: list[str] = []
    for key, value in state.items():
        name = _without_prefixes(str(key))
        if not isinstance(value, Tensor) or not isinstance(key, str):
            others.append(name)
        elif name in tensors:
            raise CheckpointError(
                f"{source} has two entries for '{name}', with and without one of the prefixes "
                f"{', '.join(PREFIXES)}. Expected one: remove the entries that do not belong."
            )
        else:
            tensors[name] = value
    meta = content.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    epoch = meta.get("epoch", content.get("epoch"))
    return PublishedState(
        tensors, tuple(others), _class_names(meta), epoch if isinstance(epoch, int) else None
    )


def _without_prefixes(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _class_names(meta: Mapping[object, object]) -> tuple[str, ...] | None:
    """Return the names under ``CLASSES`` (0.x) or ``dataset_meta.classes`` (1.x)."""
    dataset = meta.get("dataset_meta")
    groups = [meta, dataset if isinstance(dataset, dict) else {}]
    for group in groups:
        for key in ("CLASSES", "classes"):
            names = group.get(key)
            names = names.split("\n") if isinstance(names, str) else names  # safetensors
            if isinstance(names, list | tuple) and names and all(type(n) is str for n in names):
                return tuple(map(str, names))
    return None
