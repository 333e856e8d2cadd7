"""The recipes against the facts of the published recognition configs of the 0.x generation.

``configs.json.gz`` holds, for each of the 29 configs, the merged values that its runs used.
"""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.lists import VideoList
from praxiscope.data.transforms import Views
from praxiscope.models.conventions import FLOW, RGB
from praxiscope.models.recognizer import Recognizer
from praxiscope.models.resnet3d import BLOCKS
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Recipe, Step, find_recipe, load_recipe

CONFIGS: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "configs.json.gz").read_bytes())
)
EXPLAINED_FLIPS = {"slowonly_imagenet_pretrained_r50_8x4x1_64e_sthv1_rgb"}
every_config = pytest.mark.parametrize("name", sorted(CONFIGS))


def loaded(name: str) -> tuple[Recipe, Any]:
    return load_recipe(name), CONFIGS[name]


@every_config
def test_a_recipe_lies_at_its_published_path(name: str) -> None:
    assert find_recipe(name).as_posix().endswith(CONFIGS[name]["path"])


@every_config
def test_the_network_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    model, backbone = recipe.model, config["backbone"]
    assert (model.num_classes, model.dropout) == (config["num_classes"], config["dropout"])
    if isinstance(model, SlowOnly):
        assert (model.depth, model.channels) == (backbone["depth"], backbone.get("in_channels", 3))
        assert model.stem_pool == backbone.get("with_pool1", True)
        places = [[int(i in after) for i in range(n)] for after, n in non_local_places(model)]
        assert places == backbone.get("non_local", [[0] * n for n in BLOCKS[model.depth]])
    else:
        slow, fast = backbone["slow_pathway"], backbone["fast_pathway"]
        assert (model.depth, model.fast_depth or model.depth) == (slow["depth"], fast["depth"])
        assert model.slow_stride == backbone["resample_rate"]
        assert model.speed_ratio == backbone["speed_ratio"]
        assert model.channel_ratio == backbone["channel_ratio"]
        assert model.lateral_frames == slow.get("fusion_kernel", 5)


def non_local_places(model: SlowOnly) -> list[tuple[tuple[int, ...], int]]:
    after = model.non_local.after if model.non_local else ((),) * 4
    return list(zip(after, BLOCKS[model.depth], strict=True))


@every_config
def test_the_clips_and_views_are_the_published_ones(name: str) -> None:
    recipe, config = loaded(name)
    for split in ("train", "val", "test"):
        clip = (config[split]["frames"], config[split]["stride"])
        assert (recipe.clip.frames, recipe.clip.stride) == clip
    assert recipe.clip.sampling == "strided"
    train = config["train"]
    assert train["random_resized_crop"] and train["clips"] == 1
    assert recipe.train_transform.short_side == train.get("short_side")
    assert (recipe.train_transform.size, recipe.train_transform.flip) == (
        train["size"],
        train["flip"],
    )
    assert recipe.average == config["average"]
    for views, published in (
        (recipe.val_views, config["val"]),
        (recipe.test_views, config["test"]),
    ):
        assert views == Views(
            clips=published["clips"],
            crops=published["crops"],
            size=published["size"],
            short_side=published.get("short_side"),
            clip_starts="0.x",
        )


@every_config
def test_pixels_are_normalised_as_published(name: str) -> None:
    recipe, config = loaded(name)
    expected = FLOW if recipe.model.channels == 2 else RGB
    assert [list(expected.mean), list(expected.std)] == [
        config["test"]["mean"],
        config["test"]["std"],
    ]
    model = replace(recipe.model, width=8).build()
    assert isinstance(model, Recognizer)
    assert model.mean.flatten().tolist() == pytest.approx(expected.mean)


@every_config
def test_the_lists_are_where_the_published_configs_have_them(name: str) -> None:
    recipe, config = loaded(name)
    for videos, split in ((recipe.train, "train"), (recipe.val, "val"), (recipe.test, "test")):
        published = config[split]
        videos = videos or recipe.val
        assert (str(videos.annotations), str(videos.root)) == (published["list"], published["root"])
        assert (videos.kind == "video") == (published["dataset"] == "VideoDataset")
        assert image_names(videos) == (published["template"] or "img_{:05}.jpg").replace(
            "05d", "05"
        )


def image_names(videos: VideoList) -> str:
    usual = {"flow": "{}_{:05}.jpg", "frames": "img_{:05}.jpg", "video": "img_{:05}.jpg"}
    return (videos.template or usual[videos.kind]).replace("05d", "05")


@every_config
def test_flips_exchange_the_published_labels(name: str) -> None:
    recipe, config = loaded(name)
    pairs = recipe.train.flip_pairs
    published = {int(a): b for a, b in config["train"]["flip_labels"].items()}
    if name in EXPLAINED_FLIPS:  # its config forgot them, as the recipe's docstring says
        assert pairs and not published
        return
    assert {**dict(pairs), **{b: a for a, b in pairs}} == published


@every_config
def test_the_optimiser_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    optim, published = recipe.optim, config["optimizer"]
    assert (optim.lr, optim.momentum, optim.weight_decay) == (
        published["lr"],
        published["momentum"],
        published["weight_decay"],
    )
    assert optim.clip_norm == config["clip_norm"]
    assert recipe.loader.videos_per_device == config["videos_per_gpu"]
    assert optim.batch == 8 * config["videos_per_gpu"]
    assert list(recipe.metrics) == config["metrics"]
    assert recipe.validate_every == config["validate_every"]


@every_config
def test_the_schedule_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    schedule, published = recipe.schedule, config["schedule"]
    assert schedule.epochs == config["epochs"]
    assert schedule.warmup_epochs == published.get("warmup_iters", 0)
    assert schedule.convention == "0.x"
    if published["policy"] == "step":
        assert isinstance(schedule, Step)
        assert list(schedule.milestones) == published["step"]
    else:
        assert isinstance(schedule, Cosine)
        assert schedule.by_epoch == published.get("by_epoch", True)


@every_config
def test_training_starts_from_the_published_weights(name: str) -> None:
    recipe, config = loaded(name)
    if config["start"] is None:
        assert recipe.start is None
    elif config["start"].startswith("torchvision://"):
        assert recipe.start == "imagenet"
    else:
        assert config["start"].endswith(f"/{recipe.start}.pth")


@every_config
def test_the_docstring_has_the_command_and_what_was_published(name: str) -> None:
    docstring = find_recipe(name).read_text().split('"""')[1]
    for part in ("Run:", f"{name}.py", "Published:", "Protocol:", "Cost:", "arXiv"):
        assert part in docstring


def test_slowfast_of_every_published_depth_is_among_them() -> None:
    models = [load_recipe(name).model for name in CONFIGS]
    pairs = {(m.depth, m.fast_depth or m.depth) for m in models if isinstance(m, SlowFast)}
    assert pairs == {(50, 50), (101, 50), (101, 101), (152, 50)}
