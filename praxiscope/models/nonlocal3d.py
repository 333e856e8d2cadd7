"""Non-local blocks: every cell of a clip's feature map looks at every other one.

Letters: B clips, C channels, D embedded channels (C / 2), N = T * H * W cells that look, M cells
that are looked at (N / 4 where sub-sampled).
Attribute names follow the published checkpoints (``layer2.0.non_local_block.g.0.conv.weight``).

Source: Non-local Neural Networks, arXiv:1711.07971, Sections 3.2 and 3.3.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from praxiscope.checks import check_choice
from praxiscope.errors import RecipeError
from praxiscope.models.conv3d import FactorisedConv3d, PoolFrames

Places = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Pairwise = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]


@dataclass(frozen=True, kw_only=True)
class NonLocal:
    """Recipe entry: where non-local blocks sit, and how two cells are compared.

    Args:
        after: For each of the four stages, the residual blocks that are followed by one, from 0.
        pairwise: The function f of the paper, Eqs. 2 to 5.
        sub_sample: What is looked at is max-pooled over 2 x 2 cells first.
        scale: In the embedded Gaussian, products are divided by the root of D.
    """

    after: Places = ((), (0, 2), (0, 2, 4), ())  # the published R50
    pairwise: Pairwise = "embedded_gaussian"
    sub_sample: bool = True
    scale: bool = True

    def __post_init__(self) -> None:
        if len(self.after) != 4:
            raise RecipeError(f"NonLocal.after names blocks of 4 stages, not of {len(self.after)}.")
        check_choice(self.pairwise, "NonLocal.pairwise", get_args(Pairwise))

    def check_fits(self, blocks: tuple[int, ...]) -> None:
        """Raise :class:`RecipeError` if a stage has no such residual block."""
        for stage, (wanted, count) in enumerate(zip(self.after, blocks, strict=True), 1):
            if any(not 0 <= index < count for index in wanted):
                raise RecipeError(
                    f"NonLocal.after: stage {stage} has blocks 0 to {count - 1}, not {wanted}."
                )

    def block(self, channels: int) -> "NonLocalBlock":
        """Return a block with fresh weights for maps of so many channels."""
        return NonLocalBlock(channels, self.pairwise, sub_sample=self.sub_sample, scale=self.scale)


class NamedConv(nn.Module):
    """A 1x1x1 convolution with a bias, under the name that the published checkpoints give it."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = FactorisedConv3d(c_in, c_out, (1, 1, 1), bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T, H, W)."""
        out: Tensor = self.conv(x)
        return out


class ConvOut(nn.Module):
    """The bias-free convolution and the norm that lead back to the residual stream."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = FactorisedConv3d(c_in, c_out, (1, 1, 1))
        self.bn: nn.Module = nn.BatchNorm3d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T, H, W)."""
        out: Tensor = self.bn(self.conv(x))
        return out


class ConcatProject(nn.Module):
    """The vector w_f of Eq. 5: one number for a pair of cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, 1, 1, bias=False)

    def forward(self, theta: Tensor, phi: Tensor) -> Tensor:
        """(B, N, D), (B, M, D) -> (B, N, M).

        The product with a concatenation is the sum of two products, so the N x M pairs of 2 D
        numbers are never made.
        """
        of_theta, of_phi = self.conv.weight.flatten().chunk(2)
        return relu((theta @ of_theta)[:, :, None] + (phi @ of_phi)[:, None, :])


class NonLocalBlock(nn.Module):
    """A residual that mixes all cells, then a norm: (B, C, T, H, W) in and out."""

    def __init__(
        self, channels: int, pairwise: Pairwise, *, sub_sample: bool = True, scale: bool = True
    ) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.pairwise, self.scale = pairwise, scale
        self.g = _pooled(NamedConv(channels, inner), sub_sample)
        self.conv_out = ConvOut(inner, channels)
        self.theta: nn.Module = nn.Identity()
        self.phi: nn.Module = PoolFrames(2) if sub_sample else nn.Identity()
        if pairwise != "gaussian":
            self.theta = NamedConv(channels, inner)
            self.phi = _pooled(NamedConv(channels, inner), sub_sample)
        if pairwise == "concatenation":
            self.concat_project = ConcatProject(inner)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H, W)."""
        theta, phi, g = (_cells(embed(x)) for embed in (self.theta, self.phi, self.g))
        if self.pairwise in ("gaussian", "embedded_gaussian"):
            scaled = self.scale and self.pairwise == "embedded_gaussian"
            factor = theta.shape[-1] ** -0.5 if scaled else 1.0
            mixed = scaled_dot_product_attention(theta, phi, g, scale=factor)
        elif self.pairwise == "dot_product":
            mixed = theta @ (phi.mT @ g) / phi.shape[1]  # never the N x M products
        else:
            mixed = self.concat_project(theta, phi) @ g / phi.shape[1]
        b, _, t, h, w = x.shape
        maps = mixed.view(b, t, h, w, -1).permute(0, 4, 1, 2, 3)
        out: Tensor = x + self.conv_out(maps)
        return out

    def init_weights(self) -> None:
        """Small embeddings, and a norm of 0: a fresh block passes its input on.

        Source: arXiv:1711.07971, Section 4.1 ("zero initialised" scale of the last norm).
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.zeros_(self.conv_out.bn.get_parameter("weight"))


def _pooled(conv: NamedConv, sub_sample: bool) -> nn.Module:
    """Return the convolution, or one that is followed by a max over 2 x 2 cells."""
    return nn.Sequential(conv, PoolFrames(2)) if sub_sample else conv


def _cells(maps: Tensor) -> Tensor:
    """(B, D, T, H, W) -> (B, T * H * W, D)."""
    return torch.movedim(maps, 1, -1).flatten(1, 3)
