"""Weights of PySlowFast and PyTorchVideo give their own networks' figures here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import praxiscope
from praxiscope.data.sampling import Clip
from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import PYSLOWFAST, PYTORCHVIDEO
from praxiscope.models.recognizer import Recognizer, score_views
from praxiscope.models.slowfast import SlowFast, spread
from praxiscope.zoo.adopt import follow, pooled_non_local
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.layouts import renamed_state
from praxiscope.zoo.recorded import meta_entries, recorded_conventions
from praxiscope.zoo.weights import load_checkpoint, save_weights
from tests.zoo.foreign import (
    NAMES,
    RECIPES,
    caffe2_blobs,
    figures,
    made_up_state,
    normalized_clips,
    python2_pickle,
    tiny_pyslowfast,
    under_our_names,
)

TORCH = [name for name in NAMES if not name.endswith("_c2")]
CAFFE2 = [name for name in NAMES if name.endswith("_c2")]


def test_all_eleven_networks_are_here() -> None:
    assert len(TORCH) == 7
    assert len(CAFFE2) == 4


def created(name: str, path: Path) -> Recognizer:
    """The recipe's model with the made-up weights of a file, as anybody would load it."""
    torch.save({"epoch": 1, "model_state": made_up_state(name)}, path)
    return praxiscope.create_model(RECIPES[name], checkpoint=path)


@pytest.mark.parametrize("name", TORCH)
def test_logits_and_probabilities_equal_their_own(tmp_path: Path, name: str) -> None:
    wanted = figures(name)
    model = created(name, tmp_path / "x.pyth")
    clips = normalized_clips((1, 3, wanted["num_frames"], 256, 256))
    with torch.inference_mode():
        features = model.features(clips)
        logits = model.cls_head(features)  # of model(clips), without a second pass of the backbone
        model.features = lambda _: features  # type: ignore[method-assign]
        scores = score_views(model, clips[:, None])
    expected = torch.tensor(wanted["logits"][:1])
    torch.testing.assert_close(logits, expected, rtol=0, atol=2e-5)
    # PyTorchVideo's hub models give logits; their softmax is left to the caller.
    output = torch.tensor(wanted["output_softmax"][:1]) if "output_softmax" in wanted else None
    output = expected.softmax(-1) if output is None else output
    torch.testing.assert_close(scores, output, rtol=0, atol=2e-7)


