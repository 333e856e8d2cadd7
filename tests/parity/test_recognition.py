"""The published networks, against the reference's own numbers under the same made-up weights."""

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from praxiscope.models.recognizer import Recognizer
from praxiscope.recipe import load_recipe
from tests.parity import made_up

DATA = Path(__file__).parent / "data"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in DATA.glob("*.json.gz"))
TRAINED = {  # one of each kind: the others differ in the recipe, not in the network
    "slowonly_r50_8x8x1_256e_kinetics400_rgb",
    "slowonly_r50_4x16x1_256e_kinetics400_flow",
    "slowonly_r101_8x8x1_196e_kinetics400_rgb",
    "slowonly_r50_video_8x8x1_256e_kinetics600_rgb",
    "slowfast_r50_4x16x1_256e_kinetics400_rgb",
    "slowfast_r50_8x8x1_256e_kinetics400_rgb",
    "slowfast_r101_r50_4x16x1_256e_kinetics400_rgb",
    "slowfast_r101_8x8x1_256e_kinetics400_rgb",
    "slowfast_r152_r50_4x16x1_256e_kinetics400_rgb",
}


def figures(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


@lru_cache(maxsize=1)
def made_up_model(entry: Any) -> Recognizer:
    model = made_up.fill(entry.build())
    assert isinstance(model, Recognizer)
    return model


def recognizer(name: str) -> Recognizer:
    return made_up_model(load_recipe(name).model)


def first_step(name: str, dtype: torch.dtype) -> tuple[float, dict[str, float]]:
    """Return the loss of the first training step, dropout off, and each gradient's norm."""
    reference = figures(name)
    model = made_up.fill(load_recipe(name).model.build()).to(dtype).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    logits = model(normalized(reference).to(dtype))
    loss = nn.functional.cross_entropy(logits, torch.tensor(reference["labels"]))
    loss.backward()
    return loss.item(), {k: float(p.grad.norm()) for k, p in model.named_parameters()}


def normalized(reference: Any) -> torch.Tensor:
    """Return the clips as the reference saw them: normalised in float32."""
    channels = (-1, 1, 1, 1)
    mean, std = (torch.tensor(reference[k]).view(channels) for k in ("mean", "std"))
    return (made_up.clips(reference["input_shape"]).float() - mean) / std


@pytest.mark.parametrize("name", NAMES)
def test_a_published_state_dict_has_exactly_our_names_and_shapes(name: str) -> None:
    ours = {k: list(v.shape) for k, v in recognizer(name).state_dict().items()}
    assert ours == figures(name)["state_dict"]


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_the_reference(name: str) -> None:
    reference = figures(name)
    model = recognizer(name).eval()
    with torch.inference_mode():
        logits = model(made_up.clips(reference["input_shape"]))
    torch.testing.assert_close(logits, torch.tensor(reference["logits"]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_the_first_training_step_equals_the_reference(name: str) -> None:
    reference = figures(name)
    single, double = reference["float32"], reference["float64"]
    loss, norms = first_step(name, torch.float32)
    assert loss == pytest.approx(single["losses_steps_0_to_3"][0], rel=0, abs=1e-5)
    assert norms.keys() == single["grad_l2"].keys()
    spread = {k: abs(single["grad_l2"][k] / v - 1) for k, v in double["grad_l2"].items()}
    error = {k: abs(norms[k] / v - 1) for k, v in double["grad_l2"].items()}
    assert max(error.values()) <= 10 * max(spread.values())


@pytest.mark.parametrize("name", sorted(TRAINED))
def test_the_first_training_step_equals_the_reference_in_float64(name: str) -> None:
    double = figures(name)["float64"]
    loss, norms = first_step(name, torch.float64)
    assert loss == pytest.approx(double["losses_steps_0_to_3"][0], rel=1e-8)
    assert norms == pytest.approx(double["grad_l2"], rel=1e-6)
