"""2-D weights in 3-D networks, against a 2-D network of nothing but torch's functions."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, max_pool2d

from praxiscope.errors import CheckpointError
from praxiscope.models.inflate import inflate, is_resnet2d
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.resnet3d import BLOCKS
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly

FRAMES = 7  # of which the middle one is beyond the reach of the padding of depth 14


def resnet2d(depth: int = 14, width: int = 8) -> dict[str, Tensor]:
    """Random weights in double precision under torchvision's names."""
    draw = torch.Generator().manual_seed(depth)
    weights: dict[str, Tensor] = {}

    def add(conv: str, norm: str, c_out: int, c_in: int, size: int) -> None:
        scale = math.sqrt(2 / (c_in * size * size))
        weights[f"{conv}.weight"] = scale * torch.randn(c_out, c_in, size, size, generator=draw)
        for name in ("weight", "running_var"):
            weights[f"{norm}.{name}"] = 0.5 + torch.rand(c_out, generator=draw)
        for name in ("bias", "running_mean"):
            weights[f"{norm}.{name}"] = 0.1 * torch.randn(c_out, generator=draw)
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    add("conv1", "bn1", width, 3, 7)
    c_in = width
    for stage, blocks in enumerate(BLOCKS[depth]):
        inner = width * 2**stage
        for block in range(blocks):
            name = f"layer{stage + 1}.{block}"
            add(f"{name}.conv1", f"{name}.bn1", inner, c_in, 1)
            add(f"{name}.conv2", f"{name}.bn2", inner, inner, 3)
            add(f"{name}.conv3", f"{name}.bn3", 4 * inner, inner, 1)
            if block == 0:
                add(f"{name}.downsample.0", f"{name}.downsample.1", 4 * inner, c_in, 1)
            c_in = 4 * inner
    weights["fc.weight"] = torch.randn(1000, c_in, generator=draw)
    weights["fc.bias"] = torch.randn(1000, generator=draw)
    return {k: v.double() if v.is_floating_point() else v for k, v in weights.items()}


