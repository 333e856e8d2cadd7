"""Files of other code bases, made of the names and shapes that their own code gives."""

import gzip
import json
import re
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxiscope.models.conventions import PYSLOWFAST
from praxiscope.models.slowfast import SlowFast
from praxiscope.zoo.adopt import adoption
from praxiscope.zoo.layouts import foreign_tensors, renamed_state
from tests.parity import made_up

DATA = Path(__file__).parent / "data"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in DATA.glob("*.json.gz"))
RECIPES = {
    "SLOW_4x16_R50": "slowonly_r50_4x16x1_256e_kinetics400_rgb",
    "SLOW_8x8_R50": "slowonly_r50_8x8x1_256e_kinetics400_rgb",
    "SLOWFAST_4x16_R50": "slowfast_r50_4x16x1_256e_kinetics400_rgb",
    "SLOWFAST_8x8_R50": "slowfast_r50_8x8x1_256e_kinetics400_rgb",
    "pytorchvideo_slow_r50": "slowonly_r50_8x8x1_256e_kinetics400_rgb",
    "pytorchvideo_slowfast_r50": "slowfast_r50_8x8x1_256e_kinetics400_rgb",
    "pytorchvideo_slowfast_r101": "slowfast_r101_8x8x1_256e_kinetics400_rgb",
}


@cache
def figures(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


def made_up_state(name: str) -> dict[str, Tensor]:
    shapes = figures(name)["state_dict"].items()
    return {key: made_up.entry(key, torch.Size(shape)) for key, shape in shapes}


def normalized_clips(shape: tuple[int, ...]) -> Tensor:
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    clips = made_up.clips(shape).float()
    return (clips - mean.view(-1, 1, 1, 1)) / std.view(-1, 1, 1, 1)


def caffe2_name(name: str, blocks: tuple[int, ...] = (3, 4, 6, 3)) -> str | None:
    """What the Caffe2 models call an entry of PySlowFast; None for what they do not have."""
    if name.endswith("num_batches_tracked"):
        return None
    module, _, leaf = name.rpartition(".")
    norm = module.endswith("bn")
    end = {"weight": "s" if norm else "w", "bias": "b"} | {"running_mean": "rm"}
    end |= {"running_var": "riv"}
    bn = "_bn" if norm else ""
    if module == "head.projection":
        return f"pred_{end[leaf]}"
    if stem := re.fullmatch(r"s1\.pathway(\d)_stem\.(conv|bn)", module):
        return f"{'t_' * int(stem[1])}{'res_conv1_bn' if norm else 'conv1'}_{end[leaf]}"
    if fuse := re.fullmatch(r"s(\d)_fuse\.(conv_f2s|bn)", module):
        stage = int(fuse[1])
        last = f"t_res{stage}_{blocks[stage - 2] - 1}_branch2c_bn" if stage > 1 else "t_pool1"
        return f"{last}_subsample{bn}_{end[leaf]}"
    if non_local := re.fullmatch(r"s(\d)\.pathway0_nonlocal(\d+)\.(?:conv_)?(\w+)", module):
        stage, block_number, part = non_local.groups()
        return f"nonlocal_conv{stage}_{block_number}_{part}_{end[leaf]}"
    block = re.fullmatch(r"s(\d)\.pathway(\d)_res(\d+)\.branch(1|2\.[abc])(_bn)?", module)
    assert block is not None, name
    branch = block[4].replace(".", "")
    return f"{'t_' * int(block[2])}res{block[1]}_{block[3]}_branch{branch}{bn}_{end[leaf]}"


def caffe2_blobs(
    state: dict[str, Tensor], blocks: tuple[int, ...] = (3, 4, 6, 3)
) -> dict[str, np.ndarray]:
    named = ((caffe2_name(name, blocks), tensor.numpy()) for name, tensor in state.items())
    return {name: array for name, array in named if name is not None}


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def python2_array(array: np.ndarray, data: bytes | None = None) -> bytes:
    """The opcodes with which Python 2 pickles an array: its bytes are a string."""
    data = array.tobytes() if data is None else data
    shape = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in array.shape) + b"t"
    dtype = b"cnumpy\ndtype\n" + text(array.dtype.str[1:]) + b"K\x00K\x01\x87R"
    dtype += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = b"T" + struct.pack("<i", len(data)) + data
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return made + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def python2_pickle(blobs: dict[str, np.ndarray], more: bytes = b"") -> bytes:
    """What ``cPickle.dump({"blobs": blobs}, file, 2)`` of Python 2 writes."""
    items = b"".join(text(name) + python2_array(array) for name, array in blobs.items())
    return b"\x80\x02}" + text("blobs") + b"}(" + items + b"us" + more + b"."


def tiny_pyslowfast(depth: int = 14, classes: int = 8, lateral: int = 7) -> dict[str, Tensor]:
    """A small SlowFast under PySlowFast's names, with norms after its lateral convolutions."""
    entry = SlowFast(
        depth=depth, width=16, num_classes=classes, slow_stride=4, speed_ratio=4,
        lateral_frames=lateral, block_start=0.5,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = entry.build()
    names = [n for n in model.state_dict() if n.endswith("_lateral.conv.weight")]
    norms = {n.replace(".conv.", ".bn."): torch.ones(1) for n in names}
    adoption(model, dict(model.state_dict()) | norms, PYSLOWFAST).apply(model)
    generator = torch.Generator().manual_seed(3)
    state = {
        name: tensor + 0.1 * torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in model.state_dict().items()
    }
    return foreign_tensors(state, "PySlowFast")


def under_our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(renamed_state({"model_state": state}, "x").state.tensors)
