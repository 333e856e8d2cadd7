"""Weights into a model, all or nothing, with a report of what fitted; and out of it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from praxiscope.data.sampling import Clip
from praxiscope.errors import CheckpointError
from praxiscope.files import write_atomically
from praxiscope.models.actor_head import TemporalPool
from praxiscope.models.bank_ops import BankHead, BankOperator
from praxiscope.models.detector import Detector
from praxiscope.models.recognizer import ClipModel
from praxiscope.zoo.adopt import adoption
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from praxiscope.zoo.heads import (
    check_classes,
    check_detection_head,
    other_classifier,
    part,
    unit,
    without_other_head,
    without_other_task,
)
from praxiscope.zoo.layouts import renamed_state
from praxiscope.zoo.recorded import RecordedClip, meta_entries
from praxiscope.zoo.report import LoadReport
from praxiscope.zoo.report import some as _some
from praxiscope.zoo.safe_files import write_safetensors

__all__ = ["LoadReport", "load_checkpoint", "recorded_by", "save_weights"]

_POOLS: Mapping[TemporalPool, str] = {"avg": "mean", "max": "maximum"}
STRAYS_ALLOWED = 5  # names that only one side has, in parts that both have; or a tenth of the rest


def load_checkpoint(
    model: nn.Module,
    path: str | Path,
    *,
    num_classes: int | None = None,
    clip: Clip | None = None,
    any_head: bool = False,
) -> LoadReport:
    """Load the weights in ``path`` into ``model`` and report what fitted.

    Reads files of OpenMMLab (0.x and 1.x), PySlowFast (also its Caffe2 ones) and PyTorchVideo,
    plain state dicts, safetensors and our own, told apart by their content; nothing in them is
    executed. Weights of another code base bring its conventions along: the model then takes its
    normalisation, slow frames, lateral norms and head, and the report says so. Files older than
    BatchNorm's step counter may lack it.

    Args:
        model: A recogniser or a detector; its state is changed only if the whole file fits.
        path: A checkpoint.
        num_classes: Must be the model's own number (of a detector with the background). A
            classifier of another size, or the head of another task, is then left out and the
            model's fresh one is kept, to be trained.
        clip: What the model is going to see. If the file says that its weights were trained on
            other clips, the report warns.
        any_head: A detector's head of another form is left out, as that of one without a feature
            bank. The model's fresh one is kept, to be trained.

    Raises:
        CheckpointError: The file is no checkpoint, or one of another model; the model is unchanged.
    """
    path = Path(path)
    kind = checkpoint_format(path)
    found = renamed_state(read_checkpoint_file(path), str(path))
    state = found.state
    change = adoption(model, state.tensors, state.conventions)
    wanted = change.state_dict(model)
    given = dict(state.tensors)
    check_classes(wanted, num_classes)
    notes = [*found.notes, *change.notes]
    if other_task := without_other_task(
        wanted, given, num_classes=num_classes, conventions=state.conventions, path=path
    ):
        notes.append(other_task)
    if any_head and (other_head := without_other_head(wanted, given)):
        notes.append(other_head)
    left_out = {name: given.pop(name) for name in other_classifier(wanted, given)}

    matched = {name: given[name] for name in wanted if name in given}
    missing = tuple(name for name in wanted if name not in given and not _is_counter(name))
    extra = tuple(name for name in given if name not in wanted)
    unexpected = extra + state.not_tensors
    _check_shapes(wanted, matched, path)
    check_detection_head(matched, [n for n in missing if n not in left_out], extra, path)
    _check_fit(wanted, matched, missing, unexpected, path)
    if left_out:
        name, tensor = next(iter(left_out.items()))
        theirs, ours = len(tensor), len(wanted[name])
        if num_classes is None:
            raise CheckpointError(
                f"{path} has {theirs} {unit(name)} in '{name}', the model has {ours}. "
                f"Expected the same number: build the model with num_classes={theirs}, or pass "
                f"num_classes={ours} to load all but the classifier and train a new one."
            )
        notes.append(
            f"the file's classifier of {theirs} {unit(name)} was left out; the model's own, of "
            f"{ours}, is fresh and has to be trained"
        )
    change.apply(model)
    model.load_state_dict(matched, strict=False)
    shapes = {name: tuple(tensor.shape) for name, tensor in (given | wanted).items()}
    return LoadReport(
        source=f"{path} ({kind})"
        if found.layout == "OpenMMLab"
        else f"{path} ({found.layout}, {kind})",
        matched=len(matched),
        missing=missing,
        unexpected=unexpected,
        class_names=state.class_names,
        renamed=tuple(pair for pair in found.renamed if pair[1] in matched),
        notes=tuple(notes),
        warnings=(
            *_other_clip(state.clip, model, clip),
            *_other_pool(state.temporal_pool, model),
            *_other_operator(state.bank, model),
        ),
        shapes={
            name: shape
            for name, shape in shapes.items()
            if name in {*matched, *missing, *unexpected}
        },
    )


def prepare_for(model: nn.Module, path: Path) -> None:
    """Make a fresh model ready for the state of an earlier run, which may follow other conventions.

    Raises:
        CheckpointError: ``path`` is no checkpoint, or one of another network; the model is
            unchanged.
    """
    state = renamed_state(read_checkpoint_file(path), str(path)).state
    change = adoption(model, state.tensors, state.conventions)
    wanted = change.state_dict(model)
    others = sorted(
        name
        for name in wanted.keys() | state.tensors.keys()
        if name not in wanted
        or name not in state.tensors
        or wanted[name].shape != state.tensors[name].shape
    )
    if others:
        raise CheckpointError(
            f"{path} is a run of another network: {len(others)} tensors differ ({_some(others)}). "
            "Expected a checkpoint of an earlier run of this recipe, such as latest.pth; to begin "
            "with its weights, name it as the recipe's start."
        )
    change.apply(model)


def recorded_by(
    model: nn.Module, class_names: Sequence[str] = (), clip: Clip | None = None
) -> dict[str, str]:
    """Return what our files record beside the weights of ``model``, as text."""
    recorded = None
    if clip is not None and clip.sampling == "strided":
        recorded = RecordedClip(clip.frames, clip.stride, _slow_stride(model))
    return meta_entries(
        class_names=class_names,
        conventions=model.conventions if isinstance(model, ClipModel) else None,
        clip=recorded,
        temporal_pool=model.roi_head.temporal_pool if isinstance(model, Detector) else None,
        bank=_operator(model),
    )


def save_weights(
    model: nn.Module,
    path: str | Path,
    class_names: Sequence[str] = (),
    *,
    clip: Clip | None = None,
) -> None:
    """Write the model's weights, as safetensors if the path ends so, else as a torch file.

    The file also records the classes, the conventions that the model follows and, if it is given,
    the clip that it was trained on.

    Raises:
        PraxiscopeError: The disk is full or the folder refuses; a previous file survives.
    """
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    meta = recorded_by(model, class_names, clip)

    def write(file: BinaryIO) -> None:
        torch.save({"state_dict": state, "meta": meta | {"classes": tuple(class_names)}}, file)

    if Path(path).suffix == ".safetensors":
        write_safetensors(path, state, meta)
    else:
        write_atomically(path, write)


def _slow_stride(model: nn.Module) -> int | None:
    found = getattr(getattr(model, "backbone", None), "slow_stride", None)
    return found if isinstance(found, int) else None


def _other_clip(
    recorded: RecordedClip | None, model: nn.Module, clip: Clip | None
) -> tuple[str, ...]:
    """Return what differs between the clips a file was trained on and those of a model."""
    if recorded is None:
        return ()
    warnings = []
    strided = clip is not None and clip.sampling == "strided"
    if strided and clip and (clip.frames, clip.stride) != (recorded.frames, recorded.stride):
        warnings.append(
            f"these weights were trained on clips of {recorded.frames} frames, one every "
            f"{recorded.stride}; the recipe's are {clip.frames}, one every {clip.stride}: it may "
            "be the checkpoint of a neighbouring model, and less accurate here"
        )
    slow = _slow_stride(model)
    if recorded.slow_stride and slow and recorded.slow_stride != slow:
        warnings.append(
            f"in training the slow pathway saw every {recorded.slow_stride}th frame of a clip; "
            f"this model's sees every {slow}th: it is the checkpoint of a neighbouring model, and "
            "less accurate here"
        )
    return tuple(warnings)


def _other_pool(recorded: TemporalPool | None, model: nn.Module) -> tuple[str, ...]:
    """Return whether a detector's file was trained with another temporal pooling than a model's."""
    if recorded is None or not isinstance(model, Detector):
        return ()
    own = model.roi_head.temporal_pool
    if recorded == own:
        return ()
    return (
        f"these weights were trained on the {_POOLS[recorded]} of a clip's frames, the model takes "
        f"the {_POOLS[own]}: it is the checkpoint of a neighbouring model, and less accurate here",
    )


def _other_operator(recorded: BankOperator | None, model: nn.Module) -> tuple[str, ...]:
    """Return whether a detector's file was trained to read a bank in another way than a model."""
    own = _operator(model)
    if recorded is None or own is None or recorded == own:
        return ()
    return (
        f"these weights were trained to read a feature bank by '{recorded}', the model does by "
        f"'{own}': it is the checkpoint of a neighbouring model, and less accurate here",
    )


