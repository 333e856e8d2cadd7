"""Key frames with the window of a feature bank around each.

Letters: S seconds of a window, P places a second, C channels.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.data import Dataset

from praxiscope.banks.bank import Bank
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_key_frames import KeyFrames
from praxiscope.types import ActorSample, Broken, ItemKey


class WithWindows(Dataset[ActorSample | Broken]):
    """The samples of ``key_frames`` with ``window`` (S * P, C). An item depends on its key alone.

    Windows are as stored: halves travel as halves, and become exactly as large floats in the model.

    Args:
        random: A second with more than P features keeps some that are drawn, by the item's own
            random numbers; otherwise the same ones every time.
    """

    def __init__(
        self, key_frames: AvaDataset, bank: Bank, *, seconds: int, per_second: int, random: bool
    ) -> None:
        self.key_frames, self.bank = key_frames, bank
        self.seconds, self.per_second, self.random = seconds, per_second, random

    @property
    def name(self) -> str:
        """What errors call the list."""
        return self.key_frames.name

    def __len__(self) -> int:
        return len(self.key_frames)

    def __getitem__(self, key: ItemKey | int) -> ActorSample | Broken:
        if isinstance(key, int):
            key = ItemKey(epoch=0, index=key)
        sample = self.key_frames[key]
        if isinstance(sample, Broken):
            return sample
        seed = self.key_frames.seed if self.random else None
        return replace(sample, window=self.window(sample.video, sample.timestamp, key, seed))

    def window(self, video: str, timestamp: float, key: ItemKey, seed: int | None) -> Tensor:
        """Return the window of an item (S * P, C), as ``seed`` draws it; None draws nothing."""
        # the fifth number keeps the draw apart from those of frames and crops
        drawn = (seed or 0, key.epoch, key.index, 2 * key.turn, 1)
        return self.bank.window(
            video,
            int(np.floor(timestamp)),
            seconds=self.seconds,
            per_second=self.per_second,
            draw=None if seed is None else np.random.default_rng(drawn),
            as_stored=True,
        )

    def count_crowded(self) -> int:
        """Return in how many key frames' windows some second has more than P features."""
        count, key_frames = 0, self.key_frames.key_frames
        for video, places in key_frames.by_video().items():
            stored = self.bank.rows(video).seconds
            crowded = stored[self.per_second :][
                stored[self.per_second :] == stored[: -self.per_second]
            ]
            first = np.floor(key_frames.timestamps[places]) - self.seconds // 2
            within = np.searchsorted(crowded, first + self.seconds) > np.searchsorted(
                crowded, first
            )
            count += int(within.sum())
        return count


def find_unseen(key_frames: KeyFrames, bank: Bank) -> npt.NDArray[np.int64]:
    """Return the places of the key frames without a feature of their own second in the bank."""
    seconds = np.floor(key_frames.timestamps)
    unseen = [
        places[~np.isin(seconds[places], bank.rows(video).seconds)]
        for video, places in key_frames.by_video().items()
    ]
    return np.sort(np.concatenate(unseen))