@pytest.mark.parametrize("name", ["SLOW_8x8_R50", "SLOWFAST_4x16_R50"])
def test_smaller_clips_and_strided_frames_equal_their_own(tmp_path: Path, name: str) -> None:
    wanted = figures(name)
    model = created(name, tmp_path / "x.pyth")
    follow(model, replace(PYSLOWFAST, slow_frames="strided", window=None))
    clips = normalized_clips((1, 3, wanted["num_frames"], 224, 224))
    with torch.inference_mode():
        logits = model(clips)
    expected = torch.tensor(wanted["logits_224_strided"][:1])
    torch.testing.assert_close(logits, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", CAFFE2)
def test_a_caffe2_model_is_the_same_network_as_its_twin(tmp_path: Path, name: str) -> None:
    state = made_up_state(name)
    blobs = caffe2_blobs(state)
    more = {f"{blob}_momentum": np.zeros(1, np.float32) for blob in blobs}
    (tmp_path / "x.pkl").write_bytes(python2_pickle(blobs | more))
    model = praxiscope.create_model(RECIPES[name.removesuffix("_c2")])
    report = load_checkpoint(model, tmp_path / "x.pkl")
    assert report.matched == len(blobs)
    assert (report.missing, report.unexpected) == ((), ())
    assert report.source == f"{tmp_path / 'x.pkl'} (Caffe2, pickle)"
    assert f"{len(blobs)} momenta of the optimiser left out" in report.notes
    expected = under_our_names(state)
    found = model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert model.conventions == PYSLOWFAST


@pytest.mark.parametrize(
    ("frames", "ratio", "expected"),
    [
        (32, 8, [0, 10, 20, 31]),
        (32, 4, [0, 4, 8, 13, 17, 22, 26, 31]),
        (64, 4, torch.linspace(0, 63, 16).long().tolist()),
    ],
)
def test_slow_frames_are_spread_as_in_pyslowfast(
    frames: int, ratio: int, expected: list[int]
) -> None:
    clips = torch.arange(frames).float().view(1, 1, frames, 1, 1)
    assert spread(clips, ratio).flatten().tolist() == expected


def test_uint8_clips_are_normalised_as_in_pyslowfast(tmp_path: Path) -> None:
    torch.save({"model_state": made_up_state("SLOW_4x16_R50")}, tmp_path / "x.pyth")
    model = praxiscope.create_model(RECIPES["SLOW_4x16_R50"], checkpoint=tmp_path / "x.pyth")
    clips = torch.randint(0, 256, (1, 3, 4, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(model.normalize(clips), (clips / 255 - 0.45) / 0.225)


CONFIG = """DATA:
  MEAN:
  - 0.5
  - 0.25
  - 0.125
  NUM_FRAMES: 64
  REVERSE_INPUT_CHANNEL: true
  SAMPLING_RATE: 2
  STD: [0.25, 0.5, 1.0]
  TRAIN_CROP_SIZE: 160
MODEL:
  ARCH: slowfast
MULTIGRID:
  SHORT_CYCLE: false
RESNET:
  STRIDE_1X1: false
SLOWFAST:
  ALPHA: 8
"""


def test_settings_in_the_file_are_followed(tmp_path: Path) -> None:
    content = {"model_state": tiny_pyslowfast(), "cfg": CONFIG}
    found = renamed_state(content, "x").state
    assert found.conventions is not None
    assert found.conventions.window == 5
    assert found.conventions.reverse_channels
    assert found.clip is not None
    assert (found.clip.frames, found.clip.stride, found.clip.slow_stride) == (64, 2, 8)
    model = tiny_entry().build()
    torch.save(content, tmp_path / "x.pyth")
    report = load_checkpoint(model, tmp_path / "x.pyth", clip=tiny_clip())
    clips = torch.randint(0, 256, (1, 3, 2, 4, 4), dtype=torch.uint8)
    mean, std = torch.tensor([0.5, 0.25, 0.125]), torch.tensor([0.25, 0.5, 1.0])
    expected = (clips.flip(1) / 255 - mean.view(-1, 1, 1, 1)) / std.view(-1, 1, 1, 1)
    torch.testing.assert_close(model.normalize(clips), expected)
    frames, slow = report.warnings
    assert "64 frames, one every 2; the recipe's are 32, one every 2" in frames
    assert "every 8th frame of a clip; this model's sees every 4th" in slow


@pytest.mark.parametrize(
    ("text", "window"),
    [("MULTIGRID:\n  SHORT_CYCLE: true\n", None), ("", 7), ("DATA:\n  MEAN: nothing\n", 7)],
)
def test_settings_that_say_nothing_leave_the_usual_ones(text: str, window: int | None) -> None:
    found = renamed_state({"model_state": tiny_pyslowfast(), "cfg": text}, "x").state.conventions
    assert found == replace(PYSLOWFAST, window=window)


@pytest.mark.timeout(60)  # with a search that goes back it would take hours
@pytest.mark.parametrize(
    "line", [" " * 500_000 + "x", "A:" + " " * 500_000 + "x", "- " * 250_000, "[," * 250_000]
)
def test_a_hostile_configuration_takes_no_time(line: str) -> None:
    content = {
        "model_state": tiny_pyslowfast(),
        "cfg": f"DATA:\n  MEAN: {line}\n  {line}\n",
        "meta": {"config": f"clip_len {line}"},
    }
    assert renamed_state(content, "x").state.conventions == PYSLOWFAST


def test_strides_on_other_convolutions_are_refused() -> None:
    text = CONFIG.replace("STRIDE_1X1: false", "STRIDE_1X1: true")
    with pytest.raises(CheckpointError, match="STRIDE_1X1"):
        renamed_state({"model_state": tiny_pyslowfast(), "cfg": text}, "x")


def tiny_entry() -> SlowFast:
    return SlowFast(depth=14, width=16, num_classes=8, slow_stride=4, speed_ratio=4)


def tiny_clip() -> Clip:
    return Clip(frames=32, stride=2)


def test_the_report_says_what_was_renamed_and_changed(tmp_path: Path) -> None:
    state = tiny_pyslowfast()
    torch.save({"model_state": state}, tmp_path / "x.pyth")
    model = tiny_entry().build()
    report = load_checkpoint(model, tmp_path / "x.pyth")
    assert report.matched == len(state) == len(model.state_dict())
    assert ("s1_fuse.bn.weight", "backbone.slow_path.conv1_lateral.bn.weight") in report.renamed
    assert len(report.renamed) == len(state)
    text = str(report)
    assert "(PySlowFast, torch zip)" in text
    assert "4 lateral convolutions now have a norm and a ReLU" in text
    assert "conv1_lateral.conv 7 instead of 5, and 3 more" in text
    assert "the model follows PySlowFast: its normalisation, slow frames linspace" in text
    full = report.full()
    assert "s1_fuse.bn.weight -> backbone.slow_path.conv1_lateral.bn.weight (4)" in full
    assert f"renamed ({len(state)})" in full
    assert "missing (0)" in full


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_saved_weights_load_back_with_their_conventions(tmp_path: Path, suffix: str) -> None:
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "x.pyth")
    model, again = tiny_entry().build(), tiny_entry().build()
    load_checkpoint(model, tmp_path / "x.pyth")
    save_weights(model, tmp_path / f"y{suffix}", ("a",) * 8, clip=tiny_clip())
    report = load_checkpoint(again, tmp_path / f"y{suffix}", clip=tiny_clip())
    assert again.conventions == model.conventions == PYSLOWFAST
    assert report.warnings == ()
    clips = torch.randint(0, 256, (2, 3, 32, 256, 256), dtype=torch.uint8)
    with torch.inference_mode():
        expected, found = (score_views(m.eval(), clips[:, None]) for m in (model, again))
    assert torch.equal(expected, found)


def test_the_window_moves_over_a_larger_map_and_fits_a_smaller_one(tmp_path: Path) -> None:
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "x.pyth")
    model = tiny_entry().build().eval()
    load_checkpoint(model, tmp_path / "x.pyth")
    with torch.inference_mode():
        for size, positions in ((288, 9), (256, 4), (224, 1), (64, 1)):
            maps = model.features(torch.rand(1, 3, 8, size, size))
            found = model.cls_head.positions(maps)
            assert found.shape == (1, positions, 8)
            torch.testing.assert_close(model.cls_head(maps), found.mean(1))


def test_networks_that_pool_otherwise_are_refused(tmp_path: Path) -> None:
    c2d = made_up_state("SLOW_8x8_R50")
    for name in [n for n in c2d if n.endswith("branch2.a.weight")]:
        c2d[name] = c2d[name][:, :, :1].contiguous()  # C2D sees single frames in every stage
    torch.save({"model_state": c2d}, tmp_path / "c2d.pyth")
    with pytest.raises(CheckpointError, match="belongs to another model"):
        praxiscope.create_model(RECIPES["SLOW_8x8_R50"], checkpoint=tmp_path / "c2d.pyth")


@pytest.mark.parametrize("pairwise", ["dot_product", "embedded_gaussian"])
def test_non_local_blocks_pool_before_they_project(pairwise: Any) -> None:
    torch.manual_seed(0)
    block = pooled_non_local(8, pairwise).eval().double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 8, 3, 4, 4, dtype=torch.float64)
    state = block.state_dict()

    def project(name: str, maps: Tensor) -> Tensor:
        weight, bias = state[f"{name}.conv.weight"], state[f"{name}.conv.bias"]
        return torch.nn.functional.conv3d(maps, weight, bias)

    pooled = torch.nn.functional.max_pool3d(x, (1, 2, 2))
    theta, phi, g = project("theta", x), project("phi.1", pooled), project("g.1", pooled)
    products = torch.einsum("bdthw,bdp->bthwp", theta, phi.flatten(2))
    softmax = (products / 2).softmax(-1)  # the root of 4 embedded channels
    weights = softmax if pairwise == "embedded_gaussian" else products / (3 * 2 * 2)
    mixed = torch.einsum("bthwp,bdp->bdthw", weights, g.flatten(2))
    expected = x + block.conv_out.bn(project("conv_out", mixed))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("caffe2", [False, True])
