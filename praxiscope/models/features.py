"""What a recogniser sees before it classifies.

Letters: B clips, C channels, T frames, H x W cells of the backbone's last map.
"""

from typing import Literal

from torch import Tensor, cat, nn

from praxiscope.errors import RecipeError
from praxiscope.models.recognizer import Recognizer

Pooling = Literal["avg", "max", "keep"]


class PooledFeatures(nn.Module):
    """Clips -> features of a recogniser's backbone, pooled over space and time.

    With "avg" twice they are what its classifier multiplies. The parts of several pathways stand in
    the classifier's order.
    """

    def __init__(
        self, model: Recognizer, *, spatial: Pooling = "avg", temporal: Pooling = "avg"
    ) -> None:
        super().__init__()
        self.model, self.spatial, self.temporal = model, spatial, temporal

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C', T', H', W') -> (B, C), with T after C and H, W last where they are kept.

        Raises:
            RecipeError: Time is kept, but the pathways see different numbers of frames.
        """
        features = self.model.features(clips)
        maps = (features,) if isinstance(features, Tensor) else features
        if self.temporal == "keep" and len({one.shape[2] for one in maps}) > 1:
            raise RecipeError(
                "the pathways of SlowFast see different numbers of frames: pool over time."
            )
        return cat([self._pool(one) for one in maps], dim=1).float()

    def _pool(self, features: Tensor) -> Tensor:
        if self.spatial == self.temporal == "avg":
            return features.mean((2, 3, 4))  # as the head does
        pooled = _reduce(features, self.spatial, (3, 4))
        return _reduce(pooled, self.temporal, (2,))


def _reduce(features: Tensor, pooling: Pooling, axes: tuple[int, ...]) -> Tensor:
    if pooling == "keep":
        return features
    return features.mean(axes) if pooling == "avg" else features.amax(axes)
