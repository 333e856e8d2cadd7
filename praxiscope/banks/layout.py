"""The file of a feature bank: four arrays in one safetensors file, mapped and never loaded.

    starts    (V + 1,) int64  where the rows of each video begin, and N
    seconds   (N,) int32      of each row; ascending within a video
    features  (N, C)          float16 or float32; the rows of a second in the order they came in
    videos    (V, W) uint8    names in UTF-8, ascending, zeros behind them

Letters: V videos, N rows (a person in a second), C channels, W bytes of the longest name.
What is in a bank decides its bytes, all of them: no date, no order of writing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from praxiscope.errors import DataError
from praxiscope.files import write_atomically

Array = npt.NDArray[Any]
BankType = Literal["float16", "float32"]

BANK_TYPES: tuple[BankType, ...] = ("float16", "float32")
FORMAT = "praxiscope feature bank 1"
_STORED: dict[str, tuple[str, ...]] = {  # in this order, so that each is aligned to its numbers
    "starts": ("I64",),
    "seconds": ("I32",),
    "features": ("F16", "F32"),
    "videos": ("U8",),
}
_DTYPES = {"I64": "<i8", "I32": "<i4", "F16": "<f2", "F32": "<f4", "U8": "|u1"}
_ALIGNMENT = 64


class Rows(NamedTuple):
    """What a bank holds of one video: n rows, of which each is a person in a second."""

    seconds: npt.NDArray[np.int32]  # (n,) ascending
    features: Array  # (n, C) float16 or float32


@dataclass(frozen=True)
class Layout:
    """The arrays of a bank's file, mapped."""

    starts: npt.NDArray[np.int64]  # (V + 1,)
    seconds: npt.NDArray[np.int32]  # (N,)
    features: Array  # (N, C)
    videos: Array  # (V,) bytes
    metadata: Mapping[str, str]  # as given by whoever made the bank


def name_bytes(video: str) -> bytes:
    """Return a video's name as it is stored.

    Raises:
        DataError: It is empty, no text, or has a NUL in it.
    """
    try:
        name = video.encode()
    except UnicodeEncodeError:
        name = b""
    if not name or b"\0" in name:
        raise DataError(f"{video!r} cannot be a video of a bank: expected a name of plain text.")
    return name


def write_layout(
    path: Path,
    videos: Iterable[str],
    load: Callable[[str], Rows],
    *,
    channels: int,
    dtype: BankType,
    metadata: Mapping[str, str],
) -> None:
    """Write the bank of ``videos``, whole or not at all.

    ``load`` is called twice for each of them, so that rows are in memory one video at a time.

    Raises:
        DataError: A video's name cannot be stored.
        PraxiscopeError: The folder or the disk refuses.
    """
    names = {name_bytes(video): video for video in videos}
    order = sorted(names)
    seconds = [np.array(load(names[name]).seconds, "<i4") for name in order]
    lengths = [len(of_video) for of_video in seconds]
    starts = np.cumsum([0, *lengths], dtype="<i8")
    width = max(map(len, order), default=1)
    shapes = {
        "starts": (len(starts),),
        "seconds": (int(starts[-1]),),
        "features": (int(starts[-1]), channels),
        "videos": (len(order), width),
    }
    types = {name: stored[0] for name, stored in _STORED.items()}
    types["features"] = "F16" if dtype == "float16" else "F32"

    def write(file: BinaryIO) -> None:
        file.write(_header(shapes, types, metadata))
        file.write(starts.tobytes())
        for of_video in seconds:
            file.write(of_video.tobytes())
        for name, length in zip(order, lengths, strict=True):
            features = load(names[name]).features
            assert features.shape == (length, channels) and features.dtype == dtype, names[name]
            file.write(np.ascontiguousarray(features, _DTYPES[types["features"]]).data)
        for name in order:
            file.write(name.ljust(width, b"\0"))

    write_atomically(path, write)


def _header(
    shapes: Mapping[str, tuple[int, ...]], types: Mapping[str, str], metadata: Mapping[str, str]
) -> bytes:
    """Return what a safetensors file begins with: eight bytes of length, and the JSON."""
    header: dict[str, object] = {
        "__metadata__": {"format": FORMAT, **dict(sorted(metadata.items()))}
    }
    end = 0
    for name in _STORED:
        begin, shape = end, shapes[name]
        end += int(np.prod(shape, dtype=np.int64)) * np.dtype(_DTYPES[types[name]]).itemsize
        header[name] = {"dtype": types[name], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def parts_folder(path: Path) -> Path:
    """Return where the parts of a bank are until it is finished."""
    return path.with_name(f"{path.name}.parts")


def read_layout(path: Path) -> Layout:
    """Return the arrays of a bank's file, of which nothing is read but the header.

    Raises:
        DataError: The file is missing, unreadable, truncated, or no bank.
    """
    parts = parts_folder(path)
    if not path.exists() and parts.is_dir():
        raise DataError(
            f"{path} is not finished: {parts} has what is done. Run the command that fills it "
            "again: it goes on there."
        )
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(
            f"{path} {found}. Expected a feature bank: one file, as 'praxiscope bank' writes it."
        )
    try:
        return _mapped(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(
            f"{path} is no feature bank, or a damaged one: {str(error).rstrip('.')}. Build it, or "
            "convert a published file with 'praxiscope bank convert'."
        ) from error


def _mapped(path: Path) -> Layout:
    with safe_open(path, framework="np") as file:  # checks every size against the file
        metadata = dict(sorted((file.metadata() or {}).items()))  # safetensors has no order
    if metadata.pop("format", None) != FORMAT:
        raise ValueError(f"expected 'format': '{FORMAT}' in its metadata")
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = np.asarray(np.memmap(file, np.uint8, "r", offset=file.tell()))
    arrays: dict[str, Array] = {}
    for name, allowed in _STORED.items():
        entry = header[name]
        if entry["dtype"] not in allowed:
            raise ValueError(f"'{name}' has numbers of type {entry['dtype']}")
        begin, end = entry["data_offsets"]
        arrays[name] = data[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    starts, seconds, features, videos = arrays.values()
    if features.ndim != 2 or videos.ndim != 2 or not features.shape[1] or not videos.shape[1]:
        raise ValueError("its arrays have other dimensions than a bank's")
    if seconds.shape != features.shape[:1] or starts.shape != (len(videos) + 1,):
        raise ValueError("its arrays do not belong together")
    if starts[0] != 0 or starts[-1] != len(seconds):
        raise ValueError("its index does not end where its rows do")
    names = videos.reshape(-1).view(f"S{videos.shape[1]}")
    return Layout(starts, seconds, features, names, metadata)