def test_non_local_blocks_come_with_the_weights(tmp_path: Path, caffe2: bool) -> None:
    state, channels = tiny_pyslowfast(), 128
    ours = pooled_non_local(channels, "dot_product").state_dict()
    names = {"theta.conv": "conv_theta", "phi.1.conv": "conv_phi", "g.1.conv": "conv_g"}
    names |= {"conv_out.conv": "conv_out", "conv_out.bn": "bn"}
    for name, tensor in ours.items():
        module, _, leaf = name.rpartition(".")
        random = torch.rand_like(tensor) if tensor.is_floating_point() else tensor
        state[f"s3.pathway0_nonlocal0.{names[module]}.{leaf}"] = random
    model = tiny_entry().build()
    if caffe2:
        blobs = caffe2_blobs(state, (1, 1, 1, 1))
        (tmp_path / "x").write_bytes(python2_pickle(blobs))
        assert "nonlocal_conv3_0_theta_w" in blobs
        assert "nonlocal_conv3_0_bn_rm" in blobs
    else:
        torch.save({"model_state": state}, tmp_path / "x")
    report = load_checkpoint(model, tmp_path / "x")
    assert (report.missing, report.unexpected) == ((), ())
    place = "backbone.slow_path.layer2.0.non_local_block"
    assert f"non-local blocks as in the file, put in or out: {place}" in report.notes
    found = model.state_dict()[f"{place}.phi.1.conv.weight"]
    assert torch.equal(found, state["s3.pathway0_nonlocal0.conv_phi.weight"])
    save_weights(model, tmp_path / "y.safetensors")
    again = tiny_entry().build()
    load_checkpoint(again, tmp_path / "y.safetensors")
    assert again.state_dict().keys() == model.state_dict().keys()


