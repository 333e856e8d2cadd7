"""Small banks that the tests share, and windows by plain Python."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import BankType, Rows, write_layout

CHANNELS = 4
Counts = Mapping[str, Mapping[int, int]]  # video -> second -> persons


def rows_of(counts: Mapping[int, int], seed: int, dtype: BankType = "float16") -> Rows:
    seconds = [second for second, number in sorted(counts.items()) for _ in range(number)]
    random = np.random.default_rng(seed)
    features = random.normal(size=(len(seconds), CHANNELS)).astype(dtype)
    return Rows(np.array(seconds, np.int32), features)


def write_bank(
    path: Path,
    counts: Counts,
    dtype: BankType = "float16",
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> Bank:
    rows = {video: rows_of(of_one, n, dtype) for n, (video, of_one) in enumerate(counts.items())}
    write_layout(
        path, rows, rows.__getitem__, channels=CHANNELS, dtype=dtype, metadata=metadata
    )  # fmt: skip
    return Bank(path)


def window_by_hand(
    bank: Bank, video: str, second: int, seconds: int, per_second: int
) -> tuple[npt.NDArray[np.float32], list[list[list[float]]]]:
    """Return the window where no second has too many; and what each second of it stores."""
    window = np.zeros((seconds, per_second, bank.channels), np.float32)
    stored: list[list[list[float]]] = []
    for s in range(seconds):
        now = second - seconds // 2 + s
        pairs = zip(*(column.tolist() for column in bank.rows(video)), strict=True)
        stored.append([feature for when, feature in pairs if when == now])
        for place, feature in enumerate(stored[-1][:per_second]):
            window[s, place] = feature
    return window.reshape(seconds * per_second, -1), stored
