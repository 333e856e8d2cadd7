"""Detectors with a feature bank: what every person sees of the minute around."""

from dataclasses import replace

import pytest
import torch

from praxiscope.errors import PraxiscopeError, RecipeError
from praxiscope.models.bank_ops import BankNonLocal
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly

NETWORK = SlowOnly(depth=14, width=8, num_classes=4)
CHANNELS = 256


@pytest.mark.parametrize("bank", ["nonlocal", "max", "avg"])
def test_every_person_of_a_clip_reads_the_window_of_their_clip(bank: str) -> None:
    entry = ActorDetector(network=NETWORK, bank=bank)  # type: ignore[arg-type]
    model = entry.build().eval()
    clips = torch.randn(1, 3, 2, 32, 32).expand(3, -1, -1, -1, -1)
    box = torch.tensor([[2.0, 2, 28, 30]])
    windows = torch.randn(3, 10, CHANNELS)
    with torch.inference_mode():
        logits = model(clips, [box.repeat(2, 1), box[:0], box], windows)
    assert logits.shape == (3, 4)
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])  # another window


def test_a_bank_without_windows_and_windows_without_a_bank_are_refused() -> None:
    plain = ActorDetector(network=NETWORK)
    clips, boxes = torch.randn(1, 3, 2, 32, 32), [torch.tensor([[2.0, 2, 28, 30]])]
    with pytest.raises(PraxiscopeError, match="reads a feature bank: give it windows"):
        replace(plain, bank="max").build()(clips, boxes)
    with pytest.raises(PraxiscopeError, match="reads no feature bank: leave out"):
        plain.build()(clips, boxes, torch.zeros(1, 10, CHANNELS))
    reader = replace(plain, bank="max").build()
    for shape in ((2, 10, CHANNELS), (1, 10, CHANNELS - 1), (10, CHANNELS), (1, 0, CHANNELS)):
        with pytest.raises(
            PraxiscopeError, match=r"expected windows .* of 1 clips and 256 channel"
        ):
            reader(clips, boxes, torch.zeros(shape))
    with pytest.raises(RecipeError, match="drop context and acrn"):
        ActorDetector(network=NETWORK, bank="max", context=True)


def test_attention_does_not_see_the_order_of_the_slots_but_the_empty_ones() -> None:
    reader = BankNonLocal(CHANNELS, 16).eval()
    persons, window = torch.randn(1, CHANNELS), torch.randn(1, 6, CHANNELS)
    boxes = [torch.zeros(1, 4)]
    with torch.inference_mode():
        read = reader(persons, window, boxes)
        turned = reader(persons, window.flip(1), boxes)
        more = reader(persons, torch.cat((window, torch.zeros(1, 4, CHANNELS)), dim=1), boxes)
    torch.testing.assert_close(read, turned)
    assert not torch.allclose(read, more)
