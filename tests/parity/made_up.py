"""Deterministic made-up weights and clips, by the rule that the reference figures were made with.

One counter-based stream (splitmix64) per name: the value of an entry depends on nothing but its
state-dict key and its place in the tensor.
"""

import re
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxiscope.zoo.create import _Unfilled

GOLDEN_RATIO = 0x9E3779B97F4A7C15
BLOCK = 2**15
LAST_NORM_OF_A_BLOCK = re.compile(r"(conv3\.bn|conv_out\.bn|branch2\.c_bn|norm_c)\.weight$")
NORM_BIAS = re.compile(r"(^|\.)(bn\d?|ln|norm(_[abc])?|\w+_bn)\.bias$")
CLASSIFIER = re.compile(r"(fc_cls|fc_cls\.2|projection|proj)\.weight$")


def uniform(seed: int, count: int) -> np.ndarray:
    """Return ``count`` float64 in [0, 1) of the stream ``seed``."""
    values = np.empty(count)
    first = np.arange(min(count, BLOCK), dtype=np.uint64) + np.uint64(seed * GOLDEN_RATIO % 2**64)
    for start in range(0, count, BLOCK):  # what stays in the cache is done three times as fast
        z = first[: count - start] + np.uint64(start)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        z ^= z >> np.uint64(31)
        z >>= np.uint64(11)
        np.multiply(z, 2.0**-53, out=values[start : start + BLOCK])
    return values


def entry(key: str, shape: torch.Size) -> Tensor:
    """Return the tensor of a state-dict entry, rounded to float32."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    u = uniform(zlib.crc32(key.encode()), shape.numel()).reshape(shape)
    s = 2 * u - 1
    if key.endswith("running_mean"):
        value = 0.2 * s
    elif key.endswith("running_var"):
        value = 0.5 + u
    elif key.endswith("bias"):
        value = (0.2 if NORM_BIAS.search(key) else 0.1) * s
    elif len(shape) == 1 or key.endswith(".ln.weight"):  # layer norms keep the shape of maps
        value = 0.1 + 0.2 * u if LAST_NORM_OF_A_BLOCK.search(key) else 0.5 + 0.6 * u
    else:
        fan_in = shape[1:].numel()
        value = s
        value *= (3 / fan_in) ** 0.5
        value *= 0.7 if CLASSIFIER.search(key) else 2**0.5
    return torch.from_numpy(np.asarray(value, np.float32))


def fill(model: nn.Module) -> nn.Module:
    """Return ``model`` with the made-up weights loaded by name."""
    model.load_state_dict({k: entry(k, v.shape) for k, v in model.state_dict().items()})
    return model


def model(entry: Any) -> Any:
    """Return the network of a recipe entry with the made-up weights, for which none are drawn."""
    with _Unfilled():
        built = entry.build()
    return fill(built)


def clips(shape: tuple[int, ...]) -> Tensor:
    """Return uint8 clips (B, C, T, H, W) of 8 x 8 blocks; odd ones are darker."""
    count, channels, frames, height, width = shape
    h, w = -(-height // 8), -(-width // 8)
    made = []
    for clip in range(count):
        u = uniform(zlib.crc32(b"input") + clip, channels * frames * h * w)
        grey = np.floor(256 * u ** (1 + clip % 2)).astype(np.uint8)
        blocks = grey.reshape(channels, frames, h, w).repeat(8, 2).repeat(8, 3)
        made.append(blocks[:, :, :height, :width])
    return torch.from_numpy(np.stack(made))
