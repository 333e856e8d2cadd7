"""2-D ResNet weights, as of image classifiers, inflated into our 3-D networks.

A temporal kernel of k gets the 2-D kernel, divided by k, in each of its k places: over a clip of
one repeated frame it gives what the 2-D kernel gives for the frame (at the ends of a clip, where
the padding is zero, less).

Source: Quo Vadis, Action Recognition?, arXiv:1705.07750, Section 3 ("Bootstrapping 3D filters").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from praxiscope.errors import CheckpointError
from praxiscope.models.resnet3d import BLOCKS, ResNet3d

Shape = tuple[int, ...]
Way = Literal["copied", "inflated", "averaged", "widened"]

_IN_WORDS: dict[Way, str] = {
    "inflated": "inflated over time",
    "averaged": "averaged over the channels of the input",
    "widened": "widened with zeros for lateral channels",
    "copied": "copied",
}


@dataclass(frozen=True)
class Moved:
    """One tensor of the file, and the tensor of the model that was made of it."""

    source: str
    source_shape: Shape
    target: str
    target_shape: Shape

    def __str__(self) -> str:
        return f"{self.source} {_text(self.source_shape)} -> {self.target} " + _text(
            self.target_shape
        )


@dataclass(frozen=True)
class InflationReport:
    """What 2-D weights gave to a 3-D model."""

    source: str
    moved: Mapping[Way, tuple[Moved, ...]]
    fresh: Mapping[str, Shape]  # tensors of the model that keep their fresh values
    unused: Mapping[str, Shape]  # tensors of the file without a place in the model

    def __str__(self) -> str:
        lines = [f"2-D weights from {self.source}: {len(self.moved['copied'])} tensors copied"]
        for way, words in _IN_WORDS.items():
            if way != "copied" and self.moved[way]:
                lines.append(f"  {len(self.moved[way])} {words}:")
                lines += [f"    {one}" for one in self.moved[way]]
        moved = [one for group in self.moved.values() for one in group]
        for title, names, taken in (
            ("skipped, left fresh in the model", self.fresh, [one.target for one in moved]),
            ("skipped, in the file only", self.unused, [one.source for one in moved]),
        ):
            if names:
                lines.append(f"  {len(names)} {title}:")
                lines += [f"    {line}" for line in _by_module(names, taken)]
        return "\n".join(lines)


def is_resnet2d(weights: Mapping[str, Tensor]) -> bool:
    """Return whether these are the weights of a 2-D ResNet under torchvision's names."""
    first = (weights.get(name) for name in ("conv1.weight", "layer1.0.conv1.weight"))
    return all(tensor is not None and tensor.ndim == 4 for tensor in first)


