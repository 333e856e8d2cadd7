"""Properties of the networks that no single figure shows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from praxiscope.errors import RecipeError
from praxiscope.models.conv3d import FactorisedConv3d, PoolFrames, channels_last
from praxiscope.models.recognizer import views_that_fit
from praxiscope.models.resnet3d import Bottleneck3d
from praxiscope.models.slowfast import SlowFast, every
from praxiscope.models.slowonly import SlowOnly


@settings(deadline=None, max_examples=40)
@given(
    kernel=st.sampled_from([(1, 1, 1), (1, 3, 3), (1, 7, 7), (3, 1, 1), (5, 1, 1), (5, 7, 7)]),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 2)),
    shape=st.tuples(*(st.integers(low, 9) for low in (1, 1, 4, 7, 7))),
    last=st.booleans(),
)
def test_a_factorised_convolution_is_the_plain_one(
    kernel: tuple[int, int, int], stride: tuple[int, int, int], shape: tuple[int, ...], last: bool
) -> None:
    b, c, *size = shape
    conv = FactorisedConv3d(c, 4, kernel, stride).double()
    clips = torch.randn(b, c, *size, dtype=torch.float64, requires_grad=True)
    ours = conv(channels_last(clips) if last else clips)
    plain = nn.Conv3d.forward(conv, clips)
    assert ours.shape == plain.shape
    torch.testing.assert_close(ours, plain)
    (ours_grad,) = torch.autograd.grad(ours.square().sum(), clips)
    (plain_grad,) = torch.autograd.grad(plain.square().sum(), clips)
    torch.testing.assert_close(ours_grad, plain_grad)


def test_pooling_frames_is_the_published_3d_pooling() -> None:
    clips = torch.randn(2, 3, 4, 15, 18)
    published = nn.functional.max_pool3d(clips, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    assert torch.equal(PoolFrames(3, padding=1)(clips), published)


@pytest.mark.parametrize("temporal_kernel", [1, 3])
def test_a_bottleneck_strides_space_and_never_time(temporal_kernel: int) -> None:
    block = Bottleneck3d(8, 4, stride=2, temporal_kernel=temporal_kernel).eval()
    assert block(torch.zeros(2, 8, 5, 14, 14)).shape == (2, 16, 5, 7, 7)


def test_early_slowonly_stages_cannot_see_other_frames() -> None:
    torch.manual_seed(0)
    net = SlowOnly(num_classes=5, width=8).build().eval().backbone
    x = torch.randn(1, 3, 4, 32, 32)
    changed = x.clone()
    changed[:, :, 3] += 1

    def after(stage: str, clips: torch.Tensor) -> torch.Tensor:
        maps = net.layer1(net.stem(clips))
        return maps if stage == "layer1" else net.layer3(net.layer2(maps))

    assert torch.equal(after("layer1", x)[:, :, 0], after("layer1", changed)[:, :, 0])
    for module in net.modules():  # a fresh block is the identity: let it pass its input on
        if isinstance(module, Bottleneck3d):
            nn.init.ones_(module.conv3.bn.get_parameter("weight"))
    assert not torch.equal(after("layer3", x)[:, :, 2], after("layer3", changed)[:, :, 2])


@given(frames=st.integers(1, 70), stride=st.integers(1, 16))
def test_a_pathway_sees_the_first_frame_of_every_whole_stride(frames: int, stride: int) -> None:
    clips = torch.arange(frames).view(1, 1, -1, 1, 1)
    if frames < stride:
        with pytest.raises(ValueError, match=f"every {stride}th frame"):
            every(clips, stride)
    else:
        seen = every(clips, stride).flatten().tolist()
        assert seen == [i * stride for i in range(frames // stride)]


def test_the_slow_pathway_of_4x16_sees_four_frames_of_32() -> None:
    clips = torch.arange(32).view(1, 1, -1, 1, 1)
    assert every(clips, 8).flatten().tolist() == [0, 8, 16, 24]


def test_gradients_reach_every_weight_of_slowfast() -> None:
    net = SlowFast(num_classes=3, width=16, channel_ratio=4, slow_stride=4, speed_ratio=4).build()
    for module in net.modules():
        if isinstance(module, Bottleneck3d):
            nn.init.ones_(module.conv3.bn.get_parameter("weight"))
    net(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_an_unknown_depth_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="no ResNet has depth 34; there are 14, 50, 101, 152"):
        SlowOnly(depth=34, num_classes=3).build()


def test_big_views_run_one_at_a_time_and_small_ones_together() -> None:
    big, small = torch.empty(2, 3, 64, 512, 512), torch.empty(30, 3, 4, 64, 64)
    assert views_that_fit(big.to(torch.uint8)) == 1
    assert views_that_fit(small.to(torch.uint8)) >= 30