def _operator(model: nn.Module) -> BankOperator | None:
    """Return how a detector reads a feature bank, if it does."""
    head = model.roi_head.shared_head if isinstance(model, Detector) else None
    return head.operator if isinstance(head, BankHead) else None


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _check_shapes(wanted: dict[str, Tensor], matched: dict[str, Tensor], path: Path) -> None:
    differs = [
        f"'{name}' is {_kind(tensor)}, the model's is {_kind(wanted[name])}"
        for name, tensor in matched.items()
        if tensor.shape != wanted[name].shape or _numbers(tensor) != _numbers(wanted[name])
    ]
    if differs:
        raise CheckpointError(
            f"{path} belongs to another model: {len(differs)} of its tensors do not fit, such as "
            f"{differs[0]}. Expected the shapes of this model: check the model's name."
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
    parts = {part(name) for name in matched}
    matches = sum(not _is_counter(name) for name in matched)
    strays = [n for n in (*missing, *unexpected) if part(n) in parts and not _is_counter(n)]
    too_few = 2 * matches < sum(not _is_counter(name) for name in wanted)
    if matches == 0 or too_few or len(strays) > max(STRAYS_ALLOWED, matches // 10):
        raise CheckpointError(
            f"{path} belongs to another model: {matches} of its tensors fit, {len(missing)} are "
            f"missing (such as {_some(missing)}) and {len(unexpected)} have no place (such as "
            f"{_some(unexpected)}). Expected the weights of this model: check the model's name."
        )


def _numbers(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex numbers"
    return "numbers" if tensor.is_floating_point() else "whole numbers"


def _kind(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'one'} {_numbers(tensor)}"
