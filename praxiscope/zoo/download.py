"""Published files into a local cache: resumed when cut off, checked, in place only when whole."""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    FileHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

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

_CHUNK_BYTES = 1 << 20
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class _TransferError(Exception):
    """The connection failed in a way that may pass."""


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
                except _TransferError as error:
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
    request = Request(url, headers={"User-Agent": "praxiscope"})
    if done and not url.startswith("file:"):
        request.add_header("Range", f"bytes={done}-")
    with _network_errors(url, part):
        response = _opener().open(request, timeout=timeout_seconds)
    with response:
        resumes = getattr(response, "status", 200) == 206
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            part.unlink()
            raise _TransferError("the server went on from another place")
        done = done if resumes else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        with part.open("ab" if resumes else "wb") as file, _progress() as bar:
            task = bar.add_task(part.name.removesuffix(".part"), total=total, completed=done)
            while piece := _read(response, url, part):
                file.write(piece)
                done += len(piece)
                bar.update(task, completed=done)
    if total is not None and done != total:
        raise _TransferError(f"the server sent {done} of {total} bytes")


def _read(response: IO[bytes], url: str, part: Path) -> bytes:
    with _network_errors(url, part):
        return response.read(_CHUNK_BYTES)


@contextmanager
def _network_errors(url: str, part: Path) -> Iterator[None]:
    """Tell what may pass from what will not, and both from a full disk."""
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the part is longer than the file
            part.unlink()
        if error.code in _WORTH_ANOTHER_TRY or error.code == 416:
            raise _TransferError(f"the server answered {error.code} {error.reason}") from error
        raise CheckpointError(
            f"{url} could not be downloaded: the server answered {error.code} {error.reason}. "
            "Check the address."
        ) from error
    except URLError as error:
        if url.startswith("file:"):
            raise CheckpointError(f"{url} cannot be read: {error.reason}.") from error
        raise _TransferError(str(error.reason)) from error
    except (HTTPException, OSError) as error:
        raise _TransferError(str(error) or type(error).__name__) from error


class _SafeRedirects(HTTPRedirectHandler):
    """Follows http to http or https, and https to https only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request, or refuse an address of another kind."""
        if urlsplit(newurl).scheme not in {"https", req.type}:
            fp.close()
            raise CheckpointError(f"{req.full_url} redirects to {newurl}, which is not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    handlers: tuple[Any, ...] = (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        FileHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _SafeRedirects(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener


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
