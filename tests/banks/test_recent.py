"""A bank of the last seconds, beside a stored one of the same features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.banks.recent import RecentFeatures

CHANNELS = 3


def features_of(seconds: list[int]) -> dict[int, torch.Tensor]:
    """Of none to seven persons a second, in numbers that halves do not have."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 8, len(seconds))
    made = [torch.from_numpy(rng.normal(size=(n, CHANNELS)).astype(np.float32)) for n in sizes]
    return dict(zip(seconds, made, strict=True))


def stored(path: Path, features: dict[int, torch.Tensor]) -> Bank:
    writer = BankWriter(path, CHANNELS)
    seconds = [np.full(len(some), second) for second, some in features.items()]
    writer.add("video", np.concatenate(seconds), torch.cat(list(features.values())).numpy())
    return writer.finish()


@pytest.mark.parametrize(("seconds", "per_second"), [(6, 2), (7, 5), (1, 1), (60, 5)])
def test_windows_are_those_of_a_stored_bank(tmp_path: Path, seconds: int, per_second: int) -> None:
    features = features_of([*range(12), *range(14, 20), 35, 36, 90, 91])
    bank = stored(tmp_path / "bank.safetensors", features)
    recent = RecentFeatures(CHANNELS, seconds, per_second)
    ahead = seconds - seconds // 2 - 1
    compared = 0
    for now in range(95):
        if now in features:
            recent.add(now, features[now])
        expected, past = (
            bank.window("video", second, seconds=seconds, per_second=per_second)
            for second in (now - ahead, now)
        )
        assert torch.equal(recent.window(now - ahead), expected)  # of which nothing is to come
        past[(seconds // 2 + 1) * per_second :] = 0
        assert torch.equal(recent.window(now), past)
        compared += bool(expected.any()) + bool(past.any())
    assert compared > 30


def test_no_more_is_kept_than_windows_need() -> None:
    recent = RecentFeatures(CHANNELS, seconds=4, per_second=2)
    for second in range(100):
        recent.add(second, torch.ones(50, CHANNELS))
        kept = recent._features
        assert sum(len(some) for some in kept.values()) <= 4 * 2
    assert list(kept) == [96, 97, 98, 99]
    assert {some.untyped_storage().nbytes() for some in kept.values()} == {2 * CHANNELS * 2}
