"""What a network costs: its parameters, and the multiply-adds of one clip."""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from praxiscope.models.bank_ops import BankHead
from praxiscope.models.detector import Detector


@dataclass(frozen=True)
class Complexity:
    """The size of a network, and the work of one forward pass."""

    parameters: int
    gmacs: float  # 1e9 multiply-adds of convolutions and matrix products; nothing else is counted


def complexity(
    model: nn.Module, input_shape: tuple[int, ...], *, boxes: int = 1, slots: int = 300
) -> Complexity:
    """Count what ``model`` costs in testing for one input of ``input_shape``, batch included.

    A detector is given ``boxes`` in each clip; the cost does not depend on where they are. One that
    reads a feature bank is given a window of ``slots`` features around each clip, whose making is
    not counted.

    Nothing is computed: a copy without data runs on the ``meta`` device, whatever the model's own
    is; a model built on ``meta`` serves as well. Norms, activations and poolings are left out, as
    in the published figures.

    Raises:
        ValueError: (and others of torch) The network cannot take an input of this shape.
    """
    without_data = copy.deepcopy(model, _empty_tensors(model)).eval()
    counter = FlopCounterMode(display=False)
    inputs: list[object] = [torch.empty(input_shape, device="meta")]
    if isinstance(model, Detector):
        inputs.append([torch.empty(boxes, 4, device="meta")] * input_shape[0])
        shared_head = model.roi_head.shared_head
        if isinstance(shared_head, BankHead):
            inputs.append(torch.empty(input_shape[0], slots, shared_head.channels, device="meta"))
    with counter, torch.no_grad():
        without_data(*inputs)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Complexity(parameters, counter.get_total_flops() / 2 / 1e9)


def _empty_tensors(model: nn.Module) -> dict[int, object]:
    """Return what a deep copy shall take for each tensor: one of its size without data."""
    parameters: dict[int, object] = {
        id(one): nn.Parameter(one.detach().to("meta"), requires_grad=False)
        for one in model.parameters()
    }
    return parameters | {id(one): one.to("meta") for one in model.buffers()}
