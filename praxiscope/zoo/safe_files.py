"""safetensors files, written without a second copy of the weights."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically


def write_safetensors(
    path: str | Path, tensors: Mapping[str, Tensor], meta: Mapping[str, str]
) -> None:
    """Write tensors and text entries, whole or not at all.

    Raises:
        PraxiscopeError: The disk is full or the folder refuses; a previous file survives.
    """
    apart = tensors_apart(tensors)

    def write(file: BinaryIO) -> None:
        try:
            save_file(apart, file.name, dict(meta) or None)  # from memory to disk, no copy between
            with Path(file.name).open("rb") as written:  # another file, for its owner alone
                os.fchmod(written.fileno(), os.fstat(file.fileno()).st_mode & 0o777)
                os.fsync(written.fileno())
        except SafetensorError as error:
            raise PraxiscopeError(
                f"{path} could not be written: {error}. Free some space or choose another folder."
            ) from error

    write_atomically(path, write)


def tensors_apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of which none shares its memory: what one file holds of another's is whole.

    Most already do not, and are not copied.
    """
    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        alone = storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        apart[name] = tensor if alone and tensor.is_contiguous() else tensor.clone().contiguous()
    return apart
