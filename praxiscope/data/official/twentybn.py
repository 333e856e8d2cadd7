"""Jester and Something-Something V1 of TwentyBN: ``id;class``, and a file of classes by label.

A video is a folder of images that is named after its id: ``1/00001.jpg``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from praxiscope.data.official.reading import (
    Listed,
    Subset,
    check_classes,
    find_file,
    read_lines,
    unique,
)
from praxiscope.errors import DataError, did_you_mean


def read_jester(folder: Path, split: Literal["train", "val"]) -> Subset:
    """Return a split of Jester; see :func:`read_twentybn`."""
    return read_twentybn(folder, split, "jester-v1", 27)


def read_something_v1(folder: Path, split: Literal["train", "val"]) -> Subset:
    """Return a split of Something-Something V1; see :func:`read_twentybn`."""
    return read_twentybn(folder, split, "something-something-v1", 174)


def read_twentybn(
    folder: Path, split: Literal["train", "val"], name: str, num_classes: int
) -> Subset:
    """Return a split from ``<name>-train.csv`` or ``-validation.csv`` and ``<name>-labels.csv``.

    Labels number the lines of the file of classes.

    Raises :class:`DataError` naming the file and the line that is not of the official form.
    """
    labels = find_file(folder, (f"{name}-labels.csv",), "file of classes")
    classes: dict[str, int] = {}
    for where, line in read_lines(labels):
        if line in classes:
            raise DataError(f"{where}: the class '{line[:80]}' is named a second time.")
        classes[line] = len(classes)
    check_classes(classes, num_classes, labels)
    file = f"{name}-{'train' if split == 'train' else 'validation'}.csv"
    path = find_file(folder, (file,), f"{split} list")
    return Subset(unique(_read_list(path, classes), path), tuple(classes))


def _read_list(path: Path, classes: dict[str, int]) -> Iterator[Listed]:
    for where, line in read_lines(path):
        number, separator, name = line.partition(";")
        if not separator or not re.fullmatch(r"[0-9]{1,9}", number):
            raise DataError(f"{where}: expected 'number;class', not {line[:80]!r}.")
        if name not in classes:
            guess = did_you_mean(name[:200], classes)
            raise DataError(f"{where}: there is no class '{name[:80]}'.{guess}")
        yield Listed(where, number, classes[name])
