"""Frozen stages, norms that stand still, and smoothed targets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.frozen import batch_norms, freeze
from praxiscope.engine.recognition import RecognitionModule, loss_of
from praxiscope.engine.training import TrainOptions, run_training
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import load_recipe
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.tiny import tiny_recipe

QUIET = TrainOptions(validate=False)
SLOWONLY = SlowOnly(num_classes=8, width=8, depth=14)
SLOWFAST = SlowFast(num_classes=8, width=16, depth=14, slow_stride=2, speed_ratio=2)


def frozen_names(model: Any, stages: int) -> set[str]:
    built = model.build()
    freeze(built, stages)
    return {name.rpartition(".")[0] for name, p in built.named_parameters() if not p.requires_grad}


def tops(names: set[str], depth: int) -> set[str]:
    return {".".join(name.split(".")[1:depth]) for name in names}


def test_frozen_stages_have_the_published_numbering() -> None:
    assert frozen_names(SLOWONLY, -1) == set()
    assert tops(frozen_names(SLOWONLY, 0), 2) == {"conv1"}
    assert tops(frozen_names(SLOWONLY, 2), 2) == {"conv1", "layer1", "layer2"}
    assert tops(frozen_names(SLOWONLY, 4), 2) == {"conv1", *(f"layer{i}" for i in (1, 2, 3, 4))}


def test_both_pathways_freeze_and_the_lateral_convolutions_into_frozen_stages() -> None:
    assert tops(frozen_names(SLOWFAST, 0), 3) == {"slow_path.conv1", "fast_path.conv1"}
    parts = {f"{path}_path.{name}" for path in ("slow", "fast") for name in ("conv1", "layer1")}
    assert tops(frozen_names(SLOWFAST, 1), 3) == parts | {"slow_path.conv1_lateral"}
    model = SLOWFAST.build()
    freeze(model, 4)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"cls_head.fc_cls.weight", "cls_head.fc_cls.bias"}


def weights(checkpoint: Path) -> dict[str, Tensor]:
    state = read_checkpoint_file(checkpoint)["state_dict"]
    assert isinstance(state, dict)
    return state


@pytest.mark.parametrize("model", [SLOWONLY, SLOWFAST], ids=["slowonly", "slowfast"])
def test_what_is_frozen_keeps_its_weights_and_statistics_and_the_rest_learns(
    motions: MotionDataset, tmp_path: Path, model: Any
) -> None:
    start = model.build().state_dict()
    torch.save({"state_dict": start}, tmp_path / "start.pth")
    recipe = tiny_recipe(motions, model=model, start=str(tmp_path / "start.pth"), frozen_stages=1)
    # validated after its first epoch: what Lightning does to modes there must not thaw anything
    trained = weights(run_training(recipe, tmp_path / "run").latest)
    still = {name for name in start if torch.equal(start[name], trained[name])}
    frozen = {name for name in start if is_in_first_stage(name)}
    assert frozen and frozen <= still
    statistics = {name for name in start if name.endswith("running_mean")}
    assert statistics & still == statistics & frozen


def is_in_first_stage(name: str) -> bool:
    names = [part for part in name.split(".") if part not in ("backbone", "slow_path", "fast_path")]
    return names[0] in ("conv1", "layer1", "conv1_lateral")


def test_with_norm_eval_statistics_stay_and_weights_learn(
    motions: MotionDataset, tmp_path: Path
) -> None:
    start = SLOWONLY.build().state_dict()
    torch.save({"state_dict": start}, tmp_path / "start.pth")
    recipe = tiny_recipe(motions, model=SLOWONLY, start=str(tmp_path / "start.pth"), norm_eval=True)
    trained = weights(run_training(recipe, tmp_path / "run").latest)
    for name, before in start.items():
        statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(before, trained[name]) == statistic, name


def test_calls_of_train_do_not_thaw(motions: MotionDataset) -> None:
    recipe = tiny_recipe(motions, model=SLOWONLY, frozen_stages=0, norm_eval=True)
    module = RecognitionModule(SLOWONLY.build(), recipe, base_lr=0.1, seed=0)
    module.setup("fit")
    for call in (module.train, module.eval, module.train):
        call()
        assert not any(norm.training for norm in batch_norms(module))
    assert module.model.training and module.model.cls_head.training
    module = RecognitionModule(
        SLOWONLY.build(), replace(recipe, norm_eval=False), base_lr=1, seed=0
    )
    module.train()
    assert sum(not norm.training for norm in batch_norms(module)) == 1


def test_the_optimiser_gets_what_learns_and_a_resumed_run_too(
    motions: MotionDataset, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, model=SLOWONLY, frozen_stages=4)
    latest = run_training(recipe, tmp_path, QUIET).latest
    checkpoint: Any = read_checkpoint_file(latest)
    (group,) = checkpoint["optimizer_states"][0]["param_groups"]
    assert len(group["params"]) == 2  # of the classifier
    again = run_training(recipe, tmp_path, TrainOptions(resume=tmp_path / "epoch_1.pth")).latest
    resumed = weights(again)
    assert all(torch.equal(t, resumed[name]) for name, t in weights(latest).items())


def test_smoothed_targets_are_a_mixture_with_the_uniform_distribution() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 4), torch.tensor([0, 3, 2, 1, 1])
    targets = torch.nn.functional.one_hot(labels, 4) * 0.9 + 0.1 / 4
    by_hand = -(targets * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss_of(logits, labels, 0.1), by_hand)
    torch.testing.assert_close(loss_of(logits, labels), torch.nn.CrossEntropyLoss()(logits, labels))


def test_smoothed_targets_of_several_labels_follow_the_same_rule() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 4), torch.tensor([[1.0, 0, 1, 0]] * 5)
    p = logits.sigmoid()
    targets = labels * 0.8 + 0.05
    by_hand = -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()
    torch.testing.assert_close(loss_of(logits, labels, 0.2), by_hand)


def test_the_example_recipe_trains_on_a_folder_with_everything_it_shows(
    motions: MotionDataset, workdir: Path
) -> None:
    for split in ("train", "test"):
        for line in motions.list_file(split).read_text().splitlines():
            name, label = line.rsplit(" ", 1)
            # three videos of some classes, one of others
            if split == "train" or int(label) < 4:
                target = workdir / "my_videos" / f"class_{label}" / f"{split}_{Path(name).name}"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to((motions.videos(split) / name).resolve())
    example, tiny = load_recipe("finetune_frozen"), tiny_recipe(motions)
    start = SLOWONLY.build().state_dict()
    torch.save({"state_dict": start}, "start.pth")
    recipe = replace(
        example,
        model=SLOWONLY,
        start="start.pth",
        clip=tiny.clip,
        train_transform=tiny.train_transform,
        val_views=tiny.val_views,
        test_views=tiny.test_views,
        loader=replace(example.loader, workers=0, videos_per_device=4),
        schedule=replace(example.schedule, epochs=1),
    )
    trained = run_training(recipe, workdir / "run")
    assert trained.metrics.keys() >= {"mean_class_accuracy"}
    state = weights(trained.latest)
    moved = {name for name in start if not torch.equal(start[name], state[name])}
    assert moved and all("layer4" in name or "cls_head" in name for name in moved)
    assert not any("running" in name for name in moved)
