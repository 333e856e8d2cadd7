"""Banks as they are published: ``lfb_train.pkl`` and ``lfb_val.pkl``, both ways, to the bit.

Such a file is what torch.save makes of ``{video: {second: [feature, ...]}}``, of 1-D tensors. It is
read without executing anything in it.
"""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import BankType, Rows, write_layout
from praxiscope.errors import DataError
from praxiscope.files import write_atomically
from praxiscope.pickles.torch_files import read_torch_file

PublishedBank = Mapping[str, Mapping[int, list[Tensor]]]

_TYPES: dict[torch.dtype, BankType] = {torch.float16: "float16", torch.float32: "float32"}
_FIRST, _LAST = -(2**31), 2**31 - 1


def read_published(path: str | Path) -> PublishedBank:
    """Return what a published file holds; all features are (C,) of one element type.

    It is in memory as a whole: the file has no other way.

    Raises:
        DataError: The file is missing, damaged, or of another form: the video and the second.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} is no file. Expected a bank such as lfb_val.pkl: check the path.")
    try:
        content = read_torch_file(path)
    except Exception as error:  # a hostile file can raise nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path} is no published feature bank, or a damaged one: {reason}. Expected a file "
            "that torch.save wrote, such as lfb_val.pkl."
        ) from error
    first: Tensor | None = None
    num_bytes = 0
    for video, second, feature in _features(content, path):
        where = f"{path}, video '{video}', second {second}"
        if not isinstance(feature, Tensor) or feature.ndim != 1 or feature.dtype not in _TYPES:
            raise DataError(
                f"{where}: expected 1-D tensors of half or float, not {_kind(feature)}."
            )
        first = feature if first is None else first
        if feature.shape != first.shape or feature.dtype != first.dtype or not len(feature):
            raise DataError(
                f"{where}: {_kind(feature)}, but the first feature is {_kind(first)}. "
                "Expected all alike."
            )
        num_bytes += feature.nbytes
    if first is None:
        raise DataError(
            f"{path} holds no features, so it does not say how many channels they have."
        )
    if num_bytes > path.stat().st_size:  # written out, they could fill any disk
        raise DataError(f"{path} names the same features again and again: refused.")
    return content  # type: ignore[return-value]  # checked above


def _features(content: object, path: Path) -> Iterator[tuple[str, int, object]]:
    """Yield all features of what a file holds; raise DataError where it has another form."""
    form = "Expected {video: {second: [feature, ...]}}, as torch.save wrote lfb_val.pkl."
    if not isinstance(content, dict):
        raise DataError(f"{path} is no feature bank: it holds {_kind(content)}. {form}")
    for video, of_seconds in content.items():
        if not isinstance(video, str) or not isinstance(of_seconds, dict):
            raise DataError(f"{path} is no feature bank: {video!r:.80} is no video in it. {form}")
        for second, features in of_seconds.items():
            if type(second) is not int or not _FIRST <= second <= _LAST:
                raise DataError(f"{path}, video '{video}': {second!r:.80} is no second. {form}")
            if not isinstance(features, list):
                raise DataError(
                    f"{path}, video '{video}', second {second}: {_kind(features)}. {form}"
                )
            for feature in features:
                yield video, second, feature


def import_published(source: str | Path, path: str | Path, metadata: Mapping[str, str]) -> Bank:
    """Write a published file as a bank and return it.

    Seconds with an empty list are left out: they mean the same. Features keep their bits, and their
    order within a second.

    Raises:
        DataError: The file is not of this form (see :func:`read_published`).
        PraxiscopeError: The folder or the disk refuses.
    """
    content = read_published(source)
    first = next(f for seconds in content.values() for of_one in seconds.values() for f in of_one)

    def load(video: str) -> Rows:
        pairs = [(s, f) for s, of_one in sorted(content[video].items()) for f in of_one]
        features = torch.stack([f for _, f in pairs]) if pairs else first.new_empty(0, len(first))
        return Rows(np.array([s for s, _ in pairs], np.int32), features.numpy())

    write_layout(
        Path(path),
        content,
        load,
        channels=len(first),
        dtype=_TYPES[first.dtype],
        metadata=metadata,
    )
    return Bank(path)


def export_published(bank: Bank, path: str | Path) -> None:
    """Write a bank as a published file, whole or not at all.

    Raises:
        PraxiscopeError: The folder or the disk refuses.
    """
    content: dict[str, dict[int, list[Tensor]]] = {}
    for video in bank.videos():
        seconds, features = bank.rows(video)
        with warnings.catch_warnings():  # of memory that must not be written to, and is not
            warnings.simplefilter("ignore")
            tensors = torch.from_numpy(features)  # torch.save reads them from the bank's file
        content[video] = {}
        for second, feature in zip(seconds.tolist(), tensors, strict=True):
            content[video].setdefault(second, []).append(feature)
    write_atomically(path, lambda file: torch.save(content, file))


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')}, {tuple(value.shape)}"
    return f"a {type(value).__name__}"
