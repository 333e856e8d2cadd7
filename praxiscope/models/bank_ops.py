"""What a detector makes of a long-term feature bank: every person beside the minute around them.

Letters: K persons of all clips together, N clips, C channels of a person's feature and of the bank,
S slots of a window (60 seconds x 5 persons in the published runs; empty ones are zeros and take
part), D latent channels.
Attribute names follow the published checkpoints (``roi_head.shared_head.fbo.st_feat_conv.weight``):
"st" is the short term, a person now; "lt" the long term, the bank.

Source: Long-Term Feature Banks for Detailed Video Understanding, arXiv:1812.05038, Section 3.3.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, cat, nn

from praxiscope.models.acrn import per_box

BankOperator = Literal["nonlocal", "max", "avg"]


class BankHead(nn.Module):
    """A person's feature, and beside it what an operator reads from the bank for them.

    Args:
        channels: C, of the person's feature and of the bank.
        operator: "nonlocal" attends to the window from the person; "max" and "avg" take the
            maximum and the mean of the window, whoever the person is.
    """

    def __init__(self, channels: int, operator: BankOperator) -> None:
        super().__init__()
        self.channels, self.operator = channels, operator
        self.fbo: BankNonLocal | BankPool = (
            BankNonLocal(channels) if operator == "nonlocal" else BankPool(channels, operator)
        )
        self.out_channels = channels + self.fbo.out_channels

    def forward(self, features: Tensor, windows: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Features of the boxes (K, C, P, P) and windows (N, S, C) -> (K, C + D, 1, 1)."""
        persons = features.amax((2, 3))
        read: Tensor = self.fbo(persons, windows.to(persons.dtype), boxes)
        return cat((persons, read), dim=1)[:, :, None, None]


class BankPool(nn.Module):
    """The maximum or the mean of a window, empty slots included."""

    def __init__(self, channels: int, operator: Literal["max", "avg"]) -> None:
        super().__init__()
        self.operator, self.out_channels = operator, channels

    def forward(self, persons: Tensor, windows: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """(K, C) and (N, S, C) -> (K, C)."""
        pooled = windows.amax(1) if self.operator == "max" else windows.mean(1)
        return per_box(pooled, boxes)


class BankNonLocal(nn.Module):
    """Two layers of attention from a person to their window, in fewer channels."""

    def __init__(
        self, channels: int, latent: int = 512, *, layers: int = 2, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.out_channels = latent
        self.st_feat_conv = nn.Conv3d(channels, latent, 1)
        self.lt_feat_conv = nn.Conv3d(channels, latent, 1)
        self.st_feat_dropout = nn.Dropout(dropout)
        self.lt_feat_dropout = nn.Dropout(dropout)
        self.layers = [f"non_local_layer_{number}" for number in range(1, layers + 1)]
        for name in self.layers:
            self.add_module(name, AttentionLayer(latent, dropout))

    def forward(self, persons: Tensor, windows: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """(K, C) and (N, S, C) -> (K, D)."""
        now: Tensor = self.st_feat_dropout(pointwise(self.st_feat_conv, persons))
        # One window serves all persons of a clip; its channels drop out once for them all.
        then: Tensor = self.lt_feat_dropout(pointwise(self.lt_feat_conv, windows))
        for name in self.layers:
            read: Tensor = self.get_submodule(name)(now, then, boxes)
            now = now + read
        return now


class AttentionLayer(nn.Module):
    """What a person asks of the window, normalised before the ReLU and the output ("pre")."""

    def __init__(self, latent: int, dropout: float) -> None:
        super().__init__()
        self.st_feat_conv = Pointwise(latent)
        self.lt_feat_conv = Pointwise(latent)
        self.global_conv = Pointwise(latent)
        self.ln = nn.LayerNorm([latent, 1, 1, 1])
        self.out_conv = Pointwise(latent)
        self.dropout = nn.Dropout(dropout)

    def forward(self, now: Tensor, then: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """(K, D) and (N, S, D) -> (K, D)."""
        query, key, value = self.st_feat_conv(now), self.lt_feat_conv(then), self.global_conv(then)
        scale = now.shape[1] ** -0.5
        read = []
        for of_clip, own_key, own_value in zip(
            query.split([len(own) for own in boxes]), key, value, strict=True
        ):
            attention = (of_clip @ own_key.T * scale).softmax(1)  # (n, S)
            read.append(attention @ own_value)
        normed = self.ln(torch.cat(read)[:, :, None, None, None]).flatten(1)
        out: Tensor = self.dropout(self.out_conv(normed.relu()))
        return out


class Pointwise(nn.Module):
    """A linear layer with the published name and shape of a 1x1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return pointwise(self.conv, features)


def pointwise(conv: nn.Conv3d, features: Tensor) -> Tensor:
    """Run a 1x1x1 convolution on features that end in channels, (..., C) -> (..., D)."""
    return nn.functional.linear(features, conv.weight.flatten(1), conv.bias)
