"""A recogniser: normalise a clip on the device, run the backbone, classify.

Letters: B videos, V views (clips x crops), C channels, T frames, H x W pixels, K classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from praxiscope.errors import RecipeError
from praxiscope.models.conv3d import channels_last
from praxiscope.models.conventions import OPENMMLAB, RGB, Conventions, Normalization
from praxiscope.models.heads import PooledHead
from praxiscope.models.resnet3d import BLOCKS

Average = Literal["prob", "score", "none"]


class ClipModel(nn.Module):
    """A backbone that is fed clips: what recognisers and detectors have in common."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, *, normalization: Normalization = RGB) -> None:
        super().__init__()
        self.backbone = backbone
        # Channels-last is faster, but on CPUs a batch norm's sums over it are less exact: gradient
        # norms then differ from the published ones up to ten times as much. Testing, where nothing
        # is summed, always has the faster one.
        self.channels_last_in_training = False
        self.conventions: Conventions = OPENMMLAB  # changed by :mod:`praxiscope.zoo.adopt`
        per_channel = (-1, 1, 1, 1)
        # Not in the state dict: published files hold no such entries.
        self.register_buffer(
            "mean", torch.tensor(normalization.mean).view(per_channel), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(normalization.std).view(per_channel), persistent=False
        )

    def normalize(self, clips: Tensor) -> Tensor:
        """uint8 (..., C, T, H, W) -> (clips - mean) / std in the type of the model's weights."""
        if self.conventions.reverse_channels:
            clips = clips.flip(-4)
        return (clips.to(self.mean.dtype) - self.mean) / self.std

    def features(self, clips: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(B, C, T, H, W) -> the backbone's maps, one per pathway, (B, C', T', H', W')."""
        if not clips.is_floating_point():
            clips = self.normalize(clips)
        if self.channels_last_in_training or not self.training:
            clips = channels_last(clips)
        maps: Tensor | tuple[Tensor, ...] = self.backbone(clips)
        return maps


class Recognizer(ClipModel):
    """Clips -> logits. Names follow the published checkpoints: ``backbone.*``, ``cls_head.*``."""

    def __init__(
        self, backbone: nn.Module, head: nn.Module, *, normalization: Normalization = RGB
    ) -> None:
        super().__init__(backbone, normalization=normalization)
        self.cls_head = head

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> logits (B, K). uint8 clips are normalised, float ones are already."""
        logits: Tensor = self.cls_head(self.features(clips))
        return logits

    def probabilities(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, K) that sum to 1, as the weights' code base gives them in testing.

        The softmax of :meth:`forward`, but where the conventions average over the positions of a
        larger map as over views: there the mean of the softmax at every position.
        """
        if not self.conventions.softmax_positions:
            logits: Tensor = self(clips)
            return logits.float().softmax(-1)
        head = self.cls_head
        assert isinstance(head, PooledHead)  # the only one that conventions give positions
        positions = head.positions(self.features(clips))
        return positions.float().softmax(-1).mean(1)


def score_views(
    model: nn.Module, clips: Tensor, *, average: Average = "prob", max_views: int | None = None
) -> Tensor:
    """Scores of every video: (B, V, C, T, H, W) -> (B, K), or (B, V, K) if nothing is averaged.

    Args:
        average: "prob" averages probabilities over views (see :meth:`Recognizer.probabilities`),
            "score" the logits, "none" keeps every view's logits.
        max_views: At most so many views are in the model at a time, so 10 x 3 fit a small memory;
            None chooses by :func:`views_that_fit`.
    """
    views = clips.flatten(0, 1)
    size = max_views or views_that_fit(views)
    chunks = (views[i : i + size] for i in range(0, len(views), size))
    if average == "prob" and isinstance(model, Recognizer):
        scores = torch.cat([model.probabilities(chunk) for chunk in chunks])
    else:
        scores = torch.cat([model(chunk).float() for chunk in chunks])
        scores = scores.softmax(-1) if average == "prob" else scores
    scores = scores.view(*clips.shape[:2], -1)
    return scores if average == "none" else scores.mean(1)


def views_that_fit(views: Tensor) -> int:
    """Return how many views (N, C, T, H, W) a network of this family can run at a time.

    The widest maps of an R50 at stride 2 and 4 hold about 5 times the numbers of its input, and
    about six of them live at a time; R101 and R152 are deeper, not wider. A GPU may use half of
    what is free, a CPU 1 GiB.
    """
    per_view = views[0].numel() * 4 * 32
    budget = 2**30
    if views.device.type == "cuda":
        budget = torch.cuda.mem_get_info(views.device)[0] // 2
    return max(1, budget // per_view)


def check_depth(depth: int) -> int:
    """Return ``depth``, if there is a ResNet of that many layers."""
    if depth not in BLOCKS:
        raise RecipeError(f"no ResNet has depth {depth}; there are {', '.join(map(str, BLOCKS))}.")
    return depth