def features2d(weights: dict[str, Tensor], image: Tensor, *, averaged: bool = False) -> Tensor:
    """(B, C, H, W) -> (B, 32 * width, H / 32, W / 32), the 2-D network's last maps in testing."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, scale, bias = (
            weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return batch_norm(x, mean, var, scale, bias, eps=1e-5)

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = weights[f"{name}.weight"]
        return conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    first = weights["conv1.weight"]
    if averaged:
        first = torch.stack([first.mean(1)] * image.shape[1], dim=1)
    x = norm(conv2d(image, first, stride=2, padding=3), "bn1").relu()
    x = max_pool2d(x, 3, 2, 1)
    for stage in range(1, 5):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in weights:
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = norm(conv(x, f"{name}.conv1"), f"{name}.bn1").relu()
            out = norm(conv(out, f"{name}.conv2", stride), f"{name}.bn2").relu()
            out = norm(conv(out, f"{name}.conv3"), f"{name}.bn3")
            if f"{name}.downsample.0.weight" in weights:
                x = norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = (out + x).relu()
            block += 1
    return x


def still(channels: int = 3, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    """Return two images (2, C, 64, 64), and clips that repeat them."""
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, channels, 64, 64, generator=draw, dtype=torch.float64)
    return images, images[:, :, None].repeat(1, 1, frames, 1, 1)


@torch.no_grad()
def test_a_repeated_frame_gives_the_features_of_the_2d_network() -> None:
    weights = resnet2d()
    model = SlowOnly(depth=14, width=8, num_classes=5).build().double().eval()
    inflate(model, weights, "x.pth")
    images, clips = still()
    found = model.backbone(clips)
    expected = features2d(weights, images)
    torch.testing.assert_close(found[:, :, FRAMES // 2], expected, rtol=0, atol=1e-10)
    assert not torch.allclose(found[:, :, 0], expected, atol=1e-3)  # the padding is felt


@torch.no_grad()
def test_flow_sees_the_mean_of_the_colour_channels() -> None:
    weights = resnet2d()
    model = SlowOnly(depth=14, width=8, channels=2, num_classes=5).build().double().eval()
    report = inflate(model, weights, "x.pth")
    (averaged,) = report.moved["averaged"]
    assert str(averaged) == "conv1.weight 8x3x7x7 -> backbone.conv1.conv.weight 8x2x1x7x7"
    images, clips = still(channels=2)
    expected = features2d(weights, images, averaged=True)
    torch.testing.assert_close(
        model.backbone(clips)[:, :, FRAMES // 2], expected, rtol=0, atol=1e-10
    )


@torch.no_grad()
def test_lateral_channels_begin_at_zero_so_a_slow_pathway_gives_the_2d_features() -> None:
    weights = resnet2d(width=16)
    entry = SlowFast(depth=14, width=16, channel_ratio=8, num_classes=5)
    model = entry.build().double().eval()
    before = {k: v.clone() for k, v in model.state_dict().items() if "fast_path" in k}
    report = inflate(model, weights, "x.pth")
    assert {one.source for one in report.moved["widened"]} >= {
        "layer1.0.conv1.weight",
        "layer1.0.downsample.0.weight",
    }
    images, clips = still(frames=FRAMES * entry.slow_stride)
    _, slow = model.backbone(clips)
    expected = features2d(weights, images)
    torch.testing.assert_close(slow[:, :, FRAMES // 2], expected, rtol=0, atol=1e-10)
    after = model.state_dict()
    assert before and all(torch.equal(after[name], value) for name, value in before.items())
    assert "backbone.fast_path: all of its" in str(report)


@torch.no_grad()
def test_a_fast_pathway_of_the_same_width_is_inflated_too() -> None:
    weights = resnet2d()
    entry = SlowFast(
        depth=14, width=8, channel_ratio=1, speed_ratio=2, slow_stride=2, num_classes=5
    )
    model = entry.build().double().eval()
    report = inflate(model, weights, "x.pth")
    frames = 16  # five frames of the stem and three of each stage: padding reaches 6 frames
    images, clips = still(frames=frames)
    fast, _ = model.backbone(clips)
    expected = features2d(weights, images)
    torch.testing.assert_close(fast[:, :, frames // 2], expected, rtol=0, atol=1e-10)
    targets = {one.target for one in report.moved["inflated"]}
    assert "backbone.fast_path.conv1.conv.weight" in targets
    assert not any("fast_path" in name for name in report.fresh)


def test_the_report_names_every_tensor_of_the_model_and_of_the_file_once() -> None:
    weights = resnet2d(depth=50)
    non_local = NonLocal(after=((), (0, 2), (), ()))
    model = SlowOnly(depth=50, width=8, num_classes=5, non_local=non_local).build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = inflate(model, weights, "x.pth (torch zip)")
    moved = [one for group in report.moved.values() for one in group]
    counters = {name for name in before if name.endswith("num_batches_tracked")}
    assert sorted([one.target for one in moved] + list(report.fresh)) == sorted(
        before.keys() - counters
    )
    assert {one.source for one in moved} | report.unused.keys() == {
        name for name in weights if "num_batches" not in name
    }
    assert report.unused == {"fc.weight": (1000, 256), "fc.bias": (1000,)}
    assert all("non_local_block" in name or "cls_head" in name for name in report.fresh)
    assert len(report.moved["inflated"]) == 9  # one in each block of the last two stages
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in report.fresh)
    text = str(report)
    assert "2-D weights from x.pth (torch zip)" in text
    assert "layer4.0.conv1.weight 64x128x1x1 -> " in text
    assert "backbone.layer4.0.conv1.conv.weight 64x128x3x1x1" in text
    assert "backbone.layer2.0.non_local_block: all of its" in text
    assert "cls_head.fc_cls.weight 5x256" in text


def test_half_precision_weights_fill_a_float32_model() -> None:
    weights = {k: v.half() if v.is_floating_point() else v for k, v in resnet2d().items()}
    model = SlowOnly(depth=14, width=8, num_classes=5).build()
    inflate(model, weights, "x.pth")
    kernel = model.get_parameter("backbone.layer4.0.conv1.conv.weight")
    expected = weights["layer4.0.conv1.weight"].float() / 3
    assert kernel.dtype == torch.float32
    for place in range(3):
        assert torch.equal(kernel[:, :, place], expected)


def without(weights: dict[str, Tensor], *parts: str) -> dict[str, Tensor]:
    return {k: v for k, v in weights.items() if not any(part in k for part in parts)}


WRONG = {
    "another depth": (resnet2d(depth=50), r"x.pth is a ResNet-50, the model's 'backbone' is a "),
    "another width": (resnet2d(width=4), "x.pth begins with 4 channels, the model with 8"),
    "a part of a file": (without(resnet2d(), "layer4.0.bn2"), "x.pth has no 'layer4.0.bn2.weight'"),
    "basic blocks": (without(resnet2d(), "conv3"), r"two convolutions a block \(18 or 34 layers\)"),
    "a wide ResNet": (
        resnet2d() | {"layer2.0.conv2.weight": torch.zeros(32, 32, 3, 3)},
        "another kind of ResNet: 'layer2.0.conv2.weight' is 32x32x3x3, the model's",
    ),
    "whole numbers": (
        resnet2d() | {"bn1.bias": torch.zeros(8, dtype=torch.int64)},
        "another kind of ResNet: 'bn1.bias' is 8",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_weights_of_another_network_are_refused_and_change_nothing(wrong: str) -> None:
    weights, message = WRONG[wrong]
    model = SlowOnly(depth=14, width=8, num_classes=5).build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        inflate(model, weights, "x.pth")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_only_2d_weights_count_as_2d_weights() -> None:
    assert is_resnet2d(resnet2d())
    model: nn.Module = SlowOnly(depth=14, width=8, num_classes=5).build()
    assert not is_resnet2d(model.state_dict())
    assert not is_resnet2d({"conv1.weight": torch.zeros(4, 3, 1, 7, 7)})
    assert not is_resnet2d({})
