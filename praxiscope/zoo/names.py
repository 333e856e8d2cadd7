"""The parts of our networks, and what each code base calls them: one rule serves both directions.

A part is a module that holds tensors: a convolution, a norm, the classifier. A code base is a
function from part to module name, in which ``#`` stands for the number of a residual block.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

_BLOCK_NUMBER = re.compile(  # where it is in our names, PySlowFast's, PyTorchVideo's, Caffe2's
    r"(?<=layer\d\.)\d+|(?<=pathway\d_res)\d+|(?<=pathway\d_nonlocal)\d+"
    r"|(?<=\.res_blocks\.)\d+|(?<=res\d_)\d+|(?<=nonlocal_conv\d_)\d+"
)

NonLocalConv = Literal["theta", "phi", "g", "out"]  # of a block that pools before it projects
Conv = Literal["stem", "shortcut", "a", "b", "c", "lateral", "classifier"] | NonLocalConv
NON_LOCAL: tuple[NonLocalConv, ...] = ("theta", "phi", "g", "out")


@dataclass(frozen=True)
class Part:
    """A module that holds tensors."""

    conv: Conv  # a, b, c: the three of a residual block
    norm: bool = False  # the norm after the convolution, not itself
    stage: int = 0  # 0 is the stem, then 1 to 4
    pathway: int = 0  # 0 is the slow one, or the only one; 1 is the fast one
    num_pathways: int = 1


NameOf = Callable[[Part], str]


def our_name(part: Part) -> str:
    """Return ``backbone.slow_path.layer3.#.conv2.bn`` and the like: OpenMMLab's names."""
    if part.conv == "classifier":
        return "cls_head.fc_cls"
    path = "" if part.num_pathways == 1 else ("slow_path.", "fast_path.")[part.pathway]
    stage = f"layer{part.stage}" if part.stage else "conv1"
    conv = {
        "stem": stage,
        "lateral": f"{stage}_lateral",
        "shortcut": f"{stage}.#.downsample",
        "a": f"{stage}.#.conv1",
        "b": f"{stage}.#.conv2",
        "c": f"{stage}.#.conv3",
        "theta": f"{stage}.#.non_local_block.theta",
        "phi": f"{stage}.#.non_local_block.phi.1",
        "g": f"{stage}.#.non_local_block.g.1",
        "out": f"{stage}.#.non_local_block.conv_out",
    }[part.conv]
    return f"backbone.{path}{conv}.{'bn' if part.norm else 'conv'}"


def parts(num_pathways: int) -> Iterator[Part]:
    """Yield every part of a network, those of a residual block once per stage."""
    yield Part("classifier", num_pathways=num_pathways)
    for pathway in range(num_pathways):
        for norm in (False, True):
            yield Part("stem", norm, 0, pathway, num_pathways)
            for stage in range(1, 5):
                yield Part("shortcut", norm, stage, pathway, num_pathways)
                yield Part("a", norm, stage, pathway, num_pathways)
                yield Part("b", norm, stage, pathway, num_pathways)
                yield Part("c", norm, stage, pathway, num_pathways)
                convs = ("out",) if norm else NON_LOCAL
                yield from (Part(conv, norm, stage, pathway, num_pathways) for conv in convs)
    if num_pathways == 2:
        for stage in range(4):
            for norm in (False, True):
                yield Part("lateral", norm, stage, 0, num_pathways)


def to_ours(name_of: NameOf, num_pathways: int) -> dict[str, str]:
    """Return their module names -> ours."""
    return {name_of(part): our_name(part) for part in parts(num_pathways)}


def to_theirs(name_of: NameOf, num_pathways: int) -> dict[str, str]:
    """Return our module names -> theirs."""
    return {our_name(part): name_of(part) for part in parts(num_pathways)}


def translate(module: str, table: Mapping[str, str]) -> str | None:
    """Return what the table makes of a module's name, or None if it has no such module."""
    number = _BLOCK_NUMBER.search(module)
    if number is None:
        return table.get(module)
    target = table.get(_BLOCK_NUMBER.sub("#", module, count=1))
    return None if target is None else target.replace("#", number[0])
