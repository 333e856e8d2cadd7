"""The published detectors, against the reference's own numbers under the same made-up weights."""

import copy
import gzip
import json
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from praxiscope.models.box_sampling import assign, iou, sample_boxes
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.recipe import BankRecipe, DetectionRecipe, configs_folder, load_recipe
from tests.parity import made_up

DATA = Path(__file__).parent / "data" / "detection"
KINDS = {  # one of each network, with each loss somewhere; the others are slow tests
    "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb",
    "slowonly_kinetics400-pretrained-r101_8xb16-8x8x1-20e_ava21-rgb",
    "slowonly_kinetics400-pretrained-r50-nl_8xb16-4x16x1-20e_ava21-rgb",
    "slowonly_k700-pre-r50-context_8xb8-8x8x1-10e_ava-kinetics-rgb",
    "slowonly_k700-pre-r50-context-temporal-max-nl-head_8xb8-8x8x1-focal-10e_ava-kinetics-rgb",
    "slowfast_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb",
    "slowfast_kinetics400-pretrained-r50-context_8xb16-4x16x1-20e_ava21-rgb",
    "slowfast_r50-k400-pre-temporal-max-focal-alpha3-gamma1_8xb6-8x8x1-cosine-10e_ava22-rgb",
    "slowfast-acrn_kinetics400-pretrained-r50_8xb8-8x8x1-cosine-10e_ava21-rgb",
    "slowonly-lfb-nl_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb",
    "slowonly-lfb-max_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb",
    "slowonly-lfb-avg_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb",
}
LOADED = {
    path.stem: load_recipe(path)
    for path in sorted((configs_folder() / "detection").rglob("slow*.py"))
}
RECIPES = {name: one for name, one in LOADED.items() if isinstance(one, DetectionRecipe)}
BANK_RECIPES = {name: one for name, one in LOADED.items() if isinstance(one, BankRecipe)}
# Those with the same network follow each other.
NAMES = [
    pytest.param(name, marks=[] if name in KINDS else pytest.mark.slow, id=name)
    for name in sorted(RECIPES, key=lambda name: (repr(RECIPES[name].model), name))
]
# Biases before a norm or a softmax, which take them out again: their gradients are rounding noise.
NO_GRADIENT = re.compile(
    r"non_local_block\.(g|phi)\.0\.conv\.bias$|non_local_layer_\d\.lt_feat_conv\.conv\.bias$"
)


