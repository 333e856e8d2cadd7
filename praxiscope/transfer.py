"""What a server answers to a request for a file: from where, how much, and whether to ask again.

Nothing that it says is trusted: lengths are checked, few redirects are followed, and only the
caller knows which name the bytes get.
"""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
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

from praxiscope.errors import PraxiscopeError

_PIECE_BYTES = 1 << 18
_MAY_PASS = {408, 425, 429}  # timeout, too early, too many; besides all errors of the server


class TransferError(Exception):
    """The transfer failed in a way that may pass.

    Attributes:
        wait_seconds: After how long the server wants to be asked again; None: it does not say.
    """

    def __init__(self, problem: str, wait_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.wait_seconds = wait_seconds


class StaleError(TransferError):
    """The server does not go on from where the caller wants: what is there has to be given up."""


class RefusedError(PraxiscopeError):
    """The server has no such file, or the address leads to where it must not."""


@dataclass(frozen=True)
class Answer:
    """The bytes of a file from ``first`` on.

    Attributes:
        first: Where they begin: where the caller wanted, or 0.
        total: Of the whole file, in bytes; None: the server does not say.
        version: What tells this version of the file from others, for the next request: a strong
            ETag or the time of the last change; None: the server does not say.
    """

    url: str
    first: int
    total: int | None
    version: str | None
    response: Any

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they come.

        Raises:
            TransferError: The connection broke, or ended too early.
        """
        done = self.first
        while self.total is None or done < self.total:
            with _network_errors(self.url, self.first):
                piece: bytes = self.response.read1(_PIECE_BYTES)
            if not piece:
                break
            if self.total is not None:
                piece = piece[: self.total - done]
            done += len(piece)
            yield piece
        if self.total is not None and done != self.total:
            raise TransferError(f"the server sent {done} of {self.total} bytes")


@contextmanager
def ask(
    url: str, first: int = 0, *, timeout_seconds: float, version: str | None = None
) -> Iterator[Answer]:
    """Open a file from byte ``first`` on, or from its start if the server cannot.

    Redirects lead to https, or from http to http on the same host.

    Args:
        timeout_seconds: How long the server may stay silent.
        version: Of the first bytes. Of another version the answer begins at 0.

    Raises:
        TransferError: It is worth to try again.
        StaleError: Without the bytes that are there.
        RefusedError: It is not.
    """
    request = Request(url, headers={"User-Agent": "praxiscope"})
    if first and not url.startswith("file:"):
        request.add_header("Range", f"bytes={first}-")
        if version is not None:
            request.add_header("If-Range", version)
    with _network_errors(url, first):
        response = _opener().open(request, timeout=timeout_seconds)
    with response:
        headers = response.headers
        resumes = getattr(response, "status", 200) == 206
        found = _version(headers)
        if resumes:
            span, _, size = headers.get("Content-Range", "").partition("/")
            if not first:
                raise TransferError("the server sent a part that nobody asked for")
            if not span.startswith(f"bytes {first}-"):
                raise StaleError("the server went on from another place")
            if version is not None and found is not None and found != version:
                raise StaleError("the file on the server changed")
        first = first if resumes else 0
        length = _number(headers.get("Content-Length", ""))
        total = _number(size) if resumes else None
        if total is None and length is not None:
            total = first + length
        yield Answer(url, first, total, found, response)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _printable(text: object) -> str:
    """Return what a server said without what a terminal or a list would obey."""
    return "".join(char if char.isprintable() else "?" for char in str(text)[:200])


def _version(headers: HTTPMessage) -> str | None:
    """Return a strong ETag, else the time of the last change: what If-Range takes."""
    etag = headers.get("ETag", "").strip()
    version = etag if etag.startswith('"') else headers.get("Last-Modified", "").strip()
    return version if version and version.isprintable() and version.isascii() else None


@contextmanager
def _network_errors(url: str, first: int) -> Iterator[None]:
    """Tell what may pass from what will not, and both from a full disk."""
    try:
        yield
    except HTTPError as error:
        error.close()
        said = f"the server answered {error.code} {_printable(error.reason)}"
        if error.code == 416 and first:
            raise StaleError(said) from error
        if error.code in _MAY_PASS or error.code >= 500:
            raise TransferError(said, _retry_after(error.headers)) from error
        raise RefusedError(f"{url} could not be downloaded: {said}. Check the address.") from error
    except URLError as error:
        if url.startswith("file:"):
            raise RefusedError(f"{url} cannot be read: {error.reason}.") from error
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise RefusedError(
                f"{url} could not be downloaded: its certificate is not accepted "
                f"({error.reason.verify_message}). Check the address and this machine's clock."
            ) from error
        raise TransferError(_printable(error.reason)) from error
    except (HTTPException, OSError) as error:
        raise TransferError(_printable(error) or type(error).__name__) from error
    except ValueError as error:  # of a host's or a port's name
        raise RefusedError(f"{url} is no address of a file: {_printable(error)}.") from error


def _retry_after(headers: Message) -> float | None:
    """Return the seconds until the server wants to be asked again, which it may give as a date."""
    value = headers.get("Retry-After", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return float(seconds)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


class _SafeRedirects(HTTPRedirectHandler):
    """Follows to https, and from http to http on the same host."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request, or refuse an address of another kind."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        same_host = (new.scheme, new.hostname) == ("http", old.hostname) and old.scheme == "http"
        if new.scheme != "https" and not same_host:
            fp.close()
            raise RefusedError(
                f"{req.full_url} redirects to {_printable(newurl)}, which is not followed."
            )
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
