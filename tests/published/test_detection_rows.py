"""A walk over the published rows of detection: recipe, network, one step of training, one test."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from praxiscope.banks.fill import BankWriter
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import BoxTransform
from praxiscope.engine.testing import run_detection_test
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowfast import SlowFast
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.zoo.cards import Card, cards
from praxiscope.zoo.create import load_model
from tests.parity import made_up
from tests.parity.test_detection import RECIPES, figures

ROWS = [card for card in cards() if card.row > 37]
FRAMES, HEIGHT, WIDTH = 40, 60, 80
LABELS = (1, 12, 80)
TRAINING = ["ab_cd-f_hij", "ab_cd-f_hij_000012_000022"]
VALIDATION = ["kl_mn-o_pqr", "st_uv-w_xyz"]  # one detection alone would always be the best


def row_id(card: Card) -> str:
    return f"{card.row}-{card.config}"


def recipe_of(card: Card) -> DetectionRecipe:
    assert card.config_path is not None
    return load_recipe(card.config_path, kind=DetectionRecipe)


def test_the_rows_of_detection_are_all_there() -> None:
    assert [card.row for card in ROWS] == list(range(38, 63))
    assert [card.row for card in ROWS if recipe_of(card).bank] == [40, 41]


@pytest.mark.parametrize("card", ROWS, ids=row_id)
def test_the_recipe_of_a_row_builds_the_published_network(card: Card) -> None:
    with torch.device("meta"):
        model = recipe_of(card).model.build()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == figures(card.config)["state_dict"]


def pipeline(recipe: DetectionRecipe) -> tuple[Any, ...]:
    """Return what decides how a key frame reaches the network, without the names of files."""
    ava = recipe.train
    return recipe.clip, ava.kind, ava.template, ava.trimmed, ava.late, bool(recipe.bank)


def one_of_each_pipeline() -> list[str]:
    return sorted({pipeline(RECIPES[name]): name for name in sorted(RECIPES)}.values())


@pytest.mark.parametrize("name", one_of_each_pipeline())
def test_a_recipe_trains_a_step_and_tests_what_it_has_trained(name: str, workdir: Path) -> None:
    recipe = replace(one_step(RECIPES[name]), model=small(RECIPES[name].model), start=None)
    write_ava(recipe.train, TRAINING)
    write_ava(recipe.val, VALIDATION)
    write_banks(recipe)
    trained = run_training(recipe, workdir / "run", TrainOptions())
    model, report = load_model(recipe.model, trained.latest)
    assert (report.missing, report.unexpected) == ((), ())
    tested = run_detection_test(model, recipe)
    assert tested.metrics == pytest.approx(trained.metrics)
    assert [(f.video, f.timestamp, f.scores.shape) for f in tested.frames] == [
        (video, 901, (1, 81)) for video in VALIDATION
    ]
    assert set(tested.per_class) == {f"class {label}" for label in LABELS}


@pytest.mark.slow
@pytest.mark.parametrize("card", ROWS, ids=row_id)
def test_a_row_trains_a_step_from_published_weights_and_tests(card: Card, workdir: Path) -> None:
    published = made_up.fill(recipe_of(card).model.build()).state_dict()
    assert {k: list(v.shape) for k, v in published.items()} == figures(card.config)["state_dict"]
    torch.save({"meta": {}, "state_dict": published}, workdir / "published.pth")
    recipe = replace(one_step(recipe_of(card)), start="published.pth")
    write_ava(recipe.train, TRAINING)
    write_ava(recipe.val, VALIDATION)
    write_banks(recipe)
    trained = run_training(recipe, workdir / "run", TrainOptions())
    moved = [name for name, p in trained.model.named_parameters() if not p.equal(published[name])]
    assert any(name.startswith("backbone.") for name in moved)
    assert any(name.startswith("roi_head.") for name in moved)
    model, report = load_model(recipe.model, workdir / "published.pth")
    assert (report.matched, report.missing, report.unexpected) == (len(published), (), ())
    tested = run_detection_test(model, recipe)
    assert 0 <= tested.metrics["mAP@0.5IOU"] <= 1
    shutil.rmtree(workdir / "run")  # with the published file, hundreds of MB a row
    (workdir / "published.pth").unlink()


def one_step(recipe: DetectionRecipe) -> DetectionRecipe:
    """Return the recipe with one step, on small frames."""
    return replace(
        recipe,
        train_transform=BoxTransform(short_side=(64, 80), size=64),
        test_transform=BoxTransform(short_side=(64, 64), size=None, flip=0),
        schedule=replace(recipe.schedule, epochs=1),
        loader=replace(recipe.loader, videos_per_device=2, workers=0),
        checkpoint_every=1,
    )


def small(model: Any) -> Any:
    """Return a detector's entry with a small network."""
    network = model.network
    if isinstance(network, SlowFast):
        return replace(model, network=replace(network, depth=14, fast_depth=14, width=8))
    return replace(model, network=replace(network, depth=14, width=8, non_local=None))


def write_ava(ava: AvaList, videos: list[str]) -> None:
    """Write a list of the published form and the images it names; one person in a video."""
    assert ava.excluded is not None
    assert ava.label_map is not None
    assert ava.proposals is not None
    lines, proposals = [], {}
    for place, video in enumerate(videos):
        span = ava.span(video)
        write_images(ava.root / video, seed=place)
        moment = f"{int(span.first) + 1:04d}"
        lines += [f"{video},{moment},0.1,0.2,0.6,0.9,{label},{place}" for label in LABELS[place:]]
        proposals[f"{span.of},{moment}"] = np.array([[0.1, 0.2, 0.6, 0.88, 0.95]])
    ava.annotations.parent.mkdir(parents=True, exist_ok=True)
    ava.annotations.write_text("\n".join(lines))
    ava.excluded.write_text(f"{videos[0]},0999\n")
    items = [f'item {{ name: "class {label}" id: {label} }}' for label in LABELS]
    ava.label_map.write_text("\n".join(items))
    ava.proposals.write_bytes(pickle.dumps(proposals))


def write_banks(recipe: DetectionRecipe) -> None:
    """Write the banks that a recipe reads from, if any; two persons in the seconds of a clip."""
    if recipe.bank is None:
        return
    channels = recipe.model.feature_channels
    for path, videos in ((recipe.bank.train, TRAINING), (recipe.bank.val, VALIDATION)):
        writer = BankWriter(path, channels)
        for place, video in enumerate(videos):
            made = np.random.default_rng(place).random((4, channels), np.float32)
            writer.add(video, np.array([901, 901, 902, 902]), made)
        writer.finish()


def write_images(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    image = np.random.default_rng(seed).integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert cv2.imwrite(str(folder / "img_00001.jpg"), image)
    for number in range(2, FRAMES + 1):
        os.link(folder / "img_00001.jpg", folder / f"img_{number:05d}.jpg")
