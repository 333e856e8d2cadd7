"""Files written whole or not at all."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from praxiscope.errors import PraxiscopeError


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Make ``path`` the bytes that ``write`` puts into the file it is given.

    The bytes go to a temporary file in the same folder, made if it is missing, reach the disk, and
    then replace ``path`` in one step. Whatever fails before that, even a full disk or Ctrl-C, the
    temporary file is removed and the previous file stays as it was.

    Raises:
        PraxiscopeError: The folder or the disk refuses. Other errors of ``write`` pass through.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except PraxiscopeError:  # of ``write`` itself: it says more than the error at its root
        raise
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        kept = " The previous file is unchanged." if path.exists() else ""
        raise PraxiscopeError(
            f"{path} could not be written: {refusal.strerror or refusal}.{kept} "
            "Free some space or choose another folder."
        ) from error


def check_folder(path: Path) -> None:
    """Make a folder, if need be, and prove that files can be written into it.

    Raises:
        PraxiscopeError: The path or the disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:  # permission bits tell root nothing
            file.write(b"room for a byte")
    except OSError as error:
        raise PraxiscopeError(
            f"{path} cannot be used as a folder to write to: {error.strerror}. Choose another."
        ) from error


def _refusal(error: BaseException | None) -> OSError | None:
    """Return the OSError at the root of ``error``: torch.save wraps what its file raises."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None
