"""The last seconds of one video, as a bank that is made while the video is seen.

Letters: n persons of a second, S seconds of a window, P places a second, C channels.
Source: Long-Term Feature Banks, arXiv:1812.05038, Section 3.2 (a window around every key frame).
"""

import numpy as np
import torch
from torch import Tensor

from praxiscope.banks.bank import choose_places


class RecentFeatures:
    """Features of the last S seconds, of which no more is kept than windows have places.

    Windows are those of :meth:`praxiscope.banks.bank.Bank.window` on a stored bank of the same
    features: of a second with more than P the same evenly spread ones, rounded to half precision.
    Memory: at most S * P * C halves, 1.2 MB of the published size.

    Args:
        channels: C.
        seconds: S.
        per_second: P.
    """

    def __init__(self, channels: int, seconds: int, per_second: int) -> None:
        assert channels > 0 and seconds > 0 and per_second > 0, (channels, seconds, per_second)
        self.channels, self.seconds, self.per_second = channels, seconds, per_second
        self._features: dict[int, Tensor] = {}  # second -> (n <= P, C) float16, ascending

    def add(self, second: int, features: Tensor) -> None:
        """Store the features (n, C) of a second after all others; what is S seconds old goes."""
        assert features.shape[1:] == (self.channels,), features.shape
        assert all(second > earlier for earlier in self._features), second
        kept, _ = choose_places(np.zeros(len(features), np.int64), self.per_second, None)
        self._features[second] = features[torch.from_numpy(kept)].to("cpu", torch.float16)
        for old in [stored for stored in self._features if stored <= second - self.seconds]:
            del self._features[old]

    def window(self, second: int) -> Tensor:
        """Return what is there of S seconds from ``second - S // 2`` on: (S * P, C) float32.

        Places without a feature are zeros; those of seconds that are still to come, too.
        """
        first = second - self.seconds // 2
        window = torch.zeros(self.seconds, self.per_second, self.channels)
        for stored, features in self._features.items():
            if first <= stored < first + self.seconds:
                window[stored - first, : len(features)] = features
        return window.flatten(0, 1)
