"""Parameters and multiply-adds; the published networks' figures are the reference's own."""

import math

import pytest
import torch
from torch import nn

from praxiscope.models.complexity import Complexity, complexity
from praxiscope.models.conv3d import FactorisedConv3d
from praxiscope.models.resnet3d import ConvBn3d
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import load_recipe
from praxiscope.zoo.cards import card

GMACS_PER_VIEW = {  # at the recipe's frames and test crop, printed to four decimals
    "slowfast_r101_8x8x1_256e_kinetics400_rgb": 126.3166,
    "slowfast_r101_r50_4x16x1_256e_kinetics400_rgb": 64.6205,
    "slowfast_r152_r50_4x16x1_256e_kinetics400_rgb": 90.9942,
    "slowfast_r50_4x16x1_256e_kinetics400_rgb": 36.0992,
    "slowfast_r50_8x8x1_256e_kinetics400_rgb": 65.7089,
    "slowonly_imagenet_pretrained_r50_8x4x1_64e_hmdb51_rgb": 54.5177,
    "slowonly_imagenet_pretrained_r50_8x4x1_64e_sthv1_rgb": 53.5931,
    "slowonly_imagenet_pretrained_r50_8x8x1_64e_jester_rgb": 54.5176,
    "slowonly_k400_pretrained_r50_8x4x1_40e_ucf101_rgb": 54.5178,
    "slowonly_nl_embedded_gaussian_r50_4x16x1_150e_kinetics400_rgb": 43.0973,
    "slowonly_nl_embedded_gaussian_r50_8x8x1_150e_kinetics400_rgb": 96.3943,
    "slowonly_r101_8x8x1_196e_kinetics400_rgb": 111.5609,
    "slowonly_r50_4x16x1_256e_kinetics400_flow": 27.0541,
    "slowonly_r50_4x16x1_256e_kinetics400_rgb": 27.2596,
    "slowonly_r50_8x8x1_256e_kinetics400_flow": 54.1073,
    "slowonly_r50_8x8x1_256e_kinetics400_rgb": 54.5184,
    "slowonly_r50_video_8x8x1_256e_kinetics600_rgb": 54.5188,
    "slowonly_r50_video_8x8x1_256e_kinetics700_rgb": 54.5190,
}


def test_the_cards_say_what_the_reference_says() -> None:
    # That these are the figures of our networks is held by tests/zoo/test_cards.py, for each card.
    assert {name: card(name).gmacs_per_view for name in GMACS_PER_VIEW} == GMACS_PER_VIEW


@pytest.mark.parametrize(
    "name",
    [
        "slowfast_r50_4x16x1_256e_kinetics400_rgb",
        "slowonly_nl_embedded_gaussian_r50_4x16x1_150e_kinetics400_rgb",
        "slowonly_r50_4x16x1_256e_kinetics400_flow",
    ],
)
def test_multiply_adds_of_a_test_view_equal_the_reference(name: str) -> None:
    recipe = load_recipe(name)
    with torch.device("meta"):
        model = recipe.model.build()
    size = recipe.test_views.size
    found = complexity(model, (1, recipe.model.channels, recipe.clip.frames, size, size))
    assert round(found.gmacs, 4) == GMACS_PER_VIEW[name]
    shapes = [parameter.shape for parameter in model.parameters()]
    assert found.parameters == sum(math.prod(shape) for shape in shapes)


def test_a_convolution_and_a_linear_layer_are_counted_by_hand() -> None:
    conv = FactorisedConv3d(3, 5, (1, 3, 3), (1, 2, 2))
    assert complexity(conv, (2, 3, 4, 8, 8)) == Complexity(
        parameters=5 * 3 * 9, gmacs=2 * 4 * 4 * 4 * 5 * 3 * 9 / 1e9
    )
    assert complexity(nn.Linear(7, 11), (2, 7)) == Complexity(7 * 11 + 11, 2 * 7 * 11 / 1e9)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = SlowOnly(num_classes=4, width=8, depth=14).build().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = complexity(model, (1, 3, 4, 32, 32))
    assert found.gmacs > 0
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, before[name]), name


def test_a_shape_that_the_network_cannot_take_is_an_error() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        complexity(ConvBn3d(3, 4, (1, 1, 1)), (1, 2, 4, 8, 8))
