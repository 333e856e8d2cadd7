"""The weights of a file of any code base under our names.

Which code base wrote a file is told from the names in it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import PYSLOWFAST, PYTORCHVIDEO, Conventions
from praxiscope.zoo import pyslowfast, pytorchvideo
from praxiscope.zoo.names import NameOf, to_ours, to_theirs, translate
from praxiscope.zoo.openmmlab import PublishedState, published_state

Layout = Literal["OpenMMLab", "PySlowFast", "Caffe2", "PyTorchVideo"]

_NAME_OF: Mapping[str, NameOf] = {
    "PySlowFast": pyslowfast.module_name,
    "Caffe2": pyslowfast.module_name_caffe2,
    "PyTorchVideo": pytorchvideo.module_name,
}
_SIGNS: tuple[tuple[Layout, re.Pattern[str]], ...] = (
    ("PySlowFast", re.compile(r"s[1-5]\.pathway\d_(stem|res\d+)\.")),
    ("PyTorchVideo", re.compile(r"blocks\.\d\.(res_blocks\.|multipathway_blocks\.|conv\.)")),
    ("Caffe2", re.compile(r"(t_)?(conv1_w|res\d_\d+_branch\w+_w)")),
)
_TWO_PATHWAYS = re.compile(r"s1\.pathway1_|blocks\.0\.multipathway_|t_conv1_|backbone\.fast_path\.")
_CLASSIFIER = "cls_head.fc_cls.weight"


@dataclass(frozen=True)
class RenamedState:
    """The weights of a file under our names, and where they come from."""

    layout: Layout
    state: PublishedState
    renamed: tuple[tuple[str, str], ...]  # (in the file, here), where the two differ
    notes: tuple[str, ...] = ()


def layout_of(names: Iterable[str]) -> Layout:
    """Return whose names these are; OpenMMLab's are also ours."""
    names = list(names)
    return next((who for who, sign in _SIGNS if any(map(sign.match, names))), "OpenMMLab")


def renamed_state(content: Mapping[object, object], source: str) -> RenamedState:
    """Return the weights of any file that :mod:`praxiscope.zoo.checkpoint_file` reads.

    Raises:
        CheckpointError: Two entries mean the same weight.
    """
    state = published_state(content, source)
    layout = layout_of(state.tensors)
    if layout == "OpenMMLab":
        return RenamedState(layout, state, ())
    tensors = {n: tensor for n, tensor in state.tensors.items() if not n.endswith("_momentum")}
    num_momenta = len(state.tensors) - len(tensors)
    table = to_ours(_NAME_OF[layout], _num_pathways(tensors))
    ours: dict[str, Tensor] = {}
    renamed: list[tuple[str, str]] = []
    for name, tensor in tensors.items():
        new = _ours(name, layout, table)
        if new in ours:
            raise CheckpointError(f"{source} has two entries for '{new}', one of them '{name}'.")
        ours[new] = tensor
        if new != name:
            renamed.append((name, new))
    _classifier_of(layout, ours)
    if _num_pathways(ours) == 2:
        _swap_pathways(ours, slow_first=True)
    notes = [f"{num_momenta} momenta of the optimiser left out"] if num_momenta else []
    conventions = state.conventions or _conventions(layout, content, source)
    state = replace(state, tensors=ours, conventions=conventions)
    return RenamedState(layout, state, tuple(renamed), tuple(notes))


def foreign_tensors(
    tensors: Mapping[str, Tensor], layout: Literal["PySlowFast", "PyTorchVideo"]
) -> dict[str, Tensor]:
    """Return weights under our names under theirs; names that they do not have stay as they are."""
    theirs = dict(tensors)
    if _num_pathways(theirs) == 2:
        _swap_pathways(theirs, slow_first=False)
    table = to_theirs(_NAME_OF[layout], _num_pathways(tensors))
    found: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        module, _, leaf = name.rpartition(".")
        new = translate(module, table)
        found[f"{new}.{leaf}" if new else name] = tensor
    return found


def _ours(name: str, layout: Layout, table: Mapping[str, str]) -> str:
    module, _, leaf = name.rpartition("_" if layout == "Caffe2" else ".")
    if layout == "Caffe2":
        leaf = pyslowfast.CAFFE2_LEAVES.get(leaf, "")
    new = translate(module, table)
    return f"{new}.{leaf}" if new and leaf else name


def _num_pathways(names: Iterable[str]) -> int:
    return 2 if any(map(_TWO_PATHWAYS.match, names)) else 1


def _classifier_of(layout: Layout, tensors: dict[str, Tensor]) -> None:
    """Make a classifier that Caffe2 keeps as a 1x1x1 convolution a linear layer."""
    weight = tensors.get(_CLASSIFIER)
    if layout == "Caffe2" and weight is not None and weight.shape[2:].numel() == 1:
        tensors[_CLASSIFIER] = weight.flatten(1)


def _swap_pathways(tensors: dict[str, Tensor], *, slow_first: bool) -> None:
    """Change the order in which the classifier's columns take the two pathways.

    Ours join the fast pathway's features before the slow one's, the others slow before fast.
    """
    weight = tensors.get(_CLASSIFIER)
    first = "slow" if slow_first else "fast"
    last = tensors.get(f"backbone.{first}_path.layer4.0.conv3.conv.weight")
    if weight is not None and last is not None and weight.ndim == 2:
        width = last.shape[0]
        tensors[_CLASSIFIER] = torch.cat((weight[:, width:], weight[:, :width]), dim=1)


def _conventions(layout: Layout, content: Mapping[object, object], source: str) -> Conventions:
    text = content.get("cfg")
    if layout == "PyTorchVideo":
        return PYTORCHVIDEO
    return pyslowfast.conventions_of(text, source) if isinstance(text, str) else PYSLOWFAST
