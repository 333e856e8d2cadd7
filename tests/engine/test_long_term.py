"""What a feature bank is for: labels that tell what was 5 to 20 seconds before.

The short form of ``python -m benchmarks long_term``: small videos, two epochs, and banks whose
features are the colours in the boxes. There, a detector makes them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from praxiscope.banks.fill import BankWriter
from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_actors import GLOW_GROUPS, GLOWS
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, Split, write_ava_dataset
from praxiscope.engine.testing import run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankWindows, Cosine, DetectionRecipe, Loader, Sgd

VIDEOS = ActorVideos(
    seconds=22, height=16, width=32, actors=1, glows=0.8, proposal_misses=0, false_proposals=0
)
WHOLE = BoxTransform(short_side=(16, 16), size=None, flip=0)
CHANNELS = 64


def write_bank(path: Path, data: AvaDatasetFiles, split: Split) -> Path:
    """Write how much of every person's box has the colours of glows, in the first channels."""
    rows: dict[str, tuple[list[int], list[np.ndarray]]] = {}
    size = np.array([VIDEOS.width, VIDEOS.height] * 2)
    for moment in read_key_frames(data.list(split)):
        second = int(moment.timestamp - VIDEOS.first_timestamp)
        scene = data.videos.scene(split, int(moment.video.rpartition("_")[2]))
        frame = scene.render(VIDEOS.key_times()[second]).astype(int)
        seconds, features = rows.setdefault(moment.video, ([], []))
        for x1, y1, x2, y2 in (moment.boxes * size).round().astype(int):
            box = frame[y1:y2, x1:x2]
            feature = np.zeros(CHANNELS, np.float32)
            for channel, colour in enumerate(GLOWS.values()):
                feature[channel] = 4 * (np.abs(box - colour).max(-1) < 60).mean()
            seconds.append(int(moment.timestamp))
            features.append(feature)
    writer = BankWriter(path, CHANNELS)
    for video, (seconds, features) in rows.items():
        writer.add(video, np.array(seconds), np.array(features))
    writer.finish()
    return path


def memory_precision(recipe: DetectionRecipe, folder: Path, seed: int) -> float:
    """Train; return the mean AP of what persons remember."""
    options = TrainOptions(validate=False, seed=seed)
    trained = run_training(recipe, folder, options)
    found = run_detection_test(trained.model, recipe).per_class
    return float(np.mean([found[name] for name in GLOW_GROUPS["memory"]]))


def with_and_without(folder: Path, seed: int = 0) -> tuple[float, float]:
    """Return the AP of the detector with a bank and of the one without."""
    data = write_ava_dataset(
        folder / "data", train_videos=18, val_videos=12, videos=replace(VIDEOS, seed=seed)
    )
    network = SlowOnly(depth=14, width=2, num_classes=len(VIDEOS.labels) + 1, dropout=0.0)
    without = DetectionRecipe(
        model=ActorDetector(network=network),
        clip=Clip(frames=1, stride=1),
        train=data.list("train"),
        val=data.list("val"),
        train_transform=WHOLE,
        test_transform=WHOLE,
        protocol="activitynet",
        optim=Sgd(lr=0.1, batch=8, clip_norm=2.0),
        schedule=Cosine(epochs=2, by_epoch=False),
        loader=Loader(videos_per_device=8, workers=0),
    )
    banks = BankWindows(
        train=write_bank(folder / "train.safetensors", data, "train"),
        val=write_bank(folder / "val.safetensors", data, "val"),
        seconds=40,
        per_second=1,
    )
    bank = replace(without, model=ActorDetector(network=network, bank="nonlocal"), bank=banks)
    return (
        memory_precision(bank, folder / "with", seed),
        memory_precision(without, folder / "without", seed),
    )


def test_a_detector_with_a_bank_tells_what_was_seconds_ago_and_the_same_without_does_not(
    tmp_path: Path,
) -> None:
    torch.set_num_threads(1)
    with_bank, without = with_and_without(tmp_path)
    assert with_bank > without + 0.1  # measured: 0.61 and 0.40