def inflate(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> InflationReport:
    """Give every pathway of ``model`` the 2-D ResNet's weights, and report what became of each.

    A first convolution of another number of input channels (2 of optical flow) gets the mean over
    the file's input channels, for each (Temporal Segment Networks, arXiv:1608.00859, "cross
    modality pre-training"). Where lateral channels join the input of a convolution, their part is
    0. A pathway of another width, such as a fast one, keeps its fresh weights; so do non-local
    blocks, lateral connections and the classifier. Only one tensor is converted at a time.

    Args:
        model: A network whose pathways are :class:`~praxiscope.models.resnet3d.ResNet3d`.
        weights: Under torchvision's names.
        source: What errors and the report call the file.

    Raises:
        CheckpointError: The depth, width or kind of ResNet is another; the model is unchanged.
    """
    targets: dict[str, Tensor] = dict(model.state_dict())
    steps: list[tuple[Way, Moved]] = []
    for prefix, pathway in _fitting(model, weights, source):
        _check_depth(pathway, prefix, weights, source)
        for name in pathway.state_dict():
            name_2d = _name_2d(name)
            if name_2d is None:
                continue
            if name_2d not in weights:
                raise CheckpointError(
                    f"{source} has no '{name_2d}', which every ResNet of its depth has. Expected "
                    "whole weights: download or write the file again."
                )
            given, target = weights[name_2d], targets[f"{prefix}.{name}"]
            moved = Moved(name_2d, tuple(given.shape), f"{prefix}.{name}", tuple(target.shape))
            way = _way(given, target, first=name_2d == "conv1.weight")
            if way is None:
                raise CheckpointError(
                    f"{source} is another kind of ResNet: '{moved.source}' is "
                    f"{_text(moved.source_shape)}, the model's '{moved.target}' is "
                    f"{_text(moved.target_shape)}. Expected the plain one."
                )
            steps.append((way, moved))
    with torch.no_grad():
        for way, moved in steps:
            _fill(targets[moved.target], weights[moved.source], average=way == "averaged")
    read, written = {one.source for _, one in steps}, {one.target for _, one in steps}
    return InflationReport(
        source,
        {way: tuple(one for step, one in steps if step == way) for way in _IN_WORDS},
        {name: tuple(t.shape) for name, t in targets.items() if not _known(name, written)},
        {name: tuple(t.shape) for name, t in weights.items() if not _known(name, read)},
    )


def _fitting(
    model: nn.Module, weights: Mapping[str, Tensor], source: str
) -> list[tuple[str, ResNet3d]]:
    """Return the pathways of the file's width, by name."""
    pathways = [(name, part) for name, part in model.named_modules() if isinstance(part, ResNet3d)]
    width = weights["conv1.weight"].shape[0]
    fitting = [(name, path) for name, path in pathways if path.conv1.conv.out_channels == width]
    if not fitting:
        widths = " and ".join(str(path.conv1.conv.out_channels) for _, path in pathways)
        raise CheckpointError(
            f"{source} begins with {width} channels, the model with {widths or 'none'}. Expected "
            "the same: no pathway can take these weights."
        )
    return fitting


def _name_2d(name: str) -> str | None:
    """Return torchvision's name of a pathway's tensor; None if image networks have no such one."""
    stem = re.fullmatch(r"(layer\d+\.\d+\.)?conv(\d)\.(conv|bn)\.(\w+)", name)
    if stem and stem[4] != "num_batches_tracked":
        part = "conv" if stem[3] == "conv" else "bn"
        return f"{stem[1] or ''}{part}{stem[2]}.{stem[4]}"
    down = re.fullmatch(r"(layer\d+\.\d+\.downsample\.)(conv|bn)\.(\w+)", name)
    if down and down[3] != "num_batches_tracked":
        return f"{down[1]}{0 if down[2] == 'conv' else 1}.{down[3]}"
    return None


def _way(given: Tensor, target: Tensor, *, first: bool) -> Way | None:
    """Return how a tensor of the model is made of the file's; None if their shapes forbid it."""
    if not given.is_floating_point():
        return None
    if target.ndim == 1:
        return "copied" if given.shape == target.shape else None
    if given.ndim != 4 or given.shape[0] != target.shape[0] or given.shape[2:] != target.shape[3:]:
        return None
    if given.shape[1] == target.shape[1]:
        return "copied" if target.shape[2] == 1 else "inflated"
    if first:
        return "averaged"
    is_1x1 = given.shape[2] == 1  # as are all convolutions that see a stage's input
    return "widened" if is_1x1 and given.shape[1] < target.shape[1] else None


def _fill(target: Tensor, given: Tensor, *, average: bool) -> None:
    """Overwrite ``target`` in place with what ``given`` becomes."""
    if target.ndim == 1:
        target.copy_(given)
        return
    kernel = given.to(target)[:, :, None] / target.shape[2]
    if average:
        kernel = kernel.mean(1, keepdim=True).expand(-1, target.shape[1], -1, -1, -1)
    target.zero_()
    target[:, : kernel.shape[1]] = kernel  # the same in every place in time


def _check_depth(
    pathway: ResNet3d, prefix: str, weights: Mapping[str, Tensor], source: str
) -> None:
    stages = (pathway.layer1, pathway.layer2, pathway.layer3, pathway.layer4)
    wanted = tuple(len(stage) for stage in stages)
    blocks = {tuple(name.split(".")[:2]) for name in weights if name.startswith("layer")}
    found = tuple(sum(one[0] == f"layer{i}" for one in blocks) for i in range(1, len(stages) + 1))
    if "layer1.0.conv3.weight" not in weights:
        raise CheckpointError(
            f"{source} is a ResNet of two convolutions a block (18 or 34 layers). Expected three, "
            f"as in {_depth(wanted)}, which the model's '{prefix}' is."
        )
    if wanted != found:
        raise CheckpointError(
            f"{source} is {_depth(found)}, the model's '{prefix}' is {_depth(wanted)}. Expected "
            "the same depth: give weights of that one, or change the recipe's model.depth."
        )


def _depth(blocks: tuple[int, ...]) -> str:
    for depth, known in BLOCKS.items():
        if known == blocks:
            return f"a ResNet-{depth}"
    return f"a ResNet of {', '.join(map(str, blocks))} blocks"


def _known(name: str, moved: set[str]) -> bool:
    """Return whether a tensor was used, or is a counter, which says nothing."""
    return name in moved or name.endswith("num_batches_tracked")


def _by_module(group: Mapping[str, Shape], others: list[str], limit: int = 4) -> list[str]:
    """Return a line for each tensor, or one for a module of many that is wholly in the group."""
    mixed = {parent for name in others for parent in _parents(name)}
    modules: dict[str, list[str]] = {}
    for name in group:
        whole = next((parent for parent in _parents(name) if parent not in mixed), name)
        modules.setdefault(whole, []).append(name)
    lines = []
    for module, names in modules.items():
        if len(names) > limit:
            example = f"{names[0]} {_text(group[names[0]])}"
            lines.append(f"{module}: all of its {len(names)} tensors, {example} and so on")
        else:
            lines += [f"{name} {_text(group[name])}" for name in names]
    return lines


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"
