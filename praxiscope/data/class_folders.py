"""A plain folder as a dataset: one sub-folder per class, divided into training and validation."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from praxiscope.errors import DataError

# fmt: off
VIDEO_SUFFIXES = frozenset([
    ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts",
    ".webm", ".wmv",
])
# fmt: on
IMAGE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".webp"])


def find_classes(root: Path) -> tuple[str, ...]:
    """Return the names of the sub-folders of ``root`` in alphabetical order, hidden ones left out.

    Raises :class:`DataError` if there are none, or no such folder.
    """
    try:
        found = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    except OSError as error:
        raise DataError(
            f"{root} cannot be read as a folder of videos: {error.strerror}."
        ) from error
    names = tuple(sorted(name for name in found if not name.startswith(".")))
    if not names:
        raise DataError(
            f"{root} has no sub-folders. Expected one per class, with its videos inside."
        )
    return names


def find_videos(root: Path, name: str, suffixes: frozenset[str]) -> list[str]:
    """Return the paths of a class's videos below ``root``, with forward slashes, in order.

    They are files of these suffixes at any depth, or, where there are no suffixes, the class's own
    sub-folders.
    """
    folder = root / name
    found = (
        _files_below(folder, suffixes)
        if suffixes
        else [path for path in folder.iterdir() if path.is_dir()]
    )
    visible = (path for path in found if not path.name.startswith("."))
    return sorted(path.relative_to(root).as_posix() for path in visible)


def _files_below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return [
        Path(path, file)
        for path, _, files in os.walk(folder)
        for file in files
        if Path(file).suffix.lower() in suffixes
    ]


def divide(paths: Sequence[str], val_share: float, seed: int) -> tuple[list[str], list[str]]:
    """Return (training, validation) of one class's videos, each in the order given.

    A video's side depends on its path, ``seed`` and ``val_share`` alone, so that it stays where it
    is when others are added. Only a class of two or more that would be all on one side is
    corrected: the video nearest to the border moves over.
    """
    place = {path: _place(path, seed) for path in paths}
    num_val = sum(place[path] < val_share for path in paths)
    if len(paths) >= 2:
        num_val = min(max(num_val, 1), len(paths) - 1)
    val = set(sorted(paths, key=place.__getitem__)[:num_val])
    return [path for path in paths if path not in val], [path for path in paths if path in val]


def _place(path: str, seed: int) -> float:
    """Return a number from 0 to 1 that depends on the path and the seed alone, on every machine."""
    digest = hashlib.sha256(f"{seed}:{path}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
