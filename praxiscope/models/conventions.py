"""How a code base feeds its networks and reads them: what its weights do not say themselves.

The networks are the same family; what differs between their code bases is what clips are
normalised with, which frames the slow pathway sees, and how a classifier is read on a map larger
than the one it was trained on. Weights give their published accuracy under their own conventions.
"""

from dataclasses import dataclass
from typing import Literal

SlowFrames = Literal["strided", "linspace"]
PooledNonLocal = Literal["dot_product", "embedded_gaussian"]


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each channel, in grey levels (0 to 255)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


RGB = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # ImageNet, RGB order
FLOW = Normalization((128.0, 128.0), (128.0, 128.0))  # x and y, 128 is no motion
GREY = Normalization((114.75,) * 3, (57.375,) * 3)  # 0.45 and 0.225 of 255, every channel alike


@dataclass(frozen=True)
class Conventions:
    """The ways of one code base.

    Args:
        name: Of the code base, as reports and files give it.
        normalization: Of uint8 clips; None: by the network's channels (RGB or FLOW).
        reverse_channels: uint8 clips become BGR.
        slow_frames: The slow pathway sees every n-th frame (``strided``: 0, 4, 8 ... 28 of 32), or
            as many from the first to the last (``linspace``: 0, 4, 8, 13, 17, 22, 26, 31).
        window: Cells on a side of the head's average pooling, which slides over a larger map and
            classifies every position; None: one average over the whole map.
        softmax_positions: In testing, such positions are averaged as views are: their
            probabilities, not their logits.
        non_local: How a non-local block that pools before it projects compares two cells.
    """

    name: str
    normalization: Normalization | None = None
    reverse_channels: bool = False
    slow_frames: SlowFrames = "strided"
    window: int | None = None
    softmax_positions: bool = False
    non_local: PooledNonLocal = "dot_product"


OPENMMLAB = Conventions("OpenMMLab")
PYSLOWFAST = Conventions(
    "PySlowFast", GREY, slow_frames="linspace", window=7, softmax_positions=True
)
PYTORCHVIDEO = Conventions("PyTorchVideo", GREY, slow_frames="linspace", window=7)
