"""An action detector: clips and person boxes -> what everybody does.

Letters: N clips, C channels, T frames, H x W pixels, n boxes of a clip, K of all clips together,
A outputs (0 is the background).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from praxiscope.checks import check_choice, check_whole
from praxiscope.errors import RecipeError
from praxiscope.models.acrn import Acrn
from praxiscope.models.actor_head import ActorHead, RoiHead, TemporalPool
from praxiscope.models.bank_ops import BankHead, BankOperator
from praxiscope.models.conventions import FLOW, RGB, Normalization
from praxiscope.models.recognizer import ClipModel
from praxiscope.models.resnet3d import init_weights
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly


class Detector(ClipModel):
    """Clips and boxes -> logits. Names as published: ``backbone.*``, ``roi_head.*``."""

    def __init__(
        self, backbone: nn.Module, roi_head: RoiHead, *, normalization: Normalization = RGB
    ) -> None:
        super().__init__(backbone, normalization=normalization)
        self.roi_head = roi_head

    def forward(
        self, clips: Tensor, boxes: Sequence[Tensor], windows: Tensor | None = None
    ) -> Tensor:
        """(N, C, T, H, W) and N tensors (n, 4) -> logits (K, A), box after box.

        A class is present with the probability that is the sigmoid of its logit; output 0, the
        background, is never trained.

        Args:
            clips: uint8 clips are normalised, float ones are already.
            boxes: Corners xyxy in pixels of the clip; (0, 4) where nobody is.
            windows: Of detectors with a feature bank: the features around each clip (N, S, C),
                zeros where nothing is stored.

        Raises:
            PraxiscopeError: The detector reads a feature bank and has no windows, or the reverse.
        """
        logits: Tensor = self.roi_head(self.features(clips), boxes, windows)
        return logits

    def person_features(self, clips: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Clips and boxes -> features (K, C), box after box: what a feature bank holds.

        They are what the backbone sees in a box, averaged over time or its maximum, and the maximum
        over space: before persons are related to anything.
        """
        return self.roi_head.persons(self.features(clips), boxes)


@dataclass(frozen=True, kw_only=True)
class ActorDetector:
    """Recipe entry: what the published detectors differ in.

    Args:
        network: The backbone, the number of outputs (classes and the background, 81 in AVA) and
            the dropout. Its last stage keeps the maps at H / 16.
        context: See :class:`praxiscope.models.actor_head.RoiHead`; so is ``temporal_pool``.
        hidden_layer: The classifier has a second linear layer.
        acrn: Persons are related to the scene by :class:`praxiscope.models.acrn.Acrn`.
        bank: What is read from a feature bank, see :class:`praxiscope.models.bank_ops.BankHead`.
    """

    network: SlowOnly | SlowFast
    context: bool = False
    temporal_pool: TemporalPool = "avg"
    hidden_layer: bool = False
    acrn: bool = False
    bank: BankOperator | None = None

    def __post_init__(self) -> None:
        check_whole(self.num_classes, "ActorDetector.network.num_classes", least=2)
        check_choice(self.temporal_pool, "ActorDetector.temporal_pool", get_args(TemporalPool))
        if self.context and self.acrn:
            raise RecipeError("ActorDetector: acrn relates persons to the scene; drop context.")
        if self.bank is not None:
            check_choice(self.bank, "ActorDetector.bank", get_args(BankOperator))
            if self.context or self.acrn:
                raise RecipeError("ActorDetector.bank stands for itself: drop context and acrn.")
        if isinstance(self.network, SlowOnly) and not self.network.stem_pool:
            raise RecipeError("ActorDetector: maps must be at H / 16, so set stem_pool to True.")

    @property
    def num_classes(self) -> int:
        """Outputs: the classes, and the background."""
        return self.network.num_classes

    @property
    def channels(self) -> int:
        """Channels of the input: 3 for RGB, 2 for optical flow."""
        return self.network.channels

    @property
    def feature_channels(self) -> int:
        """Numbers that the backbone gives for a person, and a feature bank holds."""
        with torch.device("meta"):
            return self.network.backbone().out_channels

    @property
    def feature_network(self) -> str:
        """What decides the features of a person but for the weights, as text.

        Two detectors of the same text make banks for each other.
        """
        left_out = {"num_classes", "dropout", "block_start"}
        told = [
            f"{field.name}={value!r}"
            for field in fields(self.network)
            if field.name not in left_out
            and (
                (value := getattr(self.network, field.name)) != field.default
                or field.name == "depth"
            )
        ]  # no defaults: a bank outlives the version that made it, and later ones may have more
        if self.temporal_pool != "avg":
            told.append(f"temporal_pool={self.temporal_pool!r}")
        return f"{type(self.network).__name__}({', '.join(told)})"

    def build(self) -> Detector:
        """Return the detector with fresh weights."""
        backbone = self.network.backbone(last_stride=1)
        channels = backbone.out_channels
        shared_head = self._shared_head(channels)
        if shared_head is not None:
            channels = shared_head.out_channels
        bbox_head = ActorHead(
            2 * channels if self.context else channels,
            self.num_classes,
            dropout=self.network.dropout,
            hidden=self.hidden_layer,
        )
        roi_head = RoiHead(
            bbox_head,
            shared_head,
            context=self.context,
            temporal_pool=self.temporal_pool,
        )
        model = Detector(backbone, roi_head, normalization=FLOW if self.channels == 2 else RGB)
        init_weights(model, self.network.block_start)
        return model

    def _shared_head(self, channels: int) -> Acrn | BankHead | None:
        if self.acrn:
            return Acrn(channels)
        return None if self.bank is None else BankHead(channels, self.bank)


def actor_probabilities(logits: Tensor, *, multi_label: bool = True) -> Tensor:
    """Logits (K, A) -> probabilities (K, A); output 0, the background, has none: 0.

    Where a person may do several things each class has its own; otherwise they sum to 1.
    """
    classes = logits[:, 1:].sigmoid() if multi_label else logits[:, 1:].softmax(1)
    return pad(classes, (1, 0))
