"""Checkpoint files: what kind a file is, and its content with nothing in it executed.

``torch.load(weights_only=True)`` refuses what mmengine writes beside the tensors and trusts the
sizes a file declares, so all torch files take one path here: our container readers, which check
every declared size against the file, and :mod:`praxiscope.pickles.unpickle`.
"""

import os
import pickletools
import zipfile
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Literal

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.pickles.unpickle import Storage, StorageType, plain, unpickle, unpickle_file

Format = Literal["torch zip", "torch legacy", "safetensors", "pickle"]

_EXPECTED = "Expected a file written by torch.save (.pth, .pt, .ckpt) or a .safetensors file"
_PICKLE_PROTOCOLS = (2, 3, 4, 5)  # those that begin with their number
_LEGACY_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the number that opens torch files before 1.6
_CHUNK_BYTES = 1 << 24


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
            head = file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if head.startswith(b"PK\x03\x04"):
        return "torch zip"
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head:
        return "torch legacy"
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
        "torch zip": _read_zip,
        "torch legacy": _read_legacy,
        "safetensors": _read_safe,
        "pickle": _read_pickle,
    }[kind]
    try:
        content = plain(reader(path))
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


class _Storages:
    """Storages by name, made on first mention, never more bytes in all than the file has."""

    def __init__(self, path: Path) -> None:
        self.by_key: dict[str, Storage] = {}
        self._bytes_left = path.stat().st_size

    def __call__(self, pid: object) -> Storage:
        """Return the storage that a persistent id names.

        ``("storage", type, key, device, elements)``, and in legacy files also None or the
        ``(key, first element, elements)`` of a view on it.
        """
        match pid:
            case ("storage", StorageType(dtype=dtype), str(key), _, int(elements), *rest):
                whole = self._whole(key, dtype, elements)
            case _:
                raise ValueError("a tensor's storage is not described as torch does it")
        match rest:
            case [] | [None]:
                return whole
            case [(_, int(first), int(length))] if 0 <= first <= first + length <= elements:
                begin, end = first * dtype.itemsize, (first + length) * dtype.itemsize
                return Storage(whole.data[begin:end], dtype)
            case _:
                raise ValueError("a view lies outside its storage")

    def _whole(self, key: str, dtype: torch.dtype, elements: int) -> Storage:
        num_bytes = elements * dtype.itemsize
        if key not in self.by_key:
            if not 0 <= num_bytes <= self._bytes_left:
                raise ValueError(f"storage '{key}' declares {num_bytes} bytes, more than there are")
            self._bytes_left -= num_bytes
            self.by_key[key] = Storage(torch.empty(num_bytes, dtype=torch.uint8), dtype)
        storage = self.by_key[key]
        if storage.dtype != dtype or storage.data.numel() != num_bytes:
            raise ValueError(f"storage '{key}' is declared in two ways")
        return storage


def _fill(storage: Storage, source: BufferedIOBase | IO[bytes], key: str) -> None:
    """Read the storage's bytes from ``source``."""
    target = storage.data.numpy().data
    done = 0
    while done < len(target):
        piece = source.read(min(_CHUNK_BYTES, len(target) - done))
        if not piece:
            raise ValueError(f"it ends within storage '{key}', after {done} of {len(target)} bytes")
        target[done : done + len(piece)] = piece
        done += len(piece)


def _read_zip(path: Path) -> object:
    """Read the archive of torch 1.6 and newer: NAME/data.pkl and one entry per storage."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a zip archive that torch.save did not write")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}constants.pkl" in archive.NameToInfo:
            raise ValueError("a TorchScript program, not a dictionary of tensors")
        if (
            f"{root}byteorder" in archive.NameToInfo
            and _entry(archive, f"{root}byteorder") == b"big"
        ):
            raise ValueError("written on a big-endian machine")
        storages = _Storages(path)
        content = unpickle(_entry(archive, pickles[0]), storages)
        for key, storage in storages.by_key.items():
            info = _stored(archive, f"{root}data/{key}")
            if info.file_size != storage.data.numel():
                raise ValueError(f"storage '{key}' is not as long as declared")
            with archive.open(info) as entry:
                _fill(storage, entry, key)
        return content


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return an entry's record. torch compresses nothing, so a bomb cannot be one of its files."""
    info = archive.NameToInfo.get(name)
    if info is None:
        raise ValueError(f"'{name}' is missing from the archive")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"'{name}' is compressed, which torch.save does not do")
    return info


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(_stored(archive, name))


def _read_legacy(path: Path) -> object:
    """Read the format before torch 1.6: five pickles, then every storage: count, bytes."""
    storages = _Storages(path)
    with path.open("rb") as file:
        for _ in ("magic number", "protocol version", "system information"):
            _pickle_bytes(file)
        content = unpickle(_pickle_bytes(file), storages)
        keys = unpickle(_pickle_bytes(file))
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages.by_key):
            raise ValueError("the list of storages differs from those in use")
        for key in keys:
            storage = storages.by_key[key]
            count = file.read(8)
            if len(count) < 8:
                raise ValueError(f"it ends before storage '{key}'")
            elements = int.from_bytes(count, "little", signed=True)
            if elements * storage.dtype.itemsize != storage.data.numel():
                raise ValueError(f"storage '{key}' is not as long as declared")
            _fill(storage, file, key)
    return content


def _read_pickle(path: Path) -> object:
    """Read a plain pickle, such as those of Caffe2 models: ``{"blobs": {name: array}}``."""
    with path.open("rb") as file:
        content = unpickle_file(file)
        if file.read(1):
            raise ValueError("it goes on after its end")
    return content


def _pickle_bytes(file: IO[bytes]) -> bytes:
    """Return the bytes of the next pickle in the file, up to its STOP."""
    begin = file.tell()
    for _ in pickletools.genops(file):
        pass
    end = file.tell()
    file.seek(begin, os.SEEK_SET)
    return file.read(end - begin)
