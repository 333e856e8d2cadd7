"""A file from an address into a folder: tried again, gone on with, checked, in place when whole."""

import errno
import hashlib
import os
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from praxiscope.data.download_list import ORIGIN, PART, Wanted
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.transfer import RefusedError, StaleError, TransferError, ask

_HASHED_BYTES = 1 << 22
_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_WAIT_ASKED_FOR = 3600.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no other file will fare better


class DownloadStoppedError(Exception):
    """The download was told to stop; what there is of the file is kept."""


@dataclass(frozen=True)
class Outcome:
    """How a download went.

    Attributes:
        size: In bytes; 0 of what failed.
        problem: Of what failed: one sentence.
    """

    how: Literal["downloaded", "there", "failed"]
    size: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Downloader:
    """Downloads files into a folder.

    Attributes:
        retries: After how many failures in a row that brought no more bytes to give up, less one.
        wait_seconds: Before the second try; then twice that, and so on, less a random part. A
            server may ask for more.
        timeout_seconds: How long a server may stay silent.
        overwrite: Download anew what is there but does not agree with the list, or has no checksum.
        stop: Once it is set, every download ends soon.
        wait: Sleeps; None: until ``stop`` is set at most.
        tell: Is given what is wanted, how many bytes there are, and of how many, if that is known.
    """

    folder: Path
    retries: int = 5
    wait_seconds: float = 1.0
    timeout_seconds: float = 30.0
    overwrite: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None
    tell: Callable[[Wanted, int, int | None], None] = lambda wanted, done, total: None

    def __call__(self, wanted: Wanted) -> Outcome:
        """Download a file unless it is there; what fails is an outcome.

        Raises:
            PraxiscopeError: The disk is full or read-only.
            DownloadStoppedError: ``stop`` is set.
        """
        target = self.folder / wanted.name
        try:
            there = self.is_there(wanted)
            if there is not None:
                return there
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(wanted, target)
            return Outcome("downloaded", target.stat().st_size)
        except (DataError, RefusedError) as error:
            return Outcome("failed", problem=str(error))
        except OSError as error:
            why = f"{target} could not be written: {error.strerror or error}."
            if error.errno in _FULL:
                raise PraxiscopeError(
                    f"{why} Free some space or choose another folder, and try again: it goes on "
                    "where it stopped."
                ) from error
            return Outcome("failed", problem=why)

    def is_there(self, wanted: Wanted) -> Outcome | None:
        """Return that a file is there already, or in the way; None if it is to be downloaded."""
        target = self.folder / wanted.name
        if not target.exists():
            return None
        if not target.is_file():
            return Outcome("failed", problem=f"{target} is in the way: it is no file.")
        difference = self._difference(wanted, target)
        if self.overwrite and (difference or not (wanted.sha256 or wanted.md5)):
            return None
        if difference:
            problem = f"{target} is there, but {difference}: --overwrite replaces it."
            return Outcome("failed", problem=problem)
        return Outcome("there", target.stat().st_size)

    def _fetch(self, wanted: Wanted, target: Path) -> None:
        """Put the file in place once it is whole."""
        part, origin = target.with_name(target.name + PART), target.with_name(target.name + ORIGIN)
        failures = furthest = 0
        afresh = False
        while True:
            try:
                resumed = self._receive(wanted, part, origin)
            except StaleError:
                part.unlink(missing_ok=True)
                continue
            except TransferError as error:
                size = part.stat().st_size if part.exists() else 0
                failures = 1 if size > furthest else failures + 1
                furthest = max(size, furthest)
                self._wait(wanted, failures, error)
                continue
            difference = self._difference(wanted, part)
            if difference is None:
                part.replace(target)
                origin.unlink(missing_ok=True)
                return
            part.unlink()
            origin.unlink(missing_ok=True)
            if afresh or not resumed:
                raise DataError(f"{wanted.address} is not what the list says: {difference}.")
            afresh = True  # the bytes from before may have been the wrong ones

    def _receive(self, wanted: Wanted, part: Path, origin: Path) -> bool:
        """Bring ``part`` to its full length; return whether some bytes are from before."""
        done, total, version = self._from_before(wanted, part, origin)
        self._check_stop()
        if done and done == total:
            return True
        with ask(
            wanted.address, done, timeout_seconds=self.timeout_seconds, version=version
        ) as answer:
            if None not in (answer.total, wanted.size) and answer.total != wanted.size:
                raise DataError(
                    f"{wanted.address} has {answer.total} bytes, but the list says {wanted.size}."
                )
            done = answer.first
            if not done:  # in this order, no half is ever taken for that of another version
                part.unlink(missing_ok=True)
                known = (wanted.address, answer.version or "", str(answer.total or ""))
                origin.write_text("\n".join(known), encoding="utf-8")
            self.tell(wanted, done, answer.total)
            with part.open("ab" if done else "wb") as file:
                for piece in answer.pieces():
                    self._check_stop()
                    file.write(piece)
                    done += len(piece)
                    self.tell(wanted, done, answer.total)
                    if wanted.size is not None and done > wanted.size:
                        break  # a server that does not say how much it sends may send for ever
                file.flush()
                os.fsync(file.fileno())
        return answer.first > 0

    def _from_before(
        self, wanted: Wanted, part: Path, origin: Path
    ) -> tuple[int, int | None, str | None]:
        """Return how much there is to go on from, the whole length, and the server's version."""
        if not part.is_file() or not origin.is_file():
            return 0, None, None
        known = origin.read_text(encoding="utf-8", errors="replace").split("\n")
        if len(known) != 3 or known[0] != wanted.address:
            return 0, None, None
        version = known[1] if known[1].isprintable() and known[1].isascii() else ""
        if not (version or wanted.sha256 or wanted.md5):
            return 0, None, None  # nothing would show that its half is of another file
        total = int(known[2]) if re.fullmatch(r"[0-9]{1,18}", known[2]) else None
        return part.stat().st_size, total, version or None

    def _wait(self, wanted: Wanted, failures: int, error: TransferError) -> None:
        """Wait before the next try, or raise if that was the last."""
        again = "Try again: it goes on where it stopped."
        if failures > self.retries:
            raise DataError(
                f"{wanted.address} could not be downloaded: {error}; the last {failures} attempts "
                f"brought nothing more. {again}"
            ) from error
        seconds = min(self.wait_seconds * 2 ** min(failures - 1, 30), _LONGEST_WAIT_SECONDS)
        seconds *= random.uniform(0.5, 1.0)  # not all at once
        if error.wait_seconds is not None:
            if error.wait_seconds > _LONGEST_WAIT_ASKED_FOR:
                raise DataError(
                    f"{wanted.address} could not be downloaded: {error}, and wants to be asked "
                    f"again in {error.wait_seconds / 3600:.1f} hours. {again}"
                ) from error
            seconds = max(seconds, error.wait_seconds)
        (self.wait or self.stop.wait)(seconds)
        self._check_stop()

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise DownloadStoppedError

    def _difference(self, wanted: Wanted, path: Path) -> str | None:
        """Return in what a file differs from what the list says."""
        size = path.stat().st_size
        if wanted.size is not None and size != wanted.size:
            return f"it has {size} bytes, expected {wanted.size}"
        for kind, expected in (("sha256", wanted.sha256), ("md5", wanted.md5)):
            if expected is None:
                continue
            digest = hashlib.new(kind, usedforsecurity=False)
            with path.open("rb") as file:
                while piece := file.read(_HASHED_BYTES):
                    self._check_stop()
                    digest.update(piece)
            if digest.hexdigest() != expected:
                return f"its {kind} is {digest.hexdigest()}, expected {expected}"
        return None
