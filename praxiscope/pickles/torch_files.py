"""Files that torch.save wrote, in both of its containers, read as data.

Every size that a file declares is checked against the file before memory is taken, and its pickles
go through :mod:`praxiscope.pickles.unpickle`: nothing in them is executed.
"""

import os
import pickletools
import zipfile
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Literal

import torch

from praxiscope.pickles.unpickle import Storage, StorageType, plain, unpickle

TorchFormat = Literal["torch zip", "torch legacy"]

HEAD_BYTES = 64  # from which the format is told
_LEGACY_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the number that opens torch files before 1.6
_CHUNK_BYTES = 1 << 24


def torch_format(head: bytes) -> TorchFormat | None:
    """Return how torch.save wrote a file that begins so, or None if it did not."""
    if head.startswith(b"PK\x03\x04"):
        return "torch zip"
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head:
        return "torch legacy"
    return None


def read_torch_file(path: Path) -> object:
    """Return what was saved, on the CPU, with placeholders for what is not known.

    Raises:
        ValueError: torch.save did not write the file.
        Exception: of many kinds, where the file is damaged or refused.
    """
    with path.open("rb") as file:
        kind = torch_format(file.read(HEAD_BYTES))
    if kind is None:
        raise ValueError("torch.save did not write it")
    return plain(_read_zip(path) if kind == "torch zip" else _read_legacy(path))


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


def _pickle_bytes(file: IO[bytes]) -> bytes:
    """Return the bytes of the next pickle in the file, up to its STOP."""
    begin = file.tell()
    for _ in pickletools.genops(file):
        pass
    end = file.tell()
    file.seek(begin, os.SEEK_SET)
    return file.read(end - begin)
