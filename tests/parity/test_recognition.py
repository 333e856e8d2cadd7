"""The published networks, against the reference's own numbers under the same made-up weights."""

import gzip
import json
import re
from dataclasses import replace
from functools import cache
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
KINDS = {  # one of each kind: the others differ in the recipe, not in the network
    "slowonly_r50_8x8x1_256e_kinetics400_rgb",
    "slowonly_r50_4x16x1_256e_kinetics400_flow",
    "slowonly_imagenet_pretrained_r50_8x4x1_64e_hmdb51_rgb",
    "slowonly_imagenet_pretrained_r50_8x4x1_64e_sthv1_rgb",
    "slowonly_nl_embedded_gaussian_r50_4x16x1_150e_kinetics400_rgb",
    "slowonly_nl_embedded_gaussian_r50_8x8x1_150e_kinetics400_rgb",
    "slowonly_r101_8x8x1_196e_kinetics400_rgb",
    "slowfast_r50_4x16x1_256e_kinetics400_rgb",
    "slowfast_r50_8x8x1_256e_kinetics400_rgb",
    "slowfast_r101_r50_4x16x1_256e_kinetics400_rgb",
    "slowfast_r152_r50_4x16x1_256e_kinetics400_rgb",
}
FOLLOWED = {  # one of each way to train: flow, non-local blocks, two pathways
    "slowonly_r50_4x16x1_256e_kinetics400_flow",
    "slowonly_nl_embedded_gaussian_r50_4x16x1_150e_kinetics400_rgb",
    "slowfast_r50_4x16x1_256e_kinetics400_rgb",
}


def by_default(chosen: set[str]) -> list[Any]:
    return [
        pytest.param(name, marks=[] if name in chosen else pytest.mark.slow, id=name)
        for name in NAMES
    ]


def figures(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


@cache
def made_up_test(
    entry: Any, input_shape: tuple[int, ...]
) -> tuple[dict[str, list[int]], torch.Tensor]:
    """Return the shapes of a made-up network's state dict, and its logits in testing."""
    model = made_up.model(entry).eval()
    with torch.inference_mode():
        logits = model(made_up.clips(input_shape))
    return {k: list(v.shape) for k, v in model.state_dict().items()}, logits


# Biases before a norm or a softmax, which take them out again: their gradients are rounding noise.
NO_GRADIENT = re.compile(r"non_local_block\.(g|phi)\.0\.conv\.bias$")


def training_model(name: str, dtype: torch.dtype) -> Recognizer:
    """Return the made-up model of a recipe in training, dropout off."""
    model = made_up.model(load_recipe(name).model).to(dtype).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert isinstance(model, Recognizer)
    return model


def gradients(
    model: Recognizer, clips: torch.Tensor, labels: list[int]
) -> tuple[float, dict[str, float]]:
    """Return the loss, and the norm of each gradient, which stay in the model."""
    model.zero_grad()
    loss = nn.functional.cross_entropy(model(clips), torch.tensor(labels))
    loss.backward()
    norms = {k: float(p.grad.norm()) for k, p in model.named_parameters() if p.grad is not None}
    return loss.item(), norms


def compared(norms: dict[str, float]) -> dict[str, float]:
    return {name: norm for name, norm in norms.items() if not NO_GRADIENT.search(name)}


def normalized(reference: Any) -> torch.Tensor:
    """Return the clips as the reference saw them: normalised in float32."""
    channels = (-1, 1, 1, 1)
    mean, std = (torch.tensor(reference[k]).view(channels) for k in ("mean", "std"))
    return (made_up.clips(reference["input_shape"]).float() - mean) / std


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_logits_equal_the_reference(name: str) -> None:
    reference = figures(name)
    entry = replace(load_recipe(name).model, dropout=0.0)  # nothing in testing
    shapes, logits = made_up_test(entry, tuple(reference["input_shape"]))
    assert shapes == reference["state_dict"]
    torch.testing.assert_close(logits, torch.tensor(reference["logits"]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", by_default(KINDS))
def test_the_first_training_step_equals_the_reference(name: str) -> None:
    reference = figures(name)
    single, double = reference["float32"], reference["float64"]
    model = training_model(name, torch.float32)
    loss, norms = gradients(model, normalized(reference), reference["labels"])
    assert loss == pytest.approx(single["losses_steps_0_to_3"][0], rel=0, abs=1e-5)
    assert norms.keys() == single["grad_l2"].keys()
    exact = compared(double["grad_l2"])
    spread = {k: abs(single["grad_l2"][k] / v - 1) for k, v in exact.items()}
    error = {k: abs(norms[k] / v - 1) for k, v in exact.items()}
    assert max(error.values()) <= 10 * max(spread.values())


@pytest.mark.parametrize("name", sorted(KINDS - FOLLOWED))
def test_the_first_gradients_equal_the_reference_in_float64(name: str) -> None:
    # Of the others the three steps below begin with the same. What follows is the optimiser's.
    reference = figures(name)
    double = reference["float64"]
    model = training_model(name, torch.float64)
    loss, norms = gradients(model, normalized(reference).double(), reference["labels"])
    assert loss == pytest.approx(double["losses_steps_0_to_3"][0], rel=1e-6)
    assert compared(norms) == pytest.approx(compared(double["grad_l2"]), rel=1e-6)


@pytest.mark.parametrize("name", by_default(FOLLOWED))
def test_three_training_steps_follow_the_reference_in_float64(name: str) -> None:
    reference = figures(name)
    double, optim = reference["float64"], load_recipe(name).optim
    clips, labels = normalized(reference).double(), reference["labels"]
    model = training_model(name, torch.float64)
    assert optim.lr == reference["optimizer"]["lr"]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay
    )
    losses, totals = [], []
    for step in range(3):
        loss, norms = gradients(model, clips, labels)
        losses.append(loss)
        if step == 0:
            assert compared(norms) == pytest.approx(compared(double["grad_l2"]), rel=1e-6)
        totals.append(float(nn.utils.clip_grad_norm_(model.parameters(), optim.clip_norm)))
        optimizer.step()
    with torch.no_grad():
        losses.append(nn.functional.cross_entropy(model(clips), torch.tensor(labels)).item())
        logits = model.eval()(clips)
    assert losses == pytest.approx(double["losses_steps_0_to_3"], rel=1e-6)
    assert totals == pytest.approx(double["total_grad_norm_before_clip"], rel=1e-6)
    state = {k: float(v.double().norm()) for k, v in model.state_dict().items()}
    assert state == pytest.approx(double["state_l2_after_3_steps"], rel=1e-6)
    expected = torch.tensor(double["eval_logits_after_3_steps"], dtype=torch.float64)
    assert (logits - expected).abs().max() <= 1e-6 * expected.abs().max()
