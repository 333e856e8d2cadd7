"""The recipes against the facts of the published detection configs of the 1.x generation.

``detection.json.gz`` holds, for each of the 24 configs, the merged values that its runs used. The
mean of a feature bank (``lfb-avg``) has a config of the 0.x generation alone, identical to that of
the maximum but for the operator: its values are those of the maximum's 1.x config with the other
operator.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import WHOLE_FRAME, BoxTransform
from praxiscope.data.catalog import ava, ava_kinetics
from praxiscope.models.conventions import RGB
from praxiscope.models.detector import ActorDetector
from praxiscope.models.losses import ActorLoss
from praxiscope.models.resnet3d import BLOCKS
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import (
    BankWindows,
    Cosine,
    DetectionRecipe,
    Step,
    find_recipe,
    load_recipe,
)
from praxiscope.zoo.cards import cards
from praxiscope.zoo.download import expected_digest

CONFIGS: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "detection.json.gz").read_bytes())
)
every_config = pytest.mark.parametrize("name", sorted(CONFIGS))


def loaded(name: str) -> tuple[DetectionRecipe, Any]:
    return load_recipe(name, kind=DetectionRecipe), CONFIGS[name]


def test_every_row_is_here() -> None:
    paths = {card.config_path for card in cards() if card.row > 37}
    mean = "slowonly-lfb-avg_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb"
    assert paths | {f"configs/detection/lfb/{mean}.py"} == {c["path"] for c in CONFIGS.values()}


@every_config
def test_a_recipe_lies_at_its_published_path(name: str) -> None:
    assert find_recipe(name).as_posix().endswith(CONFIGS[name]["path"])


@every_config
def test_the_backbone_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    network, backbone = recipe.model.network, config["backbone"]
    if isinstance(network, SlowOnly):
        assert backbone["type"] == "ResNet3dSlowOnly"
        after = network.non_local.after if network.non_local else ((),) * 4
        places = [
            [int(block in stage) for block in range(count)]
            for stage, count in zip(after, BLOCKS[network.depth], strict=True)
        ]
        assert network.depth == backbone["depth"]
        assert places == backbone.get("non_local", [[0] * count for count in BLOCKS[network.depth]])
        if network.non_local:
            settings = backbone["non_local_cfg"]
            assert network.non_local.pairwise == settings["mode"]
            assert network.non_local.sub_sample == settings["sub_sample"]
            assert network.non_local.scale == settings["use_scale"]
        strides = [backbone["spatial_strides"]]
    else:
        assert isinstance(network, SlowFast)
        slow, fast = backbone["slow_pathway"], backbone["fast_pathway"]
        assert (network.depth, network.fast_depth or network.depth) == (
            slow["depth"],
            fast["depth"],
        )
        assert network.slow_stride == backbone["resample_rate"]
        assert network.speed_ratio == backbone["speed_ratio"]
        assert network.channel_ratio == backbone["channel_ratio"]
        assert network.lateral_frames == slow.get("fusion_kernel", 5)
        strides = [slow["spatial_strides"], fast["spatial_strides"]]
    assert all(stages == [1, 2, 2, 1] for stages in strides)  # as ActorDetector always has them


@every_config
def test_the_head_and_its_loss_are_the_published_ones(name: str) -> None:
    recipe, config = loaded(name)
    head, extractor = config["roi_head"]["bbox_head"], config["roi_head"]["bbox_roi_extractor"]
    shared_head = config["roi_head"].get("shared_head", {})
    bank = shared_head.get("fbo_cfg", {}).get("type")
    assert recipe.model == ActorDetector(
        network=recipe.model.network,
        context=extractor.get("with_global", False),
        temporal_pool=extractor.get("temporal_pool_mode", "avg"),
        hidden_layer=head.get("mlp_head", False),
        acrn=shared_head.get("type") == "ACRNHead",
        bank="nonlocal" if bank == "non_local" else bank,
    )
    assert recipe.model.num_classes == head["num_classes"]
    assert recipe.model.network.dropout == head["dropout_ratio"]
    assert recipe.loss == ActorLoss(
        alpha=head.get("focal_alpha", 1.0), gamma=head.get("focal_gamma", 0.0)
    )


@pytest.mark.parametrize("name", [name for name in sorted(CONFIGS) if "-lfb-" in name])
def test_the_feature_bank_is_read_as_published(name: str) -> None:
    recipe, config = loaded(name)
    shared_head = config["roi_head"]["shared_head"]
    banks, operator = shared_head["lfb_cfg"], shared_head["fbo_cfg"]
    folder = Path(banks["lfb_prefix_path"])
    train, val = (folder / f"lfb_{mode}.safetensors" for mode in banks["dataset_modes"])
    assert recipe.bank == BankWindows(
        train=train,
        val=val,
        checkpoint="https://download.openmmlab.com/mmaction/detection/ava/"
        "slowonly_kinetics_pretrained_r50_4x16x1_20e_ava_rgb/"
        "slowonly_kinetics_pretrained_r50_4x16x1_20e_ava_rgb_20201217-40061d5f.pth",
        seconds=banks["window_size"],
        per_second=banks["max_num_sampled_feat"],
    )
    assert recipe.bank.checkpoint and expected_digest(recipe.bank.checkpoint) == "40061d5f"
    assert recipe.bank.slots == operator["num_lt_feat"]
    assert recipe.model.feature_channels == banks["lfb_channels"] == operator["lt_feat_channels"]
    with torch.device("meta"):
        head = recipe.model.build().roi_head.bbox_head
    assert isinstance(head.fc_cls, torch.nn.Linear)
    assert head.fc_cls.in_features == config["roi_head"]["bbox_head"]["in_channels"]


@every_config
def test_boxes_to_train_on_are_chosen_as_published(name: str) -> None:
    recipe, config = loaded(name)
    assigner, sampler = config["train_assign"]["assigner"], config["train_assign"]["sampler"]
    assert recipe.box_limit == sampler["num"]
    assert {recipe.box_threshold} == {
        assigner[k] for k in ("pos_iou_thr", "neg_iou_thr", "min_pos_iou")
    }
    assert sampler["pos_fraction"] == 1


@every_config
def test_clips_and_transforms_are_the_published_ones(name: str) -> None:
    recipe, config = loaded(name)
    for split in ("train", "val", "test"):
        clip = config["data"][split]["clip"]
        assert (recipe.clip.frames, recipe.clip.stride) == (
            clip["clip_len"],
            clip["frame_interval"],
        )
    (_, rescale), (_, crop), (_, flip) = config["data"]["train"]["steps"]
    assert recipe.train_transform == BoxTransform(
        short_side=tuple(rescale["scale_range"]), size=crop["size"], flip=flip["flip_ratio"]
    )
    assert config["data"]["val"]["steps"] == [["Resize", {"scale": [-1, 256]}]]
    assert recipe.test_transform == WHOLE_FRAME
    assert WHOLE_FRAME.short_side == (256, 256)


@every_config
def test_pixels_are_normalised_as_published(name: str) -> None:
    recipe, config = loaded(name)
    assert recipe.model.channels == 3
    assert config["normalise"] == {"mean": list(RGB.mean), "std": list(RGB.std)}


@every_config
def test_the_lists_are_where_the_published_configs_have_them(name: str) -> None:
    recipe, config = loaded(name)
    assert recipe.test is None
    lists = ((recipe.train, "train"), (recipe.val, "val"), (recipe.val, "test"))
    for ours, published in ((ours, config["data"][split]) for ours, split in lists):
        assert files(ours) == {
            "ann_file": published["ann_file"],
            "exclude_file": published["exclude_file"],
            "label_file": published["label_file"],
            "proposal_file": published["proposal_file"],
            "img": published["data_prefix"]["img"],
        }
        assert ours.min_score == published.get("person_det_score_thr", 0.9)
        assert (ours.kind, published["decode"]) == ("frames", "frame images")
        assert ours.num_classes == config["roi_head"]["bbox_head"]["num_classes"]
        assert ours.convention == "1.x"
        mixed = published["dataset"] == "AVAKineticsDataset"
        assert (ours.trimmed, ours.late) == ((True, -1) if mixed else (False, 1))
    counted = {k: v for k, v in files(recipe.val).items() if k in config["evaluate"]}
    least = config["evaluate"].get("action_thr", 0.002)
    assert {"type": "AVAMetric", **counted} == {
        name: value for name, value in config["evaluate"].items() if name != "action_thr"
    }
    assert recipe.min_score == least
    assert (recipe.protocol, recipe.metrics) == ("reference-1.x", ("mAP",))


@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_films_can_be_read_instead_of_their_images(version: Any) -> None:
    name = f"slowfast-acrn_kinetics400-pretrained-r50_8xb8-8x8x1-cosine-10e_ava{version}-rgb"
    documented = "train.kind=video train.root=data/ava/videos_15min"
    options = [*documented.split(), *documented.replace("train", "val").split()]
    recipe = load_recipe(name.replace(version, version[0] + version[2]), options)
    assert recipe.train == ava("train", version, "video")
    assert recipe.val == ava("val", version, "video")
    assert ava_kinetics("train", "video").root == Path("data/ava_kinetics/videos")


def files(listed: AvaList) -> dict[str, str]:
    return {
        "ann_file": str(listed.annotations),
        "exclude_file": str(listed.excluded),
        "label_file": str(listed.label_map),
        "proposal_file": str(listed.proposals),
        "img": str(listed.root),
    }


@every_config
def test_the_optimiser_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    optim, published = recipe.optim, config["optimizer"]
    assert {
        "type": "SGD",
        "lr": optim.lr,
        "momentum": optim.momentum,
        "weight_decay": optim.weight_decay,
    } == published
    assert {"max_norm": optim.clip_norm, "norm_type": 2} == config["grad_clip"]
    assert recipe.loader.videos_per_device == config["batch_size_per_gpu"]
    assert optim.batch == 8 * config["batch_size_per_gpu"]
    scaled = config.get("auto_scale_lr", {"base_batch_size": optim.batch})  # ACRN has none
    assert scaled["base_batch_size"] == optim.batch
    assert recipe.validate_every == 1


@every_config
def test_the_schedule_is_the_published_one(name: str) -> None:
    recipe, config = loaded(name)
    schedule = recipe.schedule
    warmup, main = config["schedule"]
    assert (schedule.epochs, schedule.convention) == (config["epochs"], "1.x")
    assert (schedule.warmup_epochs, schedule.warmup_ratio) == (
        warmup["end"],
        warmup["start_factor"],
    )
    per_step = warmup.get("convert_to_iter_based", False)
    if isinstance(schedule, Step):
        assert (schedule.warmup_by_epoch, main["type"]) == (not per_step, "MultiStepLR")
        assert (list(schedule.milestones), schedule.gamma) == (main["milestones"], main["gamma"])
    else:
        assert isinstance(schedule, Cosine)
        assert main["type"] == "CosineAnnealingLR"
        assert per_step
        assert main["convert_to_iter_based"]
        assert not schedule.by_epoch
        assert (schedule.min_lr, main["begin"]) == (main["eta_min"], schedule.warmup_epochs)


@every_config
def test_training_starts_from_the_published_weights(name: str) -> None:
    recipe, config = loaded(name)
    addresses = {card.name: card.checkpoint_url for card in cards()}
    assert recipe.start is not None
    assert addresses.get(recipe.start, recipe.start) == config["initialise_from"]


@every_config
def test_the_docstring_has_the_command_and_what_was_published(name: str) -> None:
    path = CONFIGS[name]["path"]
    docstring = find_recipe(name).read_text().split('"""')[1]
    published = {card.mean_ap for card in cards() if card.config_path == path}
    for part in (
        f"Run:       python tools/train.py\n               {path}\n",
        "Protocol:",
        "Cost:",
    ):
        assert part in docstring
    words = "".join(f"{mean_ap:.2f} mAP." for mean_ap in published) or "no accuracy"
    assert f"Published: {words}" in docstring
    assert "arXiv" in docstring
