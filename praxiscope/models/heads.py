"""Recognition heads: pool what the backbone saw over time and space, then classify.

Letters: B clips, C channels, T frames, H x W cells, P positions of a window, K classes.
"""

from torch import Tensor, cat, nn
from torch.nn.functional import avg_pool2d


class PooledHead(nn.Module):
    """Average over time and space, dropout, one linear layer.

    ``window``: None averages over the whole map; n over n x n cells at every position, so that a
    map as large as in training has one position, and a larger one several.

    Source: SlowFast, arXiv:1812.03982, Table 1 (last rows).
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        self.window: int | None = None

    def forward(self, features: Tensor | tuple[Tensor, ...]) -> Tensor:
        """One map (B, C, T, H, W) per pathway -> logits (B, K), the mean over positions.

        Pathways may differ in T; their means are joined in the order given.
        """
        if self.window:
            return self.positions(features).mean(1)
        maps = (features,) if isinstance(features, Tensor) else features
        pooled = cat([x.mean((2, 3, 4)) for x in maps], dim=1)
        out: Tensor = self.fc_cls(self.dropout(pooled))
        return out

    def positions(self, features: Tensor | tuple[Tensor, ...]) -> Tensor:
        """One map (B, C, T, H, W) per pathway -> logits of every position (B, P, K)."""
        maps = (features,) if isinstance(features, Tensor) else features
        sizes = [min(self.window or length, length) for length in maps[0].shape[3:]]
        pooled = cat([avg_pool2d(x.mean(2), sizes, stride=1) for x in maps], dim=1)
        out: Tensor = self.fc_cls(self.dropout(pooled.flatten(2).mT))
        return out
