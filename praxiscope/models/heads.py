"""Recognition heads: pool what the backbone saw over time and space, then classify."""

from torch import Tensor, cat, nn


class PooledHead(nn.Module):
    """Global average over time and space, dropout, one linear layer.

    Source: SlowFast, arXiv:1812.03982, Table 1 (last rows).
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(in_channels, num_classes)

    def forward(self, features: Tensor | tuple[Tensor, ...]) -> Tensor:
        """One map (B, C, T, H, W) per pathway -> logits (B, num_classes).

        Pathways may differ in T; their means are joined in the order given.
        """
        maps = (features,) if isinstance(features, Tensor) else features
        pooled = cat([x.mean((2, 3, 4)) for x in maps], dim=1)
        out: Tensor = self.fc_cls(self.dropout(pooled))
        return out
