"""A network made to work as the code base of its weights: planned first, then done.

Weights of PySlowFast and PyTorchVideo need a norm and a ReLU after every lateral convolution, and
some of their networks look at fewer or more frames in one place or another. All of that shows in
the shapes of the weights; the rest is :class:`praxiscope.models.conventions.Conventions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from praxiscope.models.conv3d import FactorisedConv3d, PoolFrames
from praxiscope.models.conventions import FLOW, OPENMMLAB, RGB, Conventions, PooledNonLocal
from praxiscope.models.heads import PooledHead
from praxiscope.models.nonlocal3d import NonLocalBlock
from praxiscope.models.recognizer import ClipModel, Recognizer
from praxiscope.models.resnet3d import Bottleneck3d
from praxiscope.models.slowfast import LateralConv, SlowFastBackbone


@dataclass(frozen=True)
class Adoption:
    """What has to change in a model before it can take the weights of a file."""

    conventions: Conventions | None = None  # None: as they are
    modules: Mapping[str, nn.Module | None] = field(default_factory=dict)  # by name, to be put in
    notes: tuple[str, ...] = ()

    def state_dict(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the state dict that ``model`` will have; it is not changed yet."""
        gone = tuple(f"{name}." for name in self.modules)
        kept = model.state_dict().items()
        state = {name: tensor for name, tensor in kept if not gone or not name.startswith(gone)}
        for prefix, module in self.modules.items():
            if module is not None:
                state |= {f"{prefix}.{name}": t for name, t in module.state_dict().items()}
        return state

    def apply(self, model: nn.Module) -> None:
        """Change the model."""
        for name, module in self.modules.items():
            parent, _, last = name.rpartition(".")
            parent_module = model.get_submodule(parent)
            setattr(parent_module, last, module and module.train(parent_module.training))
        if self.conventions is not None and isinstance(model, ClipModel):
            follow(model, self.conventions)


def adoption(
    model: nn.Module, given: Mapping[str, Tensor], conventions: Conventions | None
) -> Adoption:
    """Return what has to change in ``model`` for weights ``given`` under our names.

    ``conventions`` are those of the weights; None: nothing says so, and they stay as they are, but
    for lateral norms, which show.
    """
    if not isinstance(model, ClipModel):
        return Adoption()
    modules: dict[str, nn.Module | None] = {}
    for name, lateral in model.named_modules():
        if isinstance(lateral, LateralConv) and f"{name}.conv.weight" in given:
            if f"{name}.bn.weight" not in given:
                modules |= {f"{name}.bn": None} if lateral.bn is not None else {}
            elif lateral.bn is None:
                like, norm = lateral.conv.weight, nn.BatchNorm3d(lateral.conv.out_channels)
                modules[f"{name}.bn"] = norm.to(like.device, like.dtype)
    notes: list[str] = []
    non_local = {} if conventions in (None, OPENMMLAB) else _non_local(model, given, conventions)
    if modules:
        bare = next(iter(modules.values())) is None
        notes.append(
            f"{len(modules)} lateral convolutions {'no longer' if bare else 'now'} "
            "have a norm and a ReLU"
        )
        if conventions is None:
            if bare:
                conventions = OPENMMLAB
            elif model.conventions == OPENMMLAB:
                notes.append("the file does not say whether PySlowFast or PyTorchVideo trained it")
    if conventions not in (None, OPENMMLAB):
        notes += _fit_frames(model, given, modules)
    if non_local:
        modules |= non_local
        notes.append(f"non-local blocks as in the file, put in or out: {', '.join(non_local)}")
    if conventions is not None and conventions != model.conventions:
        notes.insert(0, f"the model follows {conventions.name}{_in_words(conventions, model)}")
    return Adoption(conventions, modules, tuple(notes))


def follow(model: ClipModel, conventions: Conventions) -> None:
    """Make a model feed and read itself by ``conventions``; its modules stay as they are."""
    model.conventions = conventions
    wanted = conventions.normalization or (FLOW if model.mean.numel() == 2 else RGB)
    if len(wanted.mean) == model.mean.numel():
        model.mean.copy_(torch.tensor(wanted.mean).view_as(model.mean))
        model.std.copy_(torch.tensor(wanted.std).view_as(model.std))
    if isinstance(model, Recognizer) and isinstance(model.cls_head, PooledHead):
        model.cls_head.window = conventions.window
    if isinstance(model.backbone, SlowFastBackbone):
        model.backbone.slow_frames = conventions.slow_frames


