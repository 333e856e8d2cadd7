"""A walk over the published rows: recipe, network, one step of training, one test pass."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from praxiscope.data.lists import VideoList
from praxiscope.engine.testing import ScoreOptions, run_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Recipe, configs_folder, load_recipe
from praxiscope.zoo.cards import Card, cards
from tests.data.make_videos import write_video

FIGURES = Path(__file__).parents[1] / "parity/data"
ROWS = [card for card in cards() if card.row <= 37]  # recognition; the rest are detection
WITH_RECIPE = [card for card in ROWS if card.config_path is not None]
FRAMES, HEIGHT, WIDTH = 12, 256, 320  # short side 256, as some published lists have it


def row_id(card: Card) -> str:
    return f"{card.row}-{card.config}"


def test_the_rows_of_recognition_are_all_there() -> None:
    assert [card.row for card in ROWS] == list(range(1, 38))
    (fusion,) = (card for card in ROWS if card.config_path is None)
    assert fusion.row == 23  # the sum of the scores of rows 21 and 22


@pytest.mark.parametrize("card", WITH_RECIPE, ids=row_id)
def test_the_recipe_of_a_row_builds_the_published_network(card: Card) -> None:
    assert card.config_path is not None
    recipe = load_recipe(card.config_path)
    with torch.device("meta"):
        model = recipe.model.build()
    name = card.config.replace("_omnisource", "")  # printed without a config: the same network
    published = json.loads(gzip.decompress((FIGURES / f"{name}.json.gz").read_bytes()))
    assert {k: list(v.shape) for k, v in model.state_dict().items()} == published["state_dict"]


def pipeline(recipe: Recipe) -> tuple[Any, ...]:
    """Return what decides how a video reaches the network, without the names of files."""
    videos = recipe.train
    kinds = tuple((source.videos.kind, source.videos.template) for source in recipe.auxiliary)
    return (
        (videos.kind, videos.template, videos.flip_pairs, kinds),
        (recipe.clip, recipe.train_transform, recipe.val_views, recipe.test_views),
    )


def one_of_each_pipeline() -> list[str]:
    paths = sorted((configs_folder() / "recognition").rglob("*.py"))
    named = {pipeline(load_recipe(path)): path.stem for path in reversed(paths)}
    return sorted(named.values())


@pytest.mark.parametrize("name", one_of_each_pipeline())
def test_a_row_trains_a_step_and_tests_a_video(name: str, workdir: Path) -> None:
    recipe = small(load_recipe(name))
    for videos in (recipe.train, recipe.val, *(source.videos for source in recipe.auxiliary)):
        write_videos(videos)
    trained = run_training(recipe, workdir / "run", TrainOptions())
    assert 0 <= trained.metrics["top1_acc"] <= 1
    tested = run_test(trained.model, recipe, ScoreOptions())
    scores = tested.scored.scores
    assert scores.shape == (1, recipe.model.num_classes)
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def small(recipe: Recipe) -> Recipe:
    """Return the recipe with a small network and one step: its data is what is tried."""
    if isinstance(recipe.model, SlowFast):
        model: SlowFast | SlowOnly = replace(recipe.model, depth=14, fast_depth=14, width=8)
    else:
        model = replace(recipe.model, depth=14, width=8, non_local=None)
    return replace(
        recipe,
        model=model,
        start=None,
        schedule=replace(recipe.schedule, epochs=1),
        loader=replace(recipe.loader, videos_per_device=2, workers=0),
        auxiliary=tuple(replace(source, videos_per_device=1) for source in recipe.auxiliary),
        test_views=replace(recipe.test_views, clips=2),
        validate_every=1,
    )


def write_videos(videos: VideoList) -> None:
    """Write a list of the published form and what it names: 2 to train on, or 1 to test."""
    assert videos.annotations is not None
    folders = ["some class/a", "some class/b"] if videos.split == "train" else ["some class/c"]
    lines = []
    for label, folder in enumerate(folders):
        path = videos.root / folder
        path.parent.mkdir(parents=True, exist_ok=True)
        match videos.kind:
            case "video":
                write_video(path.with_suffix(".mp4"), FRAMES, size=(HEIGHT, WIDTH))
                lines.append(f"{folder}.mp4 {label}")
            case "image":
                write_image(path.with_suffix(".jpg"), (HEIGHT, WIDTH, 3))
                lines.append(f"{folder}.jpg {label}")
            case "parts":
                path.mkdir()
                write_video(path / "part_1.mp4", FRAMES, size=(HEIGHT, WIDTH))
                entry = {"video_dir": folder, "label": label}
                lines.append(json.dumps({**entry, "num_clips": 2, "positive_clip_inds": [1]}))
            case "frames" | "flow":
                write_images(path, videos)
                lines.append(f"{folder} {FRAMES} {label}")
    videos.annotations.parent.mkdir(parents=True, exist_ok=True)
    if videos.label_map:
        names = [f"class {number}" for number in range(videos.num_classes)]
        videos.label_map.write_text("\n".join(names))
    as_json = videos.annotations.suffix == ".json"
    videos.annotations.write_text(f"[{','.join(lines)}]" if as_json else "\n".join(lines))


def write_images(folder: Path, videos: VideoList) -> None:
    folder.mkdir()
    template = videos.template or {"flow": "{}_{:05d}.jpg", "frames": "img_{:05d}.jpg"}[videos.kind]
    for number in range(1, FRAMES + 1):
        if videos.kind == "flow":
            write_image(folder / template.format("x", number), (HEIGHT, WIDTH))
            write_image(folder / template.format("y", number), (HEIGHT, WIDTH))
        else:
            write_image(folder / template.format(number), (HEIGHT, WIDTH, 3))


def write_image(path: Path, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    assert cv2.imwrite(str(path), image)
