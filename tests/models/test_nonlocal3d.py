"""Non-local blocks against the paper's equations, written out pair by pair."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from praxiscope.errors import RecipeError
from praxiscope.models.conv3d import channels_last
from praxiscope.models.nonlocal3d import NonLocal, NonLocalBlock, Pairwise
from praxiscope.models.resnet3d import Bottleneck3d
from praxiscope.models.slowonly import SlowOnly

CHANNELS = 6


def random_block(pairwise: Pairwise, *, sub_sample: bool, scale: bool) -> NonLocalBlock:
    torch.manual_seed(0)
    block = NonLocalBlock(CHANNELS, pairwise, sub_sample=sub_sample, scale=scale).double().eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


def written_out(block: NonLocalBlock, x: Tensor, *, scale: bool) -> Tensor:
    """Return y of Eq. 1 at every cell, one pair of cells at a time, then z of Eq. 6."""
    theta, phi, g = (embed(x)[0].flatten(1).T for embed in (block.theta, block.phi, block.g))
    y = torch.zeros(len(theta), g.shape[1], dtype=x.dtype)
    for i, cell in enumerate(theta):
        pairs = torch.stack([affinity(block, cell, other, scale=scale) for other in phi])
        if block.pairwise.endswith("gaussian"):  # C(x) is the sum of f
            weights = pairs.exp() / pairs.exp().sum()
        else:  # C(x) is the number of cells
            weights = pairs / len(phi)
        y[i] = (weights[:, None] * g).sum(0)
    return x + block.conv_out(y.T.reshape(1, -1, *x.shape[2:]))


def affinity(block: NonLocalBlock, cell: Tensor, other: Tensor, *, scale: bool) -> Tensor:
    if block.pairwise == "concatenation":
        return torch.relu(block.concat_project.conv.weight.flatten() @ torch.cat((cell, other)))
    product = cell @ other
    embedded = block.pairwise == "embedded_gaussian"
    return product / len(cell) ** 0.5 if embedded and scale else product


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("sub_sample", [True, False])
@pytest.mark.parametrize("pairwise", get_args(Pairwise))
def test_a_block_is_the_sum_over_all_pairs_of_cells(
    pairwise: Pairwise, sub_sample: bool, scale: bool
) -> None:
    block = random_block(pairwise, sub_sample=sub_sample, scale=scale)
    x = torch.randn(1, CHANNELS, 2, 4, 5, dtype=torch.float64)
    expected = written_out(block, x, scale=scale)
    torch.testing.assert_close(block(x), expected)
    torch.testing.assert_close(block(channels_last(x)), expected)


def test_a_fresh_network_passes_through_its_non_local_blocks() -> None:
    torch.manual_seed(0)
    entry = SlowOnly(num_classes=3, width=8, block_start=1.0)
    plain = entry.build().eval()
    with_blocks = replace(entry, non_local=NonLocal()).build().eval()
    with_blocks.load_state_dict(plain.state_dict(), strict=False)
    clips = torch.randn(1, 3, 4, 32, 32)
    assert torch.equal(with_blocks(clips), plain(clips))


def test_blocks_sit_where_the_recipe_names_them() -> None:
    network = SlowOnly(num_classes=3, width=8, non_local=NonLocal()).build()
    followed = {
        name
        for name, module in network.named_modules()
        if isinstance(module, Bottleneck3d) and isinstance(module.non_local_block, NonLocalBlock)
    }
    expected = {"layer2.0", "layer2.2", "layer3.0", "layer3.2", "layer3.4"}
    assert followed == {f"backbone.{name}" for name in expected}


def test_a_place_that_the_network_has_not_is_an_error() -> None:
    entry = SlowOnly(num_classes=3, width=8, non_local=NonLocal(after=((), (4,), (), ())))
    with pytest.raises(RecipeError, match="stage 2 has blocks 0 to 3"):
        entry.build()
    with pytest.raises(RecipeError, match="4 stages"):
        NonLocal(after=((0,),))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="one of 'embedded_gaussian', 'gaussian'"):
        NonLocal(pairwise="gausian")  # type: ignore[arg-type]
