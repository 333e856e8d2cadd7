"""The means of an epoch: weighted by videos, over all processes, of whatever was measured."""

from typing import cast

import lightning
import numpy as np
import pytest
import torch

from praxiscope.engine import means
from praxiscope.engine.means import Means

TRAINER = cast(lightning.Trainer, None)


def test_a_mean_counts_every_video_once() -> None:
    found = Means()
    found.add("loss", torch.tensor(1.0), 4)
    found.add("loss", torch.tensor(4.0), 1)
    assert dict(found) == {"loss": np.average([1.0, 4.0], weights=[4, 1])}


def test_processes_join_what_each_has_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Means()
    ours.add("loss", 2.0, 3)
    theirs = {"loss": (5.0, 1), "accuracy": (0.25, 1)}  # of a process with another list
    monkeypatch.setattr(means, "from_all", lambda trainer, part: [part, theirs, {}])
    joined = ours.of_all(TRAINER)
    assert dict(joined) == {"loss": np.average([2.0, 5.0], weights=[3, 1]), "accuracy": 0.25}
    assert joined.videos == {"loss": 4, "accuracy": 1}
