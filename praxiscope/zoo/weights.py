"""Weights into a model, all or nothing, with a report of what fitted; and out of it again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from torch import Tensor, nn

from praxiscope.errors import CheckpointError
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from praxiscope.zoo.files import write_atomically
from praxiscope.zoo.openmmlab import published_state

STRAYS_ALLOWED = 5  # names that only one side has, in parts that both have; or a tenth of the rest


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint gave to a model."""

    source: str  # the path and the recognised format
    matched: int  # tensors of the model that were loaded
    missing: tuple[str, ...]  # tensors of the model that keep their fresh values
    unexpected: tuple[str, ...]  # entries of the file that the model has no place for
    class_names: tuple[str, ...] | None  # as the file names its classes, if it does

    def __str__(self) -> str:
        lines = [f"{self.matched} tensors from {self.source}"]
        if self.missing:
            lines.append(f"  not in the file, left as they were: {_some(self.missing)}")
        if self.unexpected:
            lines.append(f"  in the file, not in the model: {_some(self.unexpected)}")
        return "\n".join(lines)


def load_checkpoint(
    model: nn.Module, path: str | Path, *, num_classes: int | None = None
) -> LoadReport:
    """Load the weights in ``path`` into ``model`` and report what fitted.

    Reads published files (OpenMMLab 0.x and 1.x), plain state dicts, safetensors and our own;
    nothing in them is executed. Files older than BatchNorm's step counter may lack it. With
    ``num_classes``, which must be the model's own number, a classifier of another size is left out
    and the model's fresh one is kept, to be trained.

    Raises:
        CheckpointError: The file is no checkpoint, or one of another model; the model is unchanged.
    """
    path = Path(path)
    kind = checkpoint_format(path)
    source = f"{path} ({kind})"
    state = published_state(read_checkpoint_file(path), str(path))
    wanted = model.state_dict()
    given = dict(state.tensors)
    _check_classes(wanted, num_classes)
    left_out = {name: given.pop(name) for name in _other_classifier(wanted, given)}

    matched = {name: given[name] for name in wanted if name in given}
    missing = tuple(name for name in wanted if name not in given and not _is_counter(name))
    unexpected = tuple(name for name in given if name not in wanted) + state.not_tensors
    _check_shapes(wanted, matched, path)
    _check_fit(wanted, matched, missing, unexpected, path)
    if left_out and num_classes is None:
        name, tensor = next(iter(left_out.items()))
        raise CheckpointError(
            f"{path} has {len(tensor)} classes ('{name}'), the model has {len(wanted[name])}. "
            f"Expected the same number: build the model with num_classes={len(tensor)}, or pass "
            f"num_classes={len(wanted[name])} to load all but the classifier and train a new one."
        )
    model.load_state_dict(matched, strict=False)
    return LoadReport(source, len(matched), missing, unexpected, state.class_names)


def save_weights(model: nn.Module, path: str | Path, class_names: Sequence[str] = ()) -> None:
    """Write the model's weights, as safetensors if the path ends so, else as a torch file.

    Raises:
        PraxiscopeError: The disk is full or the folder refuses; a previous file survives.
    """
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}

    def write(file: BinaryIO) -> None:
        if Path(path).suffix == ".safetensors":
            meta = {"classes": "\n".join(class_names)} if class_names else None  # only text is kept
            apart = {name: tensor.clone().contiguous() for name, tensor in state.items()}
            file.write(safetensors.torch.save(apart, meta))
        else:
            torch.save({"state_dict": state, "meta": {"classes": tuple(class_names)}}, file)

    write_atomically(path, write)


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _is_classifier(name: str) -> bool:
    return ".fc_cls." in f".{name}"


def _check_classes(wanted: dict[str, Tensor], num_classes: int | None) -> None:
    sizes = {tensor.shape[0] for name, tensor in wanted.items() if _is_classifier(name)}
    if num_classes is not None and sizes and sizes != {num_classes}:
        raise CheckpointError(
            f"num_classes={num_classes} was asked for, but the model has {min(sizes)} classes. "
            "Expected the model's own number: build the model with the number you want."
        )


def _other_classifier(wanted: dict[str, Tensor], given: dict[str, Tensor]) -> list[str]:
    """Return the classifier's names if the file has another number of classes, else nothing."""
    names = [name for name in wanted if _is_classifier(name) and name in given]
    pairs = [(given[name].shape, wanted[name].shape) for name in names]
    if any(len(found) != len(size) or found[1:] != size[1:] for found, size in pairs):
        return []  # not a matter of classes; the check of shapes says what it is
    return names if any(found != size for found, size in pairs) else []


def _check_shapes(wanted: dict[str, Tensor], matched: dict[str, Tensor], path: Path) -> None:
    differs = [
        f"'{name}' is {_kind(tensor)}, the model's is {_kind(wanted[name])}"
        for name, tensor in matched.items()
        if tensor.shape != wanted[name].shape or _numbers(tensor) != _numbers(wanted[name])
    ]
    if differs:
        raise CheckpointError(
            f"{path} belongs to another model: {differs[0]}, and {len(differs) - 1} more tensors "
            "differ. Expected the shapes of this model: check the model's name."
        )


def _check_fit(
    wanted: dict[str, Tensor],
    matched: dict[str, Tensor],
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    path: Path,
) -> None:
    """Refuse a file of which little fits, or whose form of a shared part is another.

    A deeper backbone has every name of a shallower one, so counting matches alone would accept it.
    A whole part that only one side has, such as a head, is no sign of another model.
    """
    parts = {_part(name) for name in matched}
    matches = sum(not _is_counter(name) for name in matched)
    strays = [n for n in (*missing, *unexpected) if _part(n) in parts and not _is_counter(n)]
    too_few = 2 * matches < sum(not _is_counter(name) for name in wanted)
    if matches == 0 or too_few or len(strays) > max(STRAYS_ALLOWED, matches // 10):
        raise CheckpointError(
            f"{path} belongs to another model: {matches} of its tensors fit, {len(missing)} are "
            f"missing (such as {_some(missing)}) and {len(unexpected)} have no place (such as "
            f"{_some(unexpected)}). Expected the weights of this model: check the model's name."
        )


def _part(name: str) -> str:
    return name.partition(".")[0]


def _numbers(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex numbers"
    return "numbers" if tensor.is_floating_point() else "whole numbers"


def _kind(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'one'} {_numbers(tensor)}"


def _some(names: Iterable[str], limit: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
