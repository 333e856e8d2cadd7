"""The recipes of feature banks, against what the reference's own stored under made-up weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from praxiscope import create_model
from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.models.detector import Detector
from tests.parity import made_up
from tests.parity.test_detection import BANK_RECIPES, boxes, figures, made_up_model


@pytest.fixture(scope="module", params=sorted(BANK_RECIPES))
def name(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="module")
def model(name: str) -> Detector:
    made = made_up_model(BANK_RECIPES[name].model)
    assert isinstance(made, Detector)
    return made.eval()


@pytest.fixture(scope="module")
def features(name: str, model: Detector) -> Tensor:
    with torch.inference_mode():
        return model.person_features(made_up.clips(figures(name)["input_shape"]), boxes())


def test_the_network_is_the_published_one(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == figures(name)["state_dict"]


def test_probabilities_equal_the_reference(name: str, model: Detector) -> None:
    reference = figures(name)
    with torch.inference_mode():
        found = model(made_up.clips(reference["input_shape"]), boxes()).sigmoid()
    expected = torch.tensor([row for of_clip in reference["probabilities"] for row in of_clip])
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-5)


def test_features_of_persons_equal_the_reference(name: str, features: Tensor) -> None:
    reference = figures(name)["features"]
    first = torch.tensor([one["float32_first16"] for one in reference])
    assert features.shape == (len(first), 2048)
    torch.testing.assert_close(features[:, :16], first, rtol=0, atol=5e-5)
    norms = [one["float32_l2"] for one in reference]
    assert features.double().norm(dim=1).tolist() == pytest.approx(norms, rel=1e-6)


def test_a_bank_has_them_where_the_reference_stored_them(
    name: str, features: Tensor, tmp_path: Path
) -> None:
    reference = figures(name)
    stored, recipe = reference["stored"], BANK_RECIPES[name]
    assert recipe.dtype == reference["dtype"]
    path = tmp_path / recipe.path.name
    writer = BankWriter(path, recipe.model.feature_channels, recipe.dtype)
    moments = [one["moment"].split(",") for one in reference["features"]]
    for video in stored:
        mine = [row for row, (owner, _) in enumerate(moments) if owner == video]
        writer.add(video, np.array([int(moments[row][1]) for row in mine]), features[mine].numpy())
    bank = writer.finish(stored)
    assert {video: counts(bank, video) for video in bank.videos()} == stored
    rows = np.concatenate([bank.rows(video).features for video in stored])  # in the boxes' order
    first = np.array([one["first16"] for one in reference["features"]], np.float16)
    np.testing.assert_array_less(abs(rows[:, :16] - first), np.spacing(first) * 1.01)
    norms, means = (np.array([one[k] for one in reference["features"]]) for k in ("l2", "mean"))
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(exact, axis=1), norms, rtol=1e-5)
    np.testing.assert_allclose(exact.mean(1), means, rtol=1e-5)


def counts(bank: Bank, video: str) -> dict[str, int]:
    seconds, numbers = np.unique(bank.rows(video).seconds, return_counts=True)
    return {
        str(second): number
        for second, number in zip(seconds.tolist(), numbers.tolist(), strict=True)
    }
