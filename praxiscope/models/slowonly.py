"""SlowOnly: a ResNet whose last two stages see time.

Source: SlowFast Networks for Video Recognition, arXiv:1812.03982, Section 4 ("Slow-only").
"""

from dataclasses import dataclass

from praxiscope.checks import check_choice, check_number, check_whole
from praxiscope.models.conventions import FLOW, RGB
from praxiscope.models.heads import PooledHead
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.recognizer import Recognizer, check_depth
from praxiscope.models.resnet3d import BLOCKS, ResNet3d, init_weights


@dataclass(frozen=True, kw_only=True)
class SlowOnly:
    """Recipe entry: what the published SlowOnly models differ in.

    Args:
        channels: 3 for RGB, 2 for the x and y of optical flow.
        width: Channels of the stem.
        stem_pool: See :class:`praxiscope.models.resnet3d.ResNet3d`.
        non_local: Non-local blocks, and where they sit.
        block_start: See :func:`praxiscope.models.resnet3d.init_weights`.
    """

    depth: int = 50
    num_classes: int
    channels: int = 3
    width: int = 64
    stem_pool: bool = True
    non_local: NonLocal | None = None
    dropout: float = 0.5
    block_start: float = 0.0

    def __post_init__(self) -> None:
        check_choice(self.channels, "SlowOnly.channels", (2, 3))
        for name in ("num_classes", "width"):
            check_whole(getattr(self, name), f"SlowOnly.{name}")
        check_number(self.dropout, "SlowOnly.dropout", 0, 1)

    def build(self) -> Recognizer:
        """Return the recogniser with fresh weights."""
        backbone = self.backbone()
        head = PooledHead(backbone.out_channels, self.num_classes, self.dropout)
        model = Recognizer(backbone, head, normalization=FLOW if self.channels == 2 else RGB)
        init_weights(model, self.block_start)
        return model

    def backbone(self, last_stride: int = 2) -> ResNet3d:
        """Return the network below the classifier: maps of H / 32, or H / 16 if the stride is 1."""
        return ResNet3d(
            BLOCKS[check_depth(self.depth)],
            in_channels=self.channels,
            width=self.width,
            stem_pool=self.stem_pool,
            last_stride=last_stride,
            non_local=self.non_local,
        )