def _non_local(
    model: nn.Module, given: Mapping[str, Tensor], conventions: Conventions
) -> dict[str, nn.Module | None]:
    """Return the non-local blocks that come in, pooling before they project, or go (Identity)."""
    found: dict[str, nn.Module | None] = {}
    if not any(".non_local_block.phi.1." in name for name in given):
        return found  # and if the model has some, it is another
    for name, block in model.named_modules():
        if isinstance(block, Bottleneck3d):
            place, like = f"{name}.non_local_block", block.conv3.conv.weight
            if f"{place}.phi.1.conv.weight" in given:
                with torch.device(like.device):
                    new = pooled_non_local(like.shape[0], conventions.non_local)
                found[place] = new.to(like.dtype)
            elif not isinstance(block.non_local_block, nn.Identity):
                found[place] = nn.Identity()
    return found


def pooled_non_local(channels: int, pairwise: PooledNonLocal) -> NonLocalBlock:
    """Return a non-local block that max-pools what is looked at before it projects it.

    Ours projects first. Its last convolution also has a bias, though a norm follows.
    """
    block = NonLocalBlock(channels, pairwise, sub_sample=False)
    block.g, block.phi = (
        nn.Sequential(PoolFrames(2), block.g),
        nn.Sequential(PoolFrames(2), block.phi),
    )
    inner = block.conv_out.conv.in_channels
    block.conv_out.conv = FactorisedConv3d(inner, channels, (1, 1, 1), bias=True)
    return block


def _fit_frames(
    model: nn.Module, given: Mapping[str, Tensor], modules: dict[str, nn.Module | None]
) -> list[str]:
    """Add to ``modules`` the convolutions that look at another number of frames; say which."""
    fitted: list[str] = []
    for name, conv in model.named_modules():
        weight = given.get(f"{name}.weight")
        if isinstance(conv, FactorisedConv3d) and weight is not None and weight.ndim == 5:
            frames = _other_frames(model, name, conv, weight)
            if frames is not None:
                modules[name] = _with_frames(conv, frames)
                fitted.append(f"{name} {frames} instead of {conv.kernel_size[0]}")
    more = f", and {len(fitted) - 1} more" if len(fitted) > 1 else ""
    return [f"convolutions over other numbers of frames: {fitted[0]}{more}"] if fitted else []


def _other_frames(
    model: nn.Module, name: str, conv: FactorisedConv3d, weight: Tensor
) -> int | None:
    """Return how many frames the weights of a convolution look at, if it may follow them.

    Lateral convolutions may, and the first one of a residual block but the first of its stage: a
    stage that begins otherwise is another architecture (C2D, I3D), which also pools otherwise.
    """
    frames = weight.shape[2]
    expected = (*conv.weight.shape[:2], frames, *conv.weight.shape[3:])
    if frames == conv.kernel_size[0] or frames % 2 == 0 or tuple(weight.shape) != expected:
        return None
    parent = model.get_submodule(name.rpartition(".")[0])
    if isinstance(parent, LateralConv):
        return frames
    block, _, place = name.removesuffix(".conv").rpartition(".")
    is_later = not block.endswith(".0")
    in_block = isinstance(model.get_submodule(block), Bottleneck3d) and place == "conv1"
    return frames if in_block and is_later else None


def _with_frames(conv: FactorisedConv3d, frames: int) -> FactorisedConv3d:
    """Return a convolution like ``conv`` that looks at so many frames, not yet with weights."""
    kernel = (frames, *conv.kernel_size[1:])
    like = conv.weight
    with torch.device(like.device):
        new = FactorisedConv3d(conv.in_channels, conv.out_channels, kernel, conv.stride)  # type: ignore[arg-type]
    return new.to(like.dtype)


def _in_words(conventions: Conventions, model: ClipModel) -> str:
    words = []
    if conventions.normalization:
        words.append("its normalisation" + (" of BGR" if conventions.reverse_channels else ""))
    if isinstance(model.backbone, SlowFastBackbone):
        words.append(f"slow frames {conventions.slow_frames}")
    if conventions.window and isinstance(model, Recognizer):
        what = "probabilities" if conventions.softmax_positions else "logits"
        words.append(f"{what} of every {conventions.window} x {conventions.window} cells averaged")
    return ": " + ", ".join(words) if words else ""
