"""Every published schedule, against the rates that the reference's own schedulers gave."""

import json
from pathlib import Path
from typing import Any

import pytest

from praxiscope.engine.schedules import learning_rate
from praxiscope.recipe import Cosine, Step, load_recipe

STEPS_PER_EPOCH = 100
CASES = json.loads((Path(__file__).parent / "data/schedules.json").read_text())


def schedule_0x(case: dict[str, Any]) -> tuple[Cosine | Step, float]:
    """Translate a 0.x ``lr_config``."""
    config = case["lr_config"]
    common = {"epochs": case["total_epochs"], "warmup_epochs": config.get("warmup_iters", 0)}
    if config["policy"] == "step":
        return Step(milestones=tuple(config["step"]), **common), case["base_lr"]
    return Cosine(by_epoch=config.get("by_epoch", True), **common), case["base_lr"]


def schedule_1x(case: dict[str, Any]) -> tuple[Cosine | Step, float]:
    """Translate a 1.x ``param_scheduler``: a linear warm-up, then a cosine or steps."""
    warmup, main = case["param_scheduler"]
    common = {
        "epochs": case["max_epochs"],
        "warmup_epochs": warmup["end"],
        "warmup_ratio": warmup["start_factor"],
        "convention": "1.x",
    }
    lr = case["optim_wrapper"]["optimizer"]["lr"]
    per_step = warmup.get("convert_to_iter_based", False)
    if main["type"] == "CosineAnnealingLR":
        assert per_step and main["convert_to_iter_based"]
        return Cosine(by_epoch=False, **common), lr
    milestones = tuple(main["milestones"])
    return Step(milestones=milestones, warmup_by_epoch=not per_step, **common), lr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['generation']}-{case['config']}")
def test_a_published_schedule_gives_the_published_rates(case: dict[str, Any]) -> None:
    schedule, lr = schedule_0x(case) if case["generation"] == "v0" else schedule_1x(case)
    first = [learning_rate(schedule, lr, e * 100, STEPS_PER_EPOCH) for e in range(schedule.epochs)]
    last = [learning_rate(schedule, lr, e * 100 + 99, 100) for e in range(schedule.epochs)]
    early = case.get("first_200_iters_every_10th") or case["first_300_iters_every_10th"]
    steps = [learning_rate(schedule, lr, 10 * i, STEPS_PER_EPOCH) for i in range(len(early))]
    assert first == pytest.approx(case["lr_first_iter_of_epoch"], rel=1e-7, abs=1e-12)
    assert last == pytest.approx(case["lr_last_iter_of_epoch"], rel=1e-7, abs=1e-12)
    assert steps == pytest.approx(early, rel=1e-7)


def test_the_recipes_have_the_schedules_of_their_configs() -> None:
    slowfast = [case for case in CASES if case["config"].startswith("slowfast_r101_8x8x1")]
    schedule, lr = schedule_0x(slowfast[0])
    recipe = load_recipe("slowfast_r101_8x8x1_256e_kinetics400_rgb")
    assert (recipe.schedule, recipe.optim.lr) == (schedule, lr)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["generation"] == "v1"],
    ids=lambda case: case["config"],
)
def test_the_recipes_of_detection_have_the_schedules_of_their_configs(case: dict[str, Any]) -> None:
    recipe, (schedule, lr) = load_recipe(case["config"]), schedule_1x(case)
    assert (recipe.schedule, recipe.optim.lr) == (schedule, lr)
    assert recipe.optim.weight_decay == case["optim_wrapper"]["optimizer"]["weight_decay"]
    assert recipe.optim.clip_norm == case["optim_wrapper"]["clip_grad"]["max_norm"]


@pytest.mark.parametrize("warmup_epochs", [1, 34])
@pytest.mark.parametrize("convention", ["0.x", "1.x"])
def test_a_run_within_its_warmup_still_has_a_rate(convention: Any, warmup_epochs: int) -> None:
    schedule = Cosine(epochs=1, warmup_epochs=warmup_epochs, convention=convention)
    assert 0 < learning_rate(schedule, 0.1, 0, 3) < learning_rate(schedule, 0.1, 2, 3) <= 0.1
