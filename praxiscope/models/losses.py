"""The loss of action detection: every class of every person by itself.

Letters: K boxes, A outputs (0 is the background).
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from praxiscope.checks import check_number


@dataclass(frozen=True, kw_only=True)
class ActorLoss:
    """Recipe entry: binary cross-entropy over the classes, or the focal loss.

    ``alpha * (1 - exp(-entropy)) ** gamma * entropy``, averaged over all boxes with a label and
    all classes but the background: ``gamma`` above 0 turns to what is not yet right, and ``alpha``
    scales the whole. 1 and 0 are plain cross-entropy.

    Source: Focal Loss for Dense Object Detection, arXiv:1708.02002, Eq. 5 (there ``alpha`` differs
    between positives and negatives; in the published detectors it does not).
    """

    alpha: float = 1.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        check_number(self.alpha, "ActorLoss.alpha", 0, inf)
        check_number(self.gamma, "ActorLoss.gamma", 0, inf)

    def __call__(self, logits: Tensor, targets: Tensor, *, multi_label: bool = True) -> Tensor:
        """Logits (K, A) and their targets (K, A), 0 or 1 -> a number; 0 where no box has a label.

        Where a person does one thing at a time (not ``multi_label``) the entropy is that of the
        softmax over the classes, one number a person.

        Rows without a label in columns 1 to A - 1 are left out: they are proposals that met nobody.
        """
        labelled = targets[:, 1:].any(1)
        logits, targets = logits[labelled, 1:], targets[labelled, 1:]
        if len(logits) == 0:
            return logits.sum()  # 0, with a gradient of zeros
        targets = targets.to(logits)
        if multi_label:
            entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
        else:
            entropy = cross_entropy(logits, targets, reduction="none")
        if self.gamma:
            wrong = -torch.expm1(-entropy)  # 0 to 1
            # not below the least number: at 0, powers below 1 have no gradient
            wrong = wrong.clamp(min=torch.finfo(wrong.dtype).tiny)
            entropy = wrong**self.gamma * entropy
        return self.alpha * entropy.mean()
