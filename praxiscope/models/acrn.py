"""ACRN: every person's feature beside every cell of the scene, and what relates the two.

Letters: N clips, K boxes of all clips together, C channels, H x W cells, P x P bins of a box.
Attribute names follow the published checkpoints (``roi_head.shared_head.conv1.bn.weight``).

Source: Actor-Centric Relation Network, arXiv:1807.10982, Section 3.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, relu

from praxiscope.models.resnet3d import ConvBn3d


class Acrn(nn.Module):
    """A 1x1 convolution over person and scene together, then a 3x3 one: C channels in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.conv1 = ConvBn3d(2 * channels, channels, (1, 1, 1))
        self.conv2 = ConvBn3d(channels, channels, (1, 3, 3))

    def forward(self, features: Tensor, maps: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Features of the boxes (K, C, P, P) and the scene (N, C, H, W) -> (K, C, H, W).

        The first convolution of a concatenation is the sum of two: the person's part is the same
        in every cell and the scene's the same for all persons of a clip, so neither is repeated.
        """
        if len(features) == 0:  # nothing that batch norm could measure
            return features.new_empty(0, *maps.shape[1:])
        of_person, of_scene = self.conv1.conv.weight.flatten(1).chunk(2, dim=1)
        person = linear(features.amax((2, 3)), of_person)[:, :, None, None]
        scene = per_box(conv2d(maps, of_scene[:, :, None, None]), boxes)
        relations = (person + scene)[:, :, None]  # a clip of one frame
        relations = relu(self.conv1.bn(relations), inplace=True)
        related: Tensor = relu(self.conv2(relations), inplace=True)[:, :, 0]
        return related


def per_box(of_clips: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """Repeat what belongs to a clip for each of its boxes, (N, ...) -> (K, ...)."""
    pairs = zip(of_clips, boxes, strict=True)
    return torch.cat([one.expand(of_clip.shape[0], *one.shape) for one, of_clip in pairs])
