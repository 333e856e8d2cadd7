"""A recogniser: normalise a clip on the device, run the backbone, classify.

Letters: B videos, V views (clips x crops), C channels, T frames, H x W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from praxiscope.errors import RecipeError
from praxiscope.models.conv3d import channels_last
from praxiscope.models.resnet3d import BLOCKS

Average = Literal["prob", "score", "none"]


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each channel, in grey levels (0 to 255)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


RGB = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # ImageNet, RGB order
FLOW = Normalization((128.0, 128.0), (128.0, 128.0))  # x and y, 128 is no motion


class Recognizer(nn.Module):
    """Clips -> logits. Names follow the published checkpoints: ``backbone.*``, ``cls_head.*``."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, head: nn.Module, *, normalization: Normalization = RGB
    ) -> None:
        super().__init__()
        self.backbone, self.cls_head = backbone, head
        # Channels-last is faster, but on CPUs a batch norm's sums over it are less exact: gradient
        # norms then differ from the published ones up to ten times as much. Testing, where nothing
        # is summed, always has the faster one.
        self.channels_last_in_training = False
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
        return (clips.to(self.mean.dtype) - self.mean) / self.std

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> logits (B, K). uint8 clips are normalised, float ones are already."""
        if not clips.is_floating_point():
            clips = self.normalize(clips)
        if self.channels_last_in_training or not self.training:
            clips = channels_last(clips)
        logits: Tensor = self.cls_head(self.backbone(clips))
        return logits


def score_views(
    model: nn.Module, clips: Tensor, *, average: Average = "prob", max_views: int | None = None
) -> Tensor:
    """Scores of every video: (B, V, C, T, H, W) -> (B, K), or (B, V, K) if nothing is averaged.

    Args:
        average: "prob" averages the softmax over views, "score" the logits, "none" keeps the views.
        max_views: At most so many views are in the model at a time, so 10 x 3 fit a small memory;
            None chooses by :func:`views_that_fit`.
    """
    views = clips.flatten(0, 1)
    size = max_views or views_that_fit(views)
    chunks = (views[i : i + size] for i in range(0, len(views), size))
    logits = torch.cat([model(chunk).float() for chunk in chunks])
    logits = logits.view(*clips.shape[:2], -1)
    if average == "none":
        return logits
    return (logits.softmax(-1) if average == "prob" else logits).mean(1)


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