def test_a_refused_file_changes_nothing(tmp_path: Path) -> None:
    torch.save({"model_state": tiny_pyslowfast(classes=9)}, tmp_path / "x.pyth")
    model = tiny_entry().build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"has 9 classes .* the model has 8"):
        load_checkpoint(model, tmp_path / "x.pyth")
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert model.conventions.name == "OpenMMLab"
    report = load_checkpoint(model, tmp_path / "x.pyth", num_classes=8)
    assert report.missing == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    assert any("classifier of 9 classes was left out" in note for note in report.notes)


def test_weights_without_a_word_of_conventions_bring_their_lateral_norms(tmp_path: Path) -> None:
    torch.save(under_our_names(tiny_pyslowfast(lateral=5)), tmp_path / "x.pth")
    model = tiny_entry().build()
    report = load_checkpoint(model, tmp_path / "x.pth")
    assert report.unexpected == ()
    assert any("does not say whether PySlowFast or PyTorchVideo" in note for note in report.notes)
    torch.save(tiny_entry().build().state_dict(), tmp_path / "bare.pth")
    load_checkpoint(model, tmp_path / "bare.pth")
    assert not any("lateral.bn" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"strided"', '"random"'),
        ('"window": 7', '"window": -1'),
        ('"window": 7', '"more": 7'),
        ("57.375", "0.0"),
        ("114.75", "NaN"),
        ("114.75", "9" * 400),
        ('"reverse_channels": false', '"reverse_channels": 1'),
        ('"name": "', '"name": "\\n'),
        ("{", ""),
    ],
)
def test_damaged_conventions_are_an_error(tmp_path: Path, old: str, new: str) -> None:
    strided = replace(PYTORCHVIDEO, slow_frames="strided")
    meta = meta_entries(conventions=strided)
    assert recorded_conventions(meta, "x") == strided
    damaged = {"conventions": meta["conventions"].replace(old, new)}
    assert damaged != {"conventions": meta["conventions"]}
    with pytest.raises(CheckpointError, match="'conventions' is damaged"):
        recorded_conventions(damaged, "x")


@pytest.mark.parametrize(
    "text",
    [
        "dict(type='SampleFrames', clip_len=32, frame_interval=2),\nresample_rate=8,",
        "{'type': 'SampleFrames', 'clip_len': 32, 'frame_interval': 2} 'resample_rate': 8",
    ],
)
@pytest.mark.parametrize("place", ["config", "cfg", "hub"])
def test_a_neighbouring_model_is_told_from_the_recorded_config(
    tmp_path: Path, text: str, place: str
) -> None:
    model = tiny_entry().build()
    hub = {"message_hub": {"runtime_info": {"cfg": text}}}
    more = hub if place == "hub" else {"meta": {place: text}}
    torch.save({"state_dict": model.state_dict()} | more, tmp_path / "x.pth")
    report = load_checkpoint(model, tmp_path / "x.pth", clip=tiny_clip())
    assert len(report.warnings) == 1
    assert "every 8th frame of a clip; this model's sees every 4th" in report.warnings[0]
    assert "warning: in training the slow pathway" in str(report)
    assert isinstance(read_checkpoint_file(tmp_path / "x.pth"), dict)
