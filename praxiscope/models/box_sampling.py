"""Which boxes of a frame a detector is trained on, and as what.

Letters: P proposals, G boxes of the ground truth, S boxes chosen, A outputs (0 is the background).
"""

import torch
from torch import Tensor


def sample_boxes(
    proposals: Tensor,
    truth: Tensor,
    labels: Tensor,
    *,
    limit: int = 32,
    threshold: float = 0.9,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the boxes to train on (S, 4) and their targets (S, A), those of persons first.

    The ground truth joins the proposals. A box takes the labels of the true one that it overlaps
    most, if their IoU reaches ``threshold``; besides, the best proposal of a true box is that
    person's, whoever else it overlaps. The rest have no label: the loss leaves their rows out. Of
    more than ``limit`` boxes with labels so many are drawn; others only fill what is free.

    Args:
        proposals: (P, 4), xyxy in any unit.
        truth: (G, 4), in the same unit.
        labels: (G, A), 1 for each class of a true box.
        generator: Draws where there are too many; on the CPU.

    Source: the published training runs (MaxIoUAssigner and RandomSampler of MMDetection).
    """
    owner = assign(proposals, truth, threshold)
    owner = torch.cat((torch.arange(len(truth), device=owner.device), owner))
    boxes = torch.cat((truth, proposals))
    persons, others = (owner >= 0).nonzero()[:, 0], (owner < 0).nonzero()[:, 0]
    persons = _draw(persons, limit, generator)
    others = _draw(others, limit - len(persons), generator)
    targets = torch.cat((labels[owner[persons]], labels.new_zeros(len(others), labels.shape[1])))
    return boxes[torch.cat((persons, others))], targets


def assign(proposals: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Return the true box of every proposal, (P, 4) and (G, 4) -> (P,); -1 is nobody's."""
    owner = torch.full((len(proposals),), -1, device=proposals.device)
    if len(proposals) == 0 or len(truth) == 0:
        return owner
    overlap = iou(proposals, truth)
    best, person = overlap.max(1)
    owner = torch.where(best >= threshold, person, owner)
    for index, most in enumerate(overlap.amax(0)):  # in order: of two equal boxes the later wins
        if most >= threshold:
            owner[overlap[:, index] == most] = index
    return owner


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes xyxy, (P, 4) and (G, 4) -> (P, G)."""
    corner, opposite = (
        torch.maximum(a[:, None, :2], b[:, :2]),
        torch.minimum(a[:, None, 2:], b[:, 2:]),
    )
    common = (opposite - corner).clamp(min=0).prod(-1)
    union = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1) - common
    return common / union.clamp(min=torch.finfo(union.dtype).tiny)


def _draw(indices: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """At most ``count`` of the indices, in their order."""
    if len(indices) <= count:
        return indices
    chosen = torch.randperm(len(indices), generator=generator)[:count].sort().values
    return indices[chosen.to(indices.device)]
