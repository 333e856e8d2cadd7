"""3-D residual networks: the one pathway of SlowOnly and both pathways of SlowFast.

Letters: B clips, C channels, T frames, H x W cells. Tensors are BCTHW throughout.
Attribute names follow the published checkpoints (``layer3.0.conv1.bn.weight``).
Source: SlowFast Networks for Video Recognition, arXiv:1812.03982, Table 1.
"""

from torch import Tensor, nn
from torch.nn.functional import relu

from praxiscope.models.conv3d import FactorisedConv3d, Kernel, PoolFrames
from praxiscope.models.nonlocal3d import NonLocal, NonLocalBlock

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    14: (1, 1, 1, 1),  # not published: for small data
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
NUM_STAGES = 4
EXPANSION = 4  # channels out of a bottleneck, over its width


class ConvBn3d(nn.Module):
    """Bias-free convolution with "same" padding, then batch norm."""

    def __init__(self, c_in: int, c_out: int, kernel: Kernel, stride: Kernel = (1, 1, 1)) -> None:
        super().__init__()
        self.conv = FactorisedConv3d(c_in, c_out, kernel, stride)
        self.bn: nn.Module = nn.BatchNorm3d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T', H', W')."""
        out: Tensor = self.bn(self.conv(x))
        return out


class Bottleneck3d(nn.Module):
    """1x1 -> 3x3 -> 1x1 residual block. Time is never strided.

    Args:
        stride: Spatial stride, on the 3x3 convolution.
        temporal_kernel: 1 for a 2-D block, 3 to mix frames in the first convolution.
        non_local: What follows the block, if anything.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        *,
        stride: int = 1,
        temporal_kernel: int = 1,
        non_local: NonLocalBlock | None = None,
    ) -> None:
        super().__init__()
        c_out, space = width * EXPANSION, (1, stride, stride)
        self.conv1 = ConvBn3d(c_in, width, (temporal_kernel, 1, 1))
        self.conv2 = ConvBn3d(width, width, (1, 3, 3), space)
        self.conv3 = ConvBn3d(width, c_out, (1, 1, 1))
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.downsample = ConvBn3d(c_in, c_out, (1, 1, 1), space)
        self.non_local_block = non_local or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, 4 * width, T, H / stride, W / stride)."""
        out = relu(self.conv1(x), inplace=True)
        out = relu(self.conv2(out), inplace=True)
        out = relu(self.conv3(out) + self.downsample(x), inplace=True)
        mixed: Tensor = self.non_local_block(out)
        return mixed


def stage(
    blocks: int,
    c_in: int,
    width: int,
    *,
    stride: int,
    temporal_kernel: int,
    non_local: NonLocal | None = None,
    non_local_after: tuple[int, ...] = (),
) -> nn.Sequential:
    """One ResNet stage: the first block changes the shape, the rest keep it."""
    c_out = width * EXPANSION
    return nn.Sequential(
        *(
            Bottleneck3d(
                c_in if index == 0 else c_out,
                width,
                stride=stride if index == 0 else 1,
                temporal_kernel=temporal_kernel,
                non_local=non_local.block(c_out)
                if non_local and index in non_local_after
                else None,
            )
            for index in range(blocks)
        )
    )


class ResNet3d(nn.Module):
    """A stem and four stages -> (B, 32 * width, T, H / 32, W / 32).

    Args:
        blocks: Residual blocks in each stage.
        in_channels: 3 for RGB, 2 for optical flow.
        width: Channels of the stem; 64, or 8 for a fast pathway.
        stem_frames: Temporal kernel of the stem: 1, or 5 for a fast pathway.
        temporal_kernels: Temporal kernel of each stage: 3 mixes frames, 1 does not.
        lateral_channels: What another pathway adds to the input of each stage.
        stem_pool: The stem ends in a 3x3 max pooling of stride 2; without it all maps are twice as
            high and wide.
        last_stride: Spatial stride of the last stage; 1 keeps the maps at H / 16, as detectors do.
        non_local: Non-local blocks, and where they sit.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        *,
        in_channels: int = 3,
        width: int = 64,
        stem_frames: int = 1,
        temporal_kernels: tuple[int, int, int, int] = (1, 1, 3, 3),
        lateral_channels: tuple[int, int, int, int] = (0, 0, 0, 0),
        stem_pool: bool = True,
        last_stride: int = 2,
        non_local: NonLocal | None = None,
    ) -> None:
        super().__init__()
        if non_local:
            non_local.check_fits(blocks)
        self.pool = PoolFrames(3, padding=1) if stem_pool else nn.Identity()
        self.out_channels = width * 8 * EXPANSION
        self.conv1 = ConvBn3d(in_channels, width, (stem_frames, 7, 7), (1, 2, 2))
        strides = (1, 2, 2, last_stride)
        inputs = (width, *(width * EXPANSION * n for n in (1, 2, 4)))
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            stage(
                blocks[i],
                inputs[i] + lateral_channels[i],
                width * 2**i,
                stride=strides[i],
                temporal_kernel=temporal_kernels[i],
                non_local=non_local,
                non_local_after=non_local.after[i] if non_local else (),
            )
            for i in range(NUM_STAGES)
        )

    def stem(self, x: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, width, T, H / 4, W / 4); H / 2, W / 2 if not pooled."""
        out: Tensor = self.pool(relu(self.conv1(x), inplace=True))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, 32 * width, T, H / 32, W / 32)."""
        out: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return out


def init_weights(model: nn.Module, block_start: float = 0.0) -> nn.Module:
    """Return ``model`` with fresh weights, as the published runs from scratch begin.

    Convolutions: He normal over the outputs. Batch norms: 1 and 0, but ``block_start`` for the last
    one of each residual block: at the published 0 a block starts as the identity, which is steadier
    over many epochs; above 0 it takes part at once, which pays in runs of a few hundred steps.
    Linear layers: normal, deviation 0.01. Non-local blocks start as the identity.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, NonLocalBlock):
            module.init_weights()
        elif isinstance(module, Bottleneck3d):
            nn.init.constant_(module.conv3.bn.get_parameter("weight"), block_start)
    return model
