"""Checkpoints from one layout into another: the tensors stay as they are, to the bit.

Weights are read once and written from there, so memory holds them once.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.files import write_atomically
from praxiscope.models.conventions import OPENMMLAB, PYSLOWFAST, PYTORCHVIDEO
from praxiscope.zoo.adopt import adoption
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from praxiscope.zoo.layouts import RenamedState, foreign_tensors, renamed_state
from praxiscope.zoo.recorded import meta_entries
from praxiscope.zoo.report import LoadReport
from praxiscope.zoo.safe_files import tensors_apart, write_safetensors
from praxiscope.zoo.structure import entry_of, is_detector

Target = Literal["openmmlab", "pyslowfast", "pytorchvideo"]

SUFFIXES: Mapping[str, Target] = {
    ".safetensors": "openmmlab",  # these are also our names
    ".pth": "openmmlab",
    ".pt": "openmmlab",
    ".pyth": "pyslowfast",
}
_NAMES: Mapping[Target, str] = {
    "openmmlab": OPENMMLAB.name,
    "pyslowfast": PYSLOWFAST.name,
    "pytorchvideo": PYTORCHVIDEO.name,
}


def convert(source: str | Path, target: str | Path, to: Target | None = None) -> LoadReport:
    """Write the weights in ``source`` into ``target`` and report what became of each.

    The suffix says what is written: ``.safetensors`` (ours: it records classes, conventions, clip
    and the order of names), ``.pth`` (OpenMMLab's layout) or ``.pyth`` (PySlowFast's).

    Args:
        source: Any file that :func:`praxiscope.load_checkpoint` reads.
        target: Replaced if it exists.
        to: Whose names; by default those that go with the suffix.

    Raises:
        CheckpointError: ``source`` is no checkpoint, or has no such form.
        PraxiscopeError: ``target`` cannot be written; a previous file survives.
    """
    source, target = Path(source), Path(target)
    names = to or SUFFIXES.get(target.suffix)
    if target.suffix not in SUFFIXES or names is None or names not in get_args(Target):
        raise CheckpointError(
            f"{target}: nothing is written with this ending. Expected one of "
            f"{', '.join(SUFFIXES)}: name the target so."
        )
    if target.exists() and target.samefile(source):
        raise CheckpointError(f"{target} would replace what it is made of: name another file.")
    found = renamed_state(read_checkpoint_file(source), str(source))
    report = _report(found, f"{source} ({found.layout}, {checkpoint_format(source)})")
    state, tensors = found.state, dict(found.state.tensors)
    if state.order:  # as they were in the file that this one was made of
        names_in_order = dict.fromkeys((*state.order, *tensors))
        tensors = {name: tensors[name] for name in names_in_order if name in tensors}
    if names != "openmmlab":
        _check_recogniser(tensors, source)
        _check_lateral_norms(tensors, source)
        tensors = foreign_tensors(
            tensors, "PySlowFast" if names == "pyslowfast" else "PyTorchVideo"
        )
    conventions = state.conventions
    if names != "openmmlab":  # whose readers would otherwise take the weights for their own
        conventions = conventions or OPENMMLAB
    if target.suffix != ".safetensors" and conventions and conventions.name != _NAMES[names]:
        note = (
            f"the weights follow {conventions.name}, which {_NAMES[names]} cannot tell from the "
            "file: there, set the normalisation and the sampling of frames by hand"
        )
        report = replace(report, notes=(*report.notes, note))
    meta = meta_entries(
        class_names=state.class_names or (),
        conventions=conventions,
        clip=state.clip,
        temporal_pool=state.temporal_pool,
        bank=state.bank,
        bank_checkpoint=state.bank_checkpoint,
    )
    if target.suffix == ".safetensors":
        write_safetensors(target, tensors, meta | {"order": "\n".join(tensors)})
    else:
        _write_torch(target, tensors, meta, found, names)
    return report


def _write_torch(
    path: Path,
    tensors: Mapping[str, Tensor],
    meta: dict[str, str],
    found: RenamedState,
    names: Target | None,
) -> None:
    more: dict[str, object] = dict(meta)
    if found.state.epoch is not None:
        more["epoch"] = found.state.epoch
    if found.state.class_names:  # as OpenMMLab 0.x and 1.x look for them
        more["CLASSES"] = found.state.class_names
        more["dataset_meta"] = {"classes": found.state.class_names}
    place = "state_dict" if names == "openmmlab" else "model_state"
    content = {"meta": more, place: tensors_apart(tensors)}
    write_atomically(path, lambda file: torch.save(content, file))


def _check_recogniser(tensors: Mapping[str, Tensor], source: Path) -> None:
    if is_detector(tensors):
        raise CheckpointError(
            f"{source} is a detector, whose head PySlowFast and PyTorchVideo do not have: they "
            "pool other parts of a box. Expected a recogniser: write .pth or .safetensors."
        )


def _check_lateral_norms(tensors: Mapping[str, Tensor], source: Path) -> None:
    lateral = [name for name in tensors if name.endswith("_lateral.conv.weight")]
    if any(name.replace(".conv.weight", ".bn.weight") not in tensors for name in lateral):
        raise CheckpointError(
            f"{source} has no norms after its lateral convolutions, which every SlowFast of "
            "PySlowFast and PyTorchVideo has. Expected weights that came from there: write .pth or "
            ".safetensors."
        )


def _report(found: RenamedState, source: str) -> LoadReport:
    """Return how the weights fit the network that their names and shapes describe."""
    given, state = found.state.tensors, found.state
    report = LoadReport(
        source=source,
        matched=len(given),
        missing=(),
        unexpected=state.not_tensors,
        class_names=state.class_names,
        renamed=found.renamed,
        notes=found.notes,
        shapes={name: tuple(tensor.shape) for name, tensor in given.items()},
    )
    entry = entry_of(given)
    if entry is None:
        return replace(report, notes=(*report.notes, "no network here has all of these names"))
    with torch.device("meta"):  # names and shapes, no memory
        model = entry.build()
    change = adoption(model, given, state.conventions or OPENMMLAB)
    wanted = change.state_dict(model)
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    differs = [n for n in given if n in wanted and given[n].shape != wanted[n].shape]
    notes = list(report.notes)
    if differs:
        notes.append(
            f"'{differs[0]}' and {len(differs) - 1} more have other shapes than in any network here"
        )
    return replace(
        report,
        matched=len(given) - len(extra),
        missing=tuple(name for name in missing if not name.endswith("num_batches_tracked")),
        unexpected=(*extra, *state.not_tensors),
        renamed=tuple(pair for pair in found.renamed if pair[1] in wanted),
        notes=tuple(notes),
        shapes=dict(report.shapes) | {name: tuple(wanted[name].shape) for name in missing},
    )
