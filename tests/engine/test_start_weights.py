"""A run that begins with the weights of an image network."""

import logging
from pathlib import Path

import pytest
import torch

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.errors import CheckpointError
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Sgd
from tests.models.test_inflate import resnet2d
from tests.tiny import tiny_recipe


def test_a_run_begins_with_inflated_weights_and_says_what_they_are(
    motions: MotionDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = resnet2d()
    torch.save(weights, tmp_path / "resnet.pth")
    recipe = tiny_recipe(
        motions,
        model=SlowOnly(depth=14, num_classes=8, width=8),
        start=str(tmp_path / "resnet.pth"),
        optim=Sgd(lr=1e-30, batch=4),
        schedule=Cosine(epochs=1),
    )
    with caplog.at_level(logging.INFO):
        trained = run_training(recipe, tmp_path / "run", TrainOptions(validate=False))
    kernel = trained.model.get_parameter("backbone.layer3.0.conv1.conv.weight").double()
    torch.testing.assert_close(kernel.sum(2), weights["layer3.0.conv1.weight"], check_dtype=False)
    assert f"2-D weights from {tmp_path}/resnet.pth (torch zip)" in caplog.text
    assert "layer3.0.conv1.weight 32x64x1x1 -> backbone.layer3.0.conv1.conv.weight" in caplog.text
    assert "cls_head.fc_cls.weight 8x256" in caplog.text


def test_a_half_downloaded_file_stops_a_run_before_it_begins(
    motions: MotionDataset, tmp_path: Path
) -> None:
    path = tmp_path / "resnet50-0676ba61.pth"
    torch.save(resnet2d(depth=50), path)
    path.write_bytes(path.read_bytes()[:100_000])
    recipe = tiny_recipe(motions, start=str(path))
    with pytest.raises(CheckpointError, match="resnet50-0676ba61.pth is a damaged or refused"):
        run_training(recipe, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.pth"))
