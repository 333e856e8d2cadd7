"""The one place that decides how a factorised 3-D convolution is executed.

Letters: B clips, C channels, T frames, H x W cells.
The networks here use 1 x k x k and k x 1 x 1 kernels (but for the stem of the fast pathway).
PyTorch's Conv3d runs those slowly on CPUs; as Conv2d over single frames, or over (T, H * W) planes,
they are the same sums, faster. Both are views of a clip that is stored channels-last.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

Kernel = tuple[int, int, int]


class FactorisedConv3d(nn.Conv3d):
    """A Conv3d with "same" padding, without a bias unless asked: faster on CPUs, the same sums."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: Kernel,
        stride: Kernel = (1, 1, 1),
        *,
        bias: bool = False,
    ) -> None:
        t, h, w = kernel
        self.padding_t, self.padding_hw = t // 2, (h // 2, w // 2)
        padding = (self.padding_t, *self.padding_hw)
        super().__init__(c_in, c_out, kernel, stride, padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T', H', W'), "same" padding, then the stride."""
        if x.device.type == "cpu" and not x.is_contiguous():
            if self.kernel_size[0] == 1 and self.stride[0] == 1:
                return self._over_frames(x)
            if self.kernel_size[1:] == (1, 1) and self.stride[1:] == (1, 1):
                return self._over_time(x)
        return super().forward(x)

    def _over_frames(self, x: Tensor) -> Tensor:
        """1 x k x k: every frame by itself, as Conv2d on (B * T, C, H, W)."""
        b, c, t, h, w = x.shape
        frames = x.permute(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
        out = conv2d(frames, self.weight[:, :, 0], self.bias, self.stride[1:], self.padding_hw)
        return out.view(b, t, *out.shape[1:]).permute(0, 2, 1, 3, 4)

    def _over_time(self, x: Tensor) -> Tensor:
        """K x 1 x 1: every pixel by itself, as Conv2d with a k x 1 kernel on (B, C, T, H * W)."""
        b, c, t, h, w = x.shape
        planes = x.reshape(b, c, t, h * w)
        weight = self.weight.flatten(3)  # (c_out, c_in, k, 1)
        out = conv2d(planes, weight, self.bias, (self.stride[0], 1), (self.padding_t, 0))
        return out.view(*out.shape[:3], h, w)


class PoolFrames(nn.Module):
    """Max over k x k cells of each frame, stride 2: (B, C, T, H, W) -> (B, C, T, H / 2, W / 2).

    As a 2-D pooling, because the backward pass of the 3-D one is not repeatable on CUDA.
    """

    def __init__(self, kernel: int, padding: int = 0) -> None:
        super().__init__()
        self.kernel, self.padding = kernel, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H', W')."""
        b, c, t, h, w = x.shape
        frames = x.permute(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
        pooled = max_pool2d(frames, self.kernel, stride=2, padding=self.padding)
        return pooled.view(b, t, *pooled.shape[1:]).permute(0, 2, 1, 3, 4)


def channels_last(x: Tensor) -> Tensor:
    """Return (B, C, T, H, W) stored channels-last, in which frames and planes are views."""
    return x.contiguous(memory_format=torch.channels_last_3d)
