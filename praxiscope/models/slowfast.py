"""SlowFast: a wide pathway over few frames and a thin one over many, joined at every stage.

Source: SlowFast Networks for Video Recognition, arXiv:1812.03982, Section 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn
from torch.nn.functional import relu

from praxiscope.checks import check_number, check_whole
from praxiscope.models.conv3d import FactorisedConv3d, channels_last
from praxiscope.models.conventions import SlowFrames
from praxiscope.models.heads import PooledHead
from praxiscope.models.recognizer import Recognizer, check_depth
from praxiscope.models.resnet3d import BLOCKS, EXPANSION, ResNet3d, init_weights


class SlowPathway(ResNet3d):
    """The slow pathway and, as in the published checkpoints, the lateral convolutions into it.

    A lateral convolution doubles the fast pathway's channels and strides time, so that its frames
    meet those of the slow one. It has no norm, no ReLU and no bias.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        *,
        width: int,
        fast_width: int,
        speed_ratio: int,
        lateral_frames: int,
        last_stride: int = 2,
    ) -> None:
        out = fast_width * EXPANSION  # channels of the fast pathway after its first stage
        fast_channels = (fast_width, out, 2 * out, 4 * out)
        a, b, c, d = fast_channels
        lateral_channels = (2 * a, 2 * b, 2 * c, 2 * d)
        super().__init__(
            blocks, width=width, lateral_channels=lateral_channels, last_stride=last_stride
        )
        kernel, stride = (lateral_frames, 1, 1), (speed_ratio, 1, 1)
        self.conv1_lateral, self.layer1_lateral, self.layer2_lateral, self.layer3_lateral = (
            LateralConv(c_in, c_out, kernel, stride)
            for c_in, c_out in zip(fast_channels, lateral_channels, strict=True)
        )


class LateralConv(nn.Module):
    """A bare convolution under the name that the published checkpoints give it.

    With weights of PySlowFast and PyTorchVideo a norm, ``bn``, and a ReLU follow it.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.conv = FactorisedConv3d(c_in, c_out, kernel, stride)
        self.bn: nn.Module | None
        self.register_module("bn", None)

    def forward(self, fast: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T / speed_ratio, H, W)."""
        out: Tensor = self.conv(fast)
        return out if self.bn is None else relu(self.bn(out), inplace=True)