def figures(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return a published name: module-wide, so that all tests of one follow each other."""
    assert isinstance(request.param, str)
    return request.param


@lru_cache(maxsize=1)
def made_up_model(entry: ActorDetector) -> nn.Module:
    made: nn.Module = made_up.model(entry)
    return made


def detector(name: str, dtype: torch.dtype = torch.float32) -> Detector:
    """Return a copy of the made-up model of a published name, dropout off."""
    model = copy.deepcopy(made_up_model(RECIPES[name].model))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert isinstance(model, Detector)
    return model.to(dtype)


def boxes(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.tensor(of_clip, dtype=dtype) for of_clip in figures("common")["boxes"]]


def windows(name: str, dtype: torch.dtype = torch.float32) -> Tensor | None:
    """Return 60 seconds x 5 made-up features around each clip, zeros where nobody was."""
    if RECIPES[name].model.bank is None:
        return None
    common = figures("common")
    made = np.zeros((2, 60, 5, 2048), np.float32)
    for window, key_frame in zip(made, common["key_frames"], strict=True):
        video, timestamp = key_frame.split(",")
        for slots, second in zip(
            window, range(int(timestamp) - 30, int(timestamp) + 30), strict=True
        ):
            count = common["bank_counts"][video].get(str(second), 0)
            seed = zlib.crc32(f"lfb/{video}/{second}".encode())
            slots[:count] = 2 * made_up.uniform(seed, count * 2048).reshape(count, 2048) - 1
    return torch.from_numpy(made).reshape(2, 300, 2048).to(dtype)


def targets() -> Tensor:
    rows = [classes for of_clip in figures("common")["classes"] for classes in of_clip]
    made = torch.zeros(len(rows), 81)
    for row, classes in zip(made, rows, strict=True):
        row[classes] = 1
    return made


def normalized(reference: Any, dtype: torch.dtype) -> Tensor:
    """Return the clips as the reference saw them: normalised in float32."""
    channels = (-1, 1, 1, 1)
    mean, std = (torch.tensor(reference[k]).view(channels) for k in ("mean", "std"))
    return ((made_up.clips(reference["input_shape"]).float() - mean) / std).to(dtype)


def gradients(model: Detector, loss: Tensor) -> dict[str, float]:
    """Return the norm of each gradient; the gradients stay in the model."""
    model.zero_grad()
    loss.backward()
    return {k: float(p.grad.norm()) for k, p in model.named_parameters() if p.grad is not None}


def compared(norms: dict[str, float]) -> dict[str, float]:
    return {name: norm for name, norm in norms.items() if not NO_GRADIENT.search(name)}


def test_every_detection_recipe_has_its_figures() -> None:
    files = {path.name.removesuffix(".json.gz") for path in DATA.glob("slow*.json.gz")}
    assert files == RECIPES.keys() | BANK_RECIPES.keys()
    assert RECIPES.keys() > KINDS


def test_logits_equal_the_reference(name: str) -> None:
    reference = figures(name)
    model = detector(name).eval()
    with torch.inference_mode():
        logits = model(made_up.clips(reference["input_shape"]), boxes(), windows(name))
    expected = torch.tensor([row for of_clip in reference["logits"] for row in of_clip])
    torch.testing.assert_close(logits, expected, rtol=0, atol=5e-5)


def test_the_first_training_step_equals_the_reference(name: str) -> None:
    reference, loss = figures(name), RECIPES[name].loss
    single, double = reference["float32"], reference["float64"]
    model = detector(name).train()
    logits = model(normalized(reference, torch.float32), boxes(), windows(name))
    one_less = targets()
    one_less[1] = 0
    without = loss(logits, one_less)
    assert without.item() == pytest.approx(single["loss_without_one_label"], rel=0, abs=1e-5)
    value = loss(logits, targets())
    assert value.item() == pytest.approx(single["loss"], rel=0, abs=1e-5)
    norms = gradients(model, value)
    assert norms.keys() == single["grad_l2"].keys()
    exact = compared(double["grad_l2"])
    spread = {k: abs(single["grad_l2"][k] / v - 1) for k, v in exact.items()}
    error = {k: abs(norms[k] / v - 1) for k, v in exact.items()}
    assert max(error.values()) <= 10 * max(spread.values())


@pytest.mark.slow
def test_three_training_steps_follow_the_reference_in_float64(name: str) -> None:
    reference, loss = figures(name), RECIPES[name].loss
    double = reference["float64"]
    clips, settings = normalized(reference, torch.float64), reference["optimizer"]
    model = detector(name, torch.float64).train()
    bank = windows(name, torch.float64)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=settings["lr"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
    )
    losses, totals = [], []
    for step in range(3):
        value = loss(model(clips, boxes(torch.float64), bank), targets())
        losses.append(value.item())
        norms = gradients(model, value)
        if step == 0:
            assert compared(norms) == pytest.approx(compared(double["grad_l2"]), rel=1e-6)
        clipped = nn.utils.clip_grad_norm_(model.parameters(), reference["clip_norm"])
        totals.append(float(clipped))
        optimizer.step()
    with torch.no_grad():
        losses.append(loss(model(clips, boxes(torch.float64), bank), targets()).item())
    assert losses == pytest.approx(double["losses"], rel=1e-6)
    assert totals == pytest.approx(double["total_grad_norm_before_clip"], rel=1e-6)


def test_proposals_meet_the_persons_that_the_reference_gives_them() -> None:
    reference = figures("assigner")
    proposals, truth = (torch.tensor(reference[k]) for k in ("proposals", "gt_xyxy"))
    owner = assign(proposals, truth, 0.9)
    assert (owner + 1).tolist() == reference["assigned_gt_1based"][len(truth) :]
    overlaps = torch.tensor(reference["max_overlaps"][len(truth) :])
    torch.testing.assert_close(iou(proposals, truth).amax(1), overlaps, rtol=0, atol=1e-6)


def test_boxes_to_train_on_equal_the_reference() -> None:
    reference = figures("assigner")
    chosen = reference["sampler"]
    labels = torch.zeros(3, 81)
    for row, classes in zip(labels, reference["gt_classes"], strict=True):
        row[classes] = 1
    taken, wanted = sample_boxes(
        torch.tensor(reference["proposals"]), torch.tensor(reference["gt_xyxy"]), labels
    )
    assert taken.tolist() == torch.tensor(chosen["pos_priors"] + chosen["neg_priors"]).tolist()
    classes = [row.nonzero()[:, 0].tolist() for row in wanted]
    assert classes == chosen["target_classes_pos_then_neg"]
