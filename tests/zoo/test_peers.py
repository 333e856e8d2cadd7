"""Files written by the code bases themselves, in processes of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from praxiscope.data.sampling import Clip
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo.weights import load_checkpoint

HERE = Path(__file__).parent


def run(script: str, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(HERE / script), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("mmengine") is None, reason="mmengine is not installed")
def test_a_file_that_mmengine_writes_loads_whole(tmp_path: Path) -> None:
    run("peer_mmengine.py", tmp_path)
    model = SlowOnly(depth=14, width=8, num_classes=2).build()
    report = load_checkpoint(model, tmp_path / "epoch_1.pth", clip=Clip(frames=8, stride=8))
    expected = torch.load(tmp_path / "state.pth")
    found = model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert (report.missing, report.unexpected) == ((), ())
    assert report.class_names == ("clap", "wave")
    (warning,) = report.warnings  # from the configuration in the file
    assert "trained on clips of 4 frames, one every 16" in warning


@pytest.mark.skipif(find_spec("pytorchvideo") is None, reason="pytorchvideo is not installed")
def test_networks_of_pytorchvideo_give_the_same_logits_here(tmp_path: Path) -> None:
    run("peer_pytorchvideo.py", tmp_path)
    expected = torch.load(tmp_path / "logits.pth")
    clip = expected["clip"]
    slowfast = SlowFast(num_classes=400, slow_stride=4, speed_ratio=4)
    for name, entry, clips in (
        ("slowfast", slowfast, clip),
        ("slow", SlowOnly(num_classes=400), clip[:, :, :8]),
    ):
        model = entry.build().eval()
        report = load_checkpoint(model, tmp_path / f"{name}.pyth")
        assert (report.missing, report.unexpected) == ((), ())
        model.cls_head.window = 2  # as the peer was built, so that small clips do
        with torch.inference_mode():
            logits = model(clips)
        torch.testing.assert_close(logits, expected[name], rtol=1e-5, atol=1e-6)