class SlowFastBackbone(nn.Module):
    """Two pathways over the same clip.

    Args:
        slow_stride: The slow pathway sees every so many frames of the clip.
        fast_stride: The fast pathway sees every so many frames of the clip.

    ``slow_frames``: see :class:`praxiscope.models.conventions.Conventions`.
    """

    slow_frames: SlowFrames = "strided"

    def __init__(
        self, slow: SlowPathway, fast: ResNet3d, *, slow_stride: int, fast_stride: int
    ) -> None:
        super().__init__()
        self.slow_path, self.fast_path = slow, fast
        self.slow_stride, self.fast_stride = slow_stride, fast_stride
        self.out_channels = fast.out_channels + slow.out_channels

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, T, H, W) -> fast and slow maps, each (B, C', T', H / 32, W / 32).

        The order is the one in which the published heads join them.
        """
        slow_path, fast_path = self.slow_path, self.fast_path
        fast = every(clips, self.fast_stride)
        if self.slow_frames == "linspace":
            slow = spread(fast, self.slow_stride // self.fast_stride)
        else:
            slow = every(clips, self.slow_stride)
        slow, fast = slow_path.stem(slow), fast_path.stem(fast)
        slow = slow_path.layer1(cat((slow, slow_path.conv1_lateral(fast)), dim=1))
        fast = fast_path.layer1(fast)
        slow = slow_path.layer2(cat((slow, slow_path.layer1_lateral(fast)), dim=1))
        fast = fast_path.layer2(fast)
        slow = slow_path.layer3(cat((slow, slow_path.layer2_lateral(fast)), dim=1))
        fast = fast_path.layer3(fast)
        slow = slow_path.layer4(cat((slow, slow_path.layer3_lateral(fast)), dim=1))
        fast = fast_path.layer4(fast)
        return fast, slow


def every(clips: Tensor, stride: int) -> Tensor:
    """Frames 0, stride, 2 * stride ... (B, C, T, H, W) -> (B, C, T // stride, H, W).

    An incomplete last stride is left out, as in the published models (nearest interpolation).
    """
    num_frames = clips.shape[2] // stride
    if num_frames == 0:
        raise ValueError(
            f"SlowFast takes every {stride}th frame of a clip; this clip has {clips.shape[2]}."
        )
    return clips[:, :, : num_frames * stride : stride]


def spread(clips: Tensor, ratio: int) -> Tensor:
    """T // ratio frames from the first to the last: (B, C, T, H, W) -> (B, C, T // ratio, H, W).

    In single precision and rounded down, as PySlowFast does it.
    """
    num_frames = clips.shape[2]
    indices = torch.linspace(0, num_frames - 1, num_frames // ratio).long()
    chosen = clips[:, :, indices.to(clips.device)]
    return chosen if clips.is_contiguous() else channels_last(chosen)


@dataclass(frozen=True, kw_only=True)
class SlowFast:
    """Recipe entry: what the published SlowFast models differ in.

    Args:
        depth: Of the slow pathway, and of the fast one unless ``fast_depth`` says otherwise.
        slow_stride: Frames of the clip per frame of the slow pathway (8 in 4x16, 4 in 8x8).
        speed_ratio: Frames of the fast pathway per frame of the slow one (alpha in the paper).
        channel_ratio: Channels of the slow pathway over those of the fast one (1 / beta).
        lateral_frames: Temporal kernel of the lateral connections.
        width: Channels of the slow pathway's stem.
        block_start: See :func:`praxiscope.models.resnet3d.init_weights`.
    """

    depth: int = 50
    fast_depth: int | None = None
    num_classes: int
    slow_stride: int = 8
    speed_ratio: int = 8
    channel_ratio: int = 8
    lateral_frames: int = 5
    width: int = 64
    dropout: float = 0.5
    block_start: float = 0.0

    def __post_init__(self) -> None:
        for name in (
            "num_classes",
            "slow_stride",
            "speed_ratio",
            "channel_ratio",
            "lateral_frames",
        ):
            check_whole(getattr(self, name), f"SlowFast.{name}")
        check_whole(self.width, "SlowFast.width", least=self.channel_ratio)
        check_whole(self.slow_stride, "SlowFast.slow_stride", least=self.speed_ratio)
        check_number(self.dropout, "SlowFast.dropout", 0, 1)

    @property
    def channels(self) -> int:
        """Channels of the input: RGB."""
        return 3

    def build(self) -> Recognizer:
        """Return the recogniser with fresh weights."""
        backbone = self.backbone()
        head = PooledHead(backbone.out_channels, self.num_classes, self.dropout)
        model = Recognizer(backbone, head)
        init_weights(model, self.block_start)
        return model

    def backbone(self, last_stride: int = 2) -> SlowFastBackbone:
        """Return the network below the classifier: maps of H / 32, or H / 16 if the stride is 1."""
        fast_width = self.width // self.channel_ratio
        slow = SlowPathway(
            BLOCKS[check_depth(self.depth)],
            width=self.width,
            fast_width=fast_width,
            speed_ratio=self.speed_ratio,
            lateral_frames=self.lateral_frames,
            last_stride=last_stride,
        )
        fast = ResNet3d(
            BLOCKS[check_depth(self.fast_depth or self.depth)],
            width=fast_width,
            stem_frames=5,
            temporal_kernels=(3, 3, 3, 3),
            last_stride=last_stride,
        )
        return SlowFastBackbone(
            slow,
            fast,
            slow_stride=self.slow_stride,
            fast_stride=self.slow_stride // self.speed_ratio,
        )
