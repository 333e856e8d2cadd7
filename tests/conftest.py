"""Small real data that many tests share, made once a session."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from praxiscope.data.synthetic import MotionDataset, MotionVideos, write_motion_dataset


@pytest.fixture(scope="session", autouse=True)
def _one_thread_a_test_process() -> None:
    torch.set_num_threads(1)  # the suite runs on as many processes as there are cores


@pytest.fixture(scope="session", autouse=True)
def _processes_share_what_they_load() -> None:
    # Else, if the first of them are no loaders' workers, every worker of a loader loads torch.
    multiprocessing.set_forkserver_preload(["praxiscope.data.recognition"])


@pytest.fixture(scope="session")
def motions(tmp_path_factory: pytest.TempPathFactory) -> MotionDataset:
    """24 h264 videos of 8 motions, 16 to train on and 8 to test: small, as all of them are decoded.

    Most of what a tiny run costs is their decoding.
    """
    root = tmp_path_factory.mktemp("motions")
    small = MotionVideos(frames=36, height=48, width=64)
    return write_motion_dataset(root, train_per_class=2, test_per_class=1, videos=small)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
