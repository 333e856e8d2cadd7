"""Checkpoint files: what kind a file is, and its content with nothing in it executed.

``torch.load(weights_only=True)`` refuses what mmengine writes beside the tensors and trusts the
sizes a file declares, so all torch files take one path: :mod:`praxiscope.pickles.torch_files`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import safe_open
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.pickles.torch_files import HEAD_BYTES, TorchFormat, read_torch_file, torch_format
from praxiscope.pickles.unpickle import plain, unpickle_file

Format = TorchFormat | Literal["safetensors", "pickle"]

_EXPECTED = "Expected a file written by torch.save (.pth, .pt, .ckpt) or a .safetensors file"
_PICKLE_PROTOCOLS = (2, 3, 4, 5)  # those that begin with their number


def checkpoint_format(path: str | Path) -> Format:
    """Return the kind of checkpoint, told from the content and never from the file's name.

    Raises:
        CheckpointError: The file is missing, unreadable or no checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder. {_EXPECTED}: name a file in it.")
    if not path.exists():
        raise CheckpointError(f"{path} does not exist. {_EXPECTED}: check the path.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if (torch_kind := torch_format(head)) is not None:
        return torch_kind
    if head[:1] == b"\x80" and head[1:2] and head[1] in _PICKLE_PROTOCOLS:
        return "pickle"
    if head[8:9] == b"{" and 8 + int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return "safetensors"
    found = f"it starts with {head[:8]!r}" if head else "it is empty"
    raise CheckpointError(
        f"{path} is no checkpoint: {found}. {_EXPECTED}: check the path or download it again."
    )


def read_checkpoint_file(path: str | Path) -> Mapping[object, object]:
    """Return what a checkpoint holds, on the CPU, executing nothing in it.

    A torch file or a pickle gives the mapping that was saved, in which unknown classes and the
    results of unknown functions are :class:`~praxiscope.pickles.inert.Placeholder`; a safetensors
    file gives ``{"state_dict": tensors, "meta": its text entries}``.

    Raises:
        CheckpointError: The file is missing, damaged, no checkpoint, or holds no tensors.
    """
    path = Path(path)
    kind = checkpoint_format(path)
    reader = {
        "torch zip": read_torch_file,
        "torch legacy": read_torch_file,
        "safetensors": _read_safe,
        "pickle": _read_pickle,
    }[kind]
    try:
        content = reader(path)
    except Exception as error:  # a hostile file can raise nearly anything
        raise CheckpointError(
            f"{path} is a damaged or refused checkpoint ({kind}): {_reason(error)}. "
            f"{_EXPECTED}: download or write it again."
        ) from error
    if kind == "pickle" and not (isinstance(content, dict) and _holds_weights(content)):
        raise CheckpointError(
            f"{path} is no checkpoint: it is a pickle without tensors or arrays by name. "
            f"{_EXPECTED}, or a Caffe2 model (.pkl): check the path."
        )
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds no weights but a {type(content).__name__}. Expected a dictionary of "
            "tensors, or one under 'state_dict': save model.state_dict()."
        )
    if not _holds_weights(content):
        raise CheckpointError(
            f"{path} holds a dictionary without tensors. Expected tensors in it, or under "
            "'state_dict': save model.state_dict()."
        )
    return content


def _holds_weights(content: dict[object, object]) -> bool:
    nested = [value for value in content.values() if isinstance(value, dict)]
    items = (item for group in [content, *nested] for item in group.values())
    return any(isinstance(item, Tensor | np.ndarray) for item in items)


def _reason(error: Exception) -> str:
    first_line = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return first_line or type(error).__name__


def _read_safe(path: Path) -> object:
    with safe_open(path, framework="pt", device="cpu") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {"state_dict": tensors, "meta": file.metadata() or {}}


def _read_pickle(path: Path) -> object:
    """Read a plain pickle, such as those of Caffe2 models: ``{"blobs": {name: array}}``."""
    with path.open("rb") as file:
        content = plain(unpickle_file(file))
        if file.read(1):
            raise ValueError("it goes on after its end")
    return content
