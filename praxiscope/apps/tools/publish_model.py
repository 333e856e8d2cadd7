"""A checkpoint made ready to be published: weights alone, its digest in its name."""

import argparse
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from praxiscope.errors import CheckpointError, PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.openmmlab import published_state
from praxiscope.zoo.recorded import meta_entries
from praxiscope.zoo.safe_files import tensors_apart, write_safetensors
from praxiscope.zoo.trees import all_values

SUFFIXES = (".pth", ".pt", ".safetensors")
DIGITS = 8  # of SHA-256, in the name
KEEP = ("meta", "state_dict")
# Of the machine and the run, not of the model.
LEFT_OUT = {"env_info", "exp_name", "hook_msgs", "host_name", "time"}
# Buffers that 1.x networks carry, which every loader makes anew.
NOT_WEIGHTS = {"data_preprocessor.mean", "data_preprocessor.std"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags."""
    add = parser.add_argument
    add("in_file", type=Path, help="a checkpoint of a run")
    add("out_file", type=Path, help="OUT.pth is written as OUT-<8 digits>.pth; or .safetensors")
    add(
        "--save-keys",
        nargs="+",
        default=list(KEEP),
        metavar="KEY",
        help="what to keep of the file (default: meta state_dict)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the path of the published file."""
    print(publish(args.in_file, args.out_file, args.save_keys))
    return 0


def publish(source: Path, target: Path, keys: list[str] | None = None) -> Path:
    """Write the parts ``keys`` of a checkpoint under a name with its digest, and return that name.

    ``a.pth`` becomes ``a-0a1b2c3d.pth`` with the first digits of the file's SHA-256; a name without
    a known suffix gets ``.pth``. ``state_dict`` is always kept, its tensors on the CPU; of ``meta``
    what is text, numbers and lists of them, without what tells of the machine. A ``.safetensors``
    file keeps the weights and what our own files record. The same weights give the same file.

    Raises:
        CheckpointError: ``source`` is no checkpoint of this family, or lacks one of the ``keys``.
        PraxiscopeError: The folder or the disk refuses; nothing is left behind.
    """
    content = read_checkpoint_file(source)
    if not isinstance(content.get("state_dict"), dict) and {"model_state", "blobs"} & set(content):
        raise CheckpointError(
            f"{source} is in the layout of another zoo: write it in ours first, with "
            "'praxiscope zoo convert'."
        )
    state = published_state(content, str(source))
    tensors = tensors_apart(
        {name: tensor for name, tensor in state.tensors.items() if name not in NOT_WEIGHTS}
    )
    suffix = target.suffix if target.suffix in SUFFIXES else ".pth"
    stem = target.name.removesuffix(target.suffix) if target.suffix in SUFFIXES else target.name
    parts = _kept(content, keys or list(KEEP), source)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.staged")
    try:
        if suffix == ".safetensors":
            meta = meta_entries(
                class_names=state.class_names or (),
                conventions=state.conventions,
                clip=state.clip,
                temporal_pool=state.temporal_pool,
                bank=state.bank,
                bank_checkpoint=state.bank_checkpoint,
            )
            write_safetensors(staged, tensors, meta)
        else:
            whole = {**parts, "state_dict": tensors}
            write_atomically(staged, lambda file: torch.save(whole, file))
        with staged.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        final = target.with_name(f"{stem}-{digest[:DIGITS]}{suffix}")
        if final.is_dir():
            raise PraxiscopeError(f"{final} is a folder: choose another name.")
        staged.replace(final)
    finally:
        staged.unlink(missing_ok=True)
    return final


def _kept(content: Mapping[object, object], keys: list[str], source: Path) -> dict[str, object]:
    """Return the parts of a checkpoint that are kept beside its weights."""
    parts: dict[str, object] = {}
    for key in keys:
        if key not in content:
            if key in KEEP:  # a plain state dict has neither
                continue
            known = ", ".join(sorted(map(str, content)))[:200]
            raise CheckpointError(f"{source} has no '{key}' to keep. It has: {known}.")
        value = content[key]
        if key == "meta" and isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in LEFT_OUT and _is_plain(v)}
        if not _is_plain(value):
            raise CheckpointError(
                f"{source}: '{key}' holds objects of the program that wrote it, which are not read "
                "and cannot be kept."
            )
        parts[key] = value
    return parts


def _is_plain(value: object) -> bool:
    """Return whether a value is made of text, numbers, tensors and containers alone."""
    kinds = str | bytes | int | float | bool | None | Tensor
    return all_values(value, lambda one: isinstance(one, kinds), keys=True)
