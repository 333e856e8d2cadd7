"""Filling a feature bank, beside the network alone on clips in memory, and beside random access."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch

from benchmarks.timing import Row, side_by_side
from praxiscope import load_recipe
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.synthetic import write_video
from praxiscope.engine.bank_filling import fill_bank
from praxiscope.models.detector import Detector
from praxiscope.recipe import BankRecipe
from praxiscope.types import ActorSample, Frame

RECIPE = "slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb"
VIDEOS, SECONDS, FPS, HEIGHT, WIDTH = 2, 12, 30, 360, 640
PERSONS = ((0.1, 0.2, 0.4, 0.9), (0.5, 0.1, 0.9, 0.8), (0.3, 0.3, 0.6, 0.95))
RUNS = 3


def filling() -> Iterator[Row]:
    """Fill a bank with SlowOnly R50 from h264 videos of 640 x 360 at 30 frames a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = load_recipe(RECIPE, ["dataset_mode=val"], kind=BankRecipe)
        ava = _write(folder)
        recipe = replace(recipe, train=ava, val=ava)
        dataset = AvaDataset(ava, recipe.clip, recipe.test_transform, training=False)
        places = list(dataset.key_frames.by_video().values())
        count = f"{len(dataset)} key frames"
        yield side_by_side(
            f"decode {count}",
            "each by itself",
            lambda: [list(dataset.in_order(own.tolist())) for own in places],
            lambda: [dataset[place] for place in range(len(dataset))],
            runs=RUNS,
        )
        model = recipe.model.build().eval()
        samples = [dataset[place] for place in range(len(dataset))]
        filled, alone, shares = [], [], []
        for run in range(RUNS):
            path = folder / f"{run}.safetensors"
            begin = time.perf_counter()
            found = fill_bank(model, recipe, path, metadata={})
            filled.append(len(dataset) / (time.perf_counter() - begin))
            shares.append(found.model_share)
            begin = time.perf_counter()
            _look(model, samples)
            alone.append(len(dataset) / (time.perf_counter() - begin))
        peer = "the network alone, clips in memory"
        yield Row(f"fill a bank of {count}", peer, median(filled), median(alone), "/s")
        yield Row("share of the time in the network", "all of it", median(shares), 1.0, "")


def _look(model: Detector, samples: Sequence[object]) -> None:
    with torch.inference_mode():
        for sample in samples:
            assert isinstance(sample, ActorSample)
            model.person_features(sample.clip[None], [sample.proposals])


def _write(folder: Path) -> AvaList:
    random = np.random.default_rng(0)
    lines = []
    for number in range(VIDEOS):
        write_video(folder / f"video{number}.mp4", _pan(random), fps=FPS, gop=250)
        for second in range(1, SECONDS):
            for person, box in enumerate(PERSONS):
                numbers = ",".join(map(str, box))
                lines.append(f"video{number},{900 + second:04d},{numbers},1,{person}\n")
    (folder / "list.csv").write_text("".join(lines))
    return AvaList(root=folder, annotations=folder / "list.csv", kind="video", fps=FPS)


def _pan(random: np.random.Generator) -> Iterator[Frame]:
    coarse = random.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), dtype=np.uint8)
    texture = cv2.resize(coarse, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for left in range(SECONDS * FPS):
        yield np.ascontiguousarray(texture[:, left : left + WIDTH], dtype=np.uint8)
