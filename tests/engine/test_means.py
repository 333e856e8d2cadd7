"""The means of an epoch: weighted by videos, over all processes, of whatever was measured."""

import re
from types import SimpleNamespace
from typing import cast

import lightning
import numpy as np
import pytest
import torch

from praxiscope.engine import means
from praxiscope.engine.means import Means
from praxiscope.engine.progress import RunProgress

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


def test_progress_shows_what_there_is() -> None:
    module = SimpleNamespace(means=Means(), items="videos")
    trainer = SimpleNamespace(world_size=1)
    module.means.add("train/loss", 2.0, 4)
    progress = RunProgress()
    assert re.fullmatch(r"loss 2.000  [\d.]+ videos/s", progress._figures(trainer, module))
    module.means.add("train/top1_acc", 0.5, 4)
    assert "loss 2.000  top-1 0.500  " in progress._figures(trainer, module)
