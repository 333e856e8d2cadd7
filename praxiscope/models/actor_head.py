"""Detection heads: the features of every person box, and its classes.

Letters: N clips, K boxes of all clips together, C channels, T frames, H x W cells of the feature
map, P = 8 bins along each axis of a box, A outputs (0 is the background).
Attribute names follow the published checkpoints (``roi_head.bbox_head.fc_cls.weight``).

Source: SlowFast, arXiv:1812.03982, Section 5 (detection architecture).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, cat, nn

from praxiscope.errors import PraxiscopeError
from praxiscope.models.acrn import Acrn, per_box
from praxiscope.models.bank_ops import BankHead
from praxiscope.models.roi import roi_align

TemporalPool = Literal["avg", "max"]
BINS = 8
STRIDE = 16  # pixels per cell: the last stage of a detector's backbone has spatial stride 1


class ActorHead(nn.Module):
    """Dropout, the maximum over space, and one linear layer, or two.

    Dropout comes before the maximum, as in the published runs: a bin that is dropped may be
    replaced by the next one.
    """

    def __init__(
        self, in_channels: int, num_classes: int, *, dropout: float = 0.5, hidden: bool = False
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls: nn.Module = nn.Linear(in_channels, num_classes)
        if hidden:
            self.fc_cls = nn.Sequential(
                nn.Linear(in_channels, in_channels), nn.ReLU(inplace=True), self.fc_cls
            )

    def forward(self, features: Tensor) -> Tensor:
        """(K, C, H, W) -> logits (K, A)."""
        logits: Tensor = self.fc_cls(self.dropout(features).amax((2, 3)))
        return logits


class RoiHead(nn.Module):
    """Maps and boxes -> logits.

    Args:
        shared_head: Relates every person to the scene, or to the minute around, before the classes
            are read, if given.
        context: The whole frame, averaged over P x P parts, stands beside the features of a box.
        temporal_pool: How frames become one map, before RoIAlign.
    """

    def __init__(
        self,
        bbox_head: ActorHead,
        shared_head: Acrn | BankHead | None = None,
        *,
        context: bool = False,
        temporal_pool: TemporalPool = "avg",
    ) -> None:
        super().__init__()
        self.context, self.temporal_pool = context, temporal_pool
        self.shared_head: Acrn | BankHead | None
        self.register_module("shared_head", shared_head)
        self.bbox_head = bbox_head

    def forward(
        self,
        maps: Tensor | tuple[Tensor, ...],
        boxes: Sequence[Tensor],
        windows: Tensor | None = None,
    ) -> Tensor:
        """(N, C', T', H, W), fast before slow, and N tensors (n, 4) in pixels -> logits (K, A).

        Raises:
            PraxiscopeError: The head reads a feature bank and has no windows, or the reverse.
        """
        if (windows is not None) != isinstance(self.shared_head, BankHead):
            raise PraxiscopeError(
                "this detector reads a feature bank: give it windows (N, slots, channels)."
                if windows is None
                else "this detector reads no feature bank: leave out the windows."
            )
        if windows is not None and isinstance(self.shared_head, BankHead):
            slots, wanted = tuple(windows.shape[1:2]), (len(boxes), self.shared_head.channels)
            if windows.ndim != 3 or (len(windows), windows.shape[2]) != wanted or not slots[0]:
                raise PraxiscopeError(
                    f"expected windows (N, slots, channels) of {wanted[0]} clips and {wanted[1]} "
                    f"channels, not {tuple(windows.shape)}."
                )
        frames = self.over_time(maps)
        features = roi_align(frames, boxes, size=BINS, stride=STRIDE)
        if self.context:
            features = cat((features, per_box(average_parts(frames, BINS), boxes)), dim=1)
        if self.shared_head is not None:
            around = frames if windows is None else windows
            features = self.shared_head(features, around, boxes)
        logits: Tensor = self.bbox_head(features)
        return logits

    def persons(self, maps: Tensor | tuple[Tensor, ...], boxes: Sequence[Tensor]) -> Tensor:
        """Return the features of the boxes alone, pooled over time and space, (K, C)."""
        return roi_align(self.over_time(maps), boxes, size=BINS, stride=STRIDE).amax((2, 3))

    def over_time(self, maps: Tensor | tuple[Tensor, ...]) -> Tensor:
        """One map per pathway, (N, C', T', H, W) -> (N, C, H, W), slow before fast.

        The published detectors first repeat the slow pathway's frames up to the fast one's number;
        neither the mean nor the maximum changes by that.
        """
        pathways = (maps,) if isinstance(maps, Tensor) else reversed(maps)
        if self.temporal_pool == "max":
            return cat([one.amax(2) for one in pathways], dim=1)
        return cat([one.mean(2) for one in pathways], dim=1)


def average_parts(maps: Tensor, parts: int) -> Tensor:
    """Averages over ``parts`` x ``parts`` parts of a map: (N, C, H, W) -> (N, C, parts, parts).

    The parts are those of adaptive average pooling: they overlap by a cell where the map cannot be
    divided. As matrix products, whose gradient is the same in every run on CUDA too.
    """
    rows = part_weights(maps.shape[2], parts).to(maps)
    columns = part_weights(maps.shape[3], parts).to(maps)
    return rows @ maps @ columns.mT


def part_weights(length: int, parts: int) -> Tensor:
    """Return what each of ``length`` cells adds to the mean of each part, (parts, length)."""
    part, cell = torch.arange(parts)[:, None], torch.arange(length)
    first, end = part * length // parts, -(-(part + 1) * length // parts)
    return ((cell >= first) & (cell < end)) / (end - first)
