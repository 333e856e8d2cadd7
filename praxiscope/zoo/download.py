"""Published files into a local cache: resumed when cut off, checked, in place only when whole."""

import hashlib
import os
import re
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from praxiscope.errors import CheckpointError
from praxiscope.transfer import RefusedError, StaleError, TransferError, ask


def cache_folder() -> Path:
    """Return ``$PRAXISCOPE_CACHE``, by default ``~/.cache/praxiscope/checkpoints``."""
    chosen = os.environ.get("PRAXISCOPE_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "praxiscope" / "checkpoints"


def expected_digest(name: str) -> str | None:
    """Return the first eight hex digits of the SHA-256 that end a published file's name.

    Every published checkpoint of this family has them; label maps and logs do not.
    """
    found = re.search(r"-([0-9a-f]{8})\.\w+$", name)
    return found[1] if found else None


def fetch_checkpoint(
    url: str,
    cache: Path | None = None,
    *,
    attempts: int = 5,
    wait_seconds: float = 1.0,
    timeout_seconds: float = 30.0,
) -> Path:
    """Return the local copy of ``url``, downloading it unless the cache holds it already.

    The eight hex digits of SHA-256 that end the name of a published checkpoint
    (``..._20200704-a69556c6.pth``) are checked on every call. A name without them, such as a label
    map's, can only be checked for length, and is then taken from the cache as it is.

    A download that is cut off stays as ``NAME.part`` and goes on from there, in this call (after
    ``wait_seconds``, twice that, and so on) or in a later one. Of several processes that want the
    same file, one downloads it and the others wait.

    Raises:
        CheckpointError: The address is not http, https or file; the server has no such file or
            cannot be reached; the disk is full; the digest is another (the file is then removed).
    """
    parts = urlsplit(url)
    name = Path(unquote(parts.path)).name
    if parts.scheme not in ("http", "https", "file") or not name:
        raise CheckpointError(
            f"{url} is no address of a file. Expected https://.../NAME, http:// or file://."
        )
    target = (cache or cache_folder()) / name
    part = target.with_name(f"{name}.part")
    digest = expected_digest(name)
    assert attempts > 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_whole(target, digest):
            return target
        with FileLock(target.with_name(f".{name}.lock")):  # of several processes one downloads
            if _is_whole(target, digest):
                return target
            if digest is None:
                part.unlink(missing_ok=True)  # nothing would show that its half is of another file
            for attempt in range(attempts):
                resumed = part.exists()
                try:
                    _download(url, part, timeout_seconds)
                except TransferError as error:
                    if attempt + 1 == attempts:
                        raise CheckpointError(
                            f"{url} could not be downloaded in {attempts} attempts: {error}. "
                            + (f"{target} is not the published file. " if target.exists() else "")
                            + "Check the connection and try again: it goes on where it stopped; "
                            f"or put the file at {target} yourself."
                        ) from error
                    time.sleep(wait_seconds * 2**attempt)
                    continue
                found = _sha256(part)
                if digest is None or found.startswith(digest):
                    part.replace(target)
                    return target
                part.unlink()
                if not resumed:  # what was there before may have been the wrong half
                    break
    except RefusedError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(
            f"{target} could not be written: {error.strerror or error}. Free some space, or set "
            "PRAXISCOPE_CACHE to another folder."
        ) from error
    raise CheckpointError(
        f"{url} is not the published file: its SHA-256 begins with {found[:8]}, expected {digest} "
        "as in its name. It was removed: try again, or download it by other means."
    )


def cached_checkpoint(url: str, cache: Path | None = None) -> Path | None:
    """Return the local copy of ``url`` if there is a whole one; nothing is downloaded."""
    name = Path(unquote(urlsplit(url).path)).name
    target = (cache or cache_folder()) / name
    return target if _is_whole(target, expected_digest(name)) else None


def _download(url: str, part: Path, timeout_seconds: float) -> None:
    """Bring ``part`` to its full length, from where it ends if the server can."""
    done = part.stat().st_size if part.exists() else 0
    try:
        with ask(url, done, timeout_seconds=timeout_seconds) as answer:
            done = answer.first
            with part.open("ab" if done else "wb") as file, _progress() as bar:
                name = part.name.removesuffix(".part")
                task = bar.add_task(name, total=answer.total, completed=done)
                for piece in answer.pieces():
                    file.write(piece)
                    bar.update(task, advance=len(piece))
    except StaleError:
        part.unlink(missing_ok=True)
        raise


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _is_whole(path: Path, digest: str | None) -> bool:
    return path.is_file() and (digest is None or _sha256(path).startswith(digest))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
