"""Parts of a network that keep what they started with while the rest of it learns."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from praxiscope.models.recognizer import ClipModel
from praxiscope.models.slowfast import SlowFastBackbone


def freeze(model: ClipModel, stages: int) -> None:
    """Let the first ``stages`` stages (0: the stem alone, -1: nothing) learn no longer."""
    for part in frozen_parts(model, stages):
        part.requires_grad_(False)


def hold_still(model: ClipModel, stages: int, *, norms: bool) -> None:
    """Put the frozen stages into eval mode, and with ``norms`` every batch norm.

    A batch norm in training mode would go on moving its statistics, gradient or not.
    """
    for part in frozen_parts(model, stages):
        part.eval()
    if norms:
        for norm in batch_norms(model):
            norm.eval()


def frozen_parts(model: ClipModel, stages: int) -> Iterator[nn.Module]:
    """Yield the stem and ``stages`` stages of each pathway, and the lateral convolutions into them.

    Together they are all that stands between a clip and what the last frozen stage gives, so that
    this stays what it is.
    """
    backbone, pathways = model.backbone, [model.backbone]
    names = ("conv1", "layer1", "layer2", "layer3", "layer4")[: stages + 1]
    if isinstance(backbone, SlowFastBackbone):
        pathways = [backbone.slow_path, backbone.fast_path]
        for name in names[:-1]:  # named after the stage before the one they lead into
            yield backbone.slow_path.get_submodule(f"{name}_lateral")
    for pathway in pathways:
        for name in names:
            yield pathway.get_submodule(name)


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return every batch norm of a network."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]
