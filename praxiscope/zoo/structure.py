"""The network that weights belong to, told from their names and shapes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor

from praxiscope.errors import PraxiscopeError
from praxiscope.models.detector import ActorDetector
from praxiscope.models.nonlocal3d import NonLocal, Pairwise
from praxiscope.models.resnet3d import BLOCKS, EXPANSION
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly

_NON_LOCAL = re.compile(r"backbone\.layer([1-4])\.(\d{1,3})\.non_local_block\.")


def entry_of(tensors: Mapping[str, Tensor]) -> SlowOnly | SlowFast | ActorDetector | None:
    """Return the recipe entry of a network with these weights, under our names; None: none of ours.

    What does not show, such as strides in time and temporal pooling, has its default. The maximum
    and the mean of a feature bank have no weights: such a detector looks like one with context.
    """
    if not all(tensor.numel() for tensor in tensors.values()):
        return None  # a tensor of nothing may be of any width
    try:
        fast = any(name.startswith("backbone.fast_path.") for name in tensors)
        network = _slowfast(tensors) if fast else _slowonly(tensors)
        return _detector(tensors, network) if is_detector(tensors) else network
    except (KeyError, IndexError, PraxiscopeError):
        return None


def is_detector(names: Iterable[str]) -> bool:
    """Return whether a network under our names has a head for boxes."""
    return any(name.startswith("roi_head.") for name in names)


def _detector(tensors: Mapping[str, Tensor], network: SlowOnly | SlowFast) -> ActorDetector:
    head = "roi_head.bbox_head.fc_cls"
    hidden = f"{head}.2.weight" in tensors
    classifier = tensors[f"{head}.2.weight" if hidden else f"{head}.weight"]
    widths = [network.width]
    if isinstance(network, SlowFast):
        widths.append(network.width // network.channel_ratio)
    return ActorDetector(
        network=replace(network, num_classes=classifier.shape[0]),
        context=classifier.shape[1] == 2 * sum(8 * EXPANSION * width for width in widths),
        hidden_layer=hidden,
        acrn=any(name.startswith("roi_head.shared_head.conv1.") for name in tensors),
        bank="nonlocal" if any(".shared_head.fbo." in name for name in tensors) else None,
    )


def _slowonly(tensors: Mapping[str, Tensor]) -> SlowOnly:
    stem = tensors["backbone.conv1.conv.weight"].shape
    return SlowOnly(
        depth=_depth(tensors, "backbone."),
        num_classes=_num_classes(tensors),
        channels=stem[1],
        width=stem[0],
        non_local=_non_local(tensors),
    )


def _slowfast(tensors: Mapping[str, Tensor]) -> SlowFast:
    slow, fast = "backbone.slow_path.", "backbone.fast_path."
    width = tensors[f"{slow}conv1.conv.weight"].shape[0]
    return SlowFast(
        depth=_depth(tensors, slow),
        fast_depth=_depth(tensors, fast),
        num_classes=_num_classes(tensors),
        channel_ratio=width // max(1, tensors[f"{fast}conv1.conv.weight"].shape[0]),
        lateral_frames=tensors[f"{slow}conv1_lateral.conv.weight"].shape[2],
        width=width,
    )


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return the depth whose stages have as many blocks as the names; KeyError if there is none."""
    block = re.compile(re.escape(prefix) + r"layer([1-4])\.(\d{1,3})\.")
    found = [match for name in tensors if (match := block.match(name))]
    counts = [max((int(m[2]) + 1 for m in found if int(m[1]) == n), default=0) for n in range(1, 5)]
    return {blocks: depth for depth, blocks in BLOCKS.items()}[tuple(counts)]  # type: ignore[index]


def _num_classes(tensors: Mapping[str, Tensor]) -> int:
    weight = tensors.get("cls_head.fc_cls.weight")
    return 400 if weight is None else weight.shape[0]


def _non_local(tensors: Mapping[str, Tensor]) -> NonLocal | None:
    found = [match for name in tensors if (match := _NON_LOCAL.match(name))]
    if not found:
        return None
    first, second, third, fourth = (
        tuple(sorted({int(m[2]) for m in found if int(m[1]) == n})) for n in range(1, 5)
    )
    parts = {name.partition("non_local_block.")[2] for name in tensors}
    pairwise: Pairwise = "embedded_gaussian"  # a dot product has the same weights
    if any(part.startswith("concat_project.") for part in parts):
        pairwise = "concatenation"
    elif not any(part.startswith("theta.") for part in parts):
        pairwise = "gaussian"
    return NonLocal(
        after=(first, second, third, fourth),
        pairwise=pairwise,
        sub_sample="g.0.conv.weight" in parts,
    )
