"""Writing a feature bank from any number of processes, each of which may die at any moment."""

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import (
    BANK_TYPES,
    Array,
    BankType,
    Rows,
    name_bytes,
    parts_folder,
    write_layout,
)
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import check_folder

log = logging.getLogger(__name__)

_ONLY_NAMES = {"recipe"}  # metadata that decide nothing of what is stored
_WHOLE = "whole"
_OURS = re.compile(rf"\.?([0-9a-f]{{64}}\.safetensors|{_WHOLE})(\.[0-9a-f]{{8}}\.tmp)?")


class BankWriter:
    """Writes the bank ``path``, video by video.

    A video's rows are a small bank of their own in the folder ``<path>.parts``: whole or not
    there. Whoever comes later, after a stop or in another process, finds them done. :meth:`finish`
    joins them; until then there is no file ``path``, and from then on it does not change. Its bytes
    follow from videos, rows and metadata alone.

    Processes share the work by any rule that gives each video to somebody:
    ``writer.pending(videos[rank::processes])``. If two do the same one, it is there once.

    Args:
        path: The file, such as ``val.safetensors``.
        channels: C: numbers in a feature.
        dtype: What is stored.
        metadata: Text on the model, its checkpoint and so on. A build goes on only under the same.

    Raises:
        DataError: ``path`` or its parts are of another bank, or something else.
        PraxiscopeError: The folder cannot be written to.
    """

    def __init__(
        self,
        path: str | Path,
        channels: int,
        dtype: BankType = "float16",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        assert dtype in BANK_TYPES and channels > 0, (dtype, channels)
        assert "format" not in (metadata or {}), "a name that the file needs itself"
        self.path = Path(path)
        self.channels, self.dtype, self.metadata = channels, dtype, dict(metadata or {})
        self._folder = parts_folder(self.path)
        if self.path.exists():
            self._check_same(self._finished())
            self._clean()  # what a death right after the end has left
            return
        check_folder(self._folder)
        for part in filter(_is_whole, self._parts()):
            self._check_same(Bank(part))
            break

    def pending(self, videos: Iterable[str]) -> list[str]:
        """Return which of ``videos`` are not there yet, in their order, each once."""
        videos = list(dict.fromkeys(videos))
        if self.path.exists():
            bank = Bank(self.path)
            return [video for video in videos if video not in bank]
        done = {part.name for part in self._parts() if _is_whole(part)}
        return [video for video in videos if _part_name(video) not in done]

    def add(self, video: str, seconds: Array, features: Array) -> None:
        """Store all rows of a video; from the return on, they survive the death of the process.

        Args:
            video: Its name.
            seconds: (n,) whole numbers in any order; n may be 0.
            features: (n, C), finite; rows of one second stay in their order.

        Raises:
            DataError: The arrays are not of this form, or the bank is finished.
            PraxiscopeError: The folder or the disk refuses.
        """
        rows = self._checked(video, np.asarray(seconds), np.asarray(features))
        if self.path.exists():
            raise DataError(
                f"{self.path} is finished, so '{video}' cannot be added. Choose another path."
            )
        self._write(self._folder / _part_name(video), [video], lambda _: rows)

    def finish(self, videos: Iterable[str] | None = None) -> Bank:
        """Join the videos and return the bank; one process does it, when all others are done.

        Args:
            videos: Those that the bank is to hold, no more and no less. None: all that are there.

        Raises:
            DataError: Videos are missing, or none is there.
            PraxiscopeError: The folder or the disk refuses; the videos stay, to be joined later.
        """
        wanted = None if videos is None else list(dict.fromkeys(videos))
        if wanted and (pending := self.pending(wanted)):
            raise DataError(
                f"{self.path} is not complete: {len(pending)} of {len(wanted)} videos are missing, "
                f"the first is '{pending[0]}'. Run the same command again: it goes on where it was."
            )
        if not self.path.exists():
            self._join(wanted)
        self._clean()
        return Bank(self.path, self.channels)

    def _join(self, wanted: list[str] | None) -> None:
        files: dict[str, Path] = {}
        parts = self._parts() if wanted is None else [self._folder / _part_name(v) for v in wanted]
        for part in parts:
            bank = Bank(part)
            self._check_same(bank)
            files.update((video, part) for video in bank.videos())
        if not files:
            raise DataError(f"{self.path} has no videos: none has been added.")
        whole = self._folder / _WHOLE
        for left in self._folder.glob(f".{_WHOLE}.*.tmp"):  # by a death within the line below
            left.unlink(missing_ok=True)
        self._write(whole, files, lambda video: Bank(files[video]).rows(video))
        try:
            whole.replace(self.path)
        except OSError as error:
            raise PraxiscopeError(
                f"{self.path} could not be written: {error.strerror}. Its parts are kept."
            ) from error

    def _write(self, path: Path, videos: Iterable[str], load: Callable[[str], Rows]) -> None:
        write_layout(
            path, videos, load, channels=self.channels, dtype=self.dtype, metadata=self.metadata
        )

    def _checked(self, video: str, seconds: Array, features: Array) -> Rows:
        """Return rows as they are stored."""
        where = f"'{video}' cannot be added to {self.path}"
        if features.ndim != 2 or features.shape[1] != self.channels:
            raise DataError(
                f"{where}: expected features of shape (n, {self.channels}), not {features.shape}. "
                "Is the bank of another network?"
            )
        if seconds.shape != features.shape[:1] or (len(seconds) and seconds.dtype.kind not in "iu"):
            raise DataError(
                f"{where}: expected {len(features)} whole seconds, one for each feature, not "
                f"{seconds.dtype} of shape {seconds.shape}."
            )
        order = np.argsort(seconds, kind="stable")
        with np.errstate(over="ignore"):  # which is then not finite
            stored = features[order].astype(self.dtype)
        broken = np.flatnonzero(~np.isfinite(stored).all(axis=1))
        if len(broken):
            raise DataError(
                f"{where}: a feature of second {seconds[order][broken[0]]} has NaN or infinity, or "
                f"a number too large for {self.dtype}. Check the checkpoint."
            )
        limits = np.iinfo(np.int32)
        if len(seconds) and not limits.min <= seconds.min() <= seconds.max() <= limits.max:
            raise DataError(f"{where}: a second is too far from 0 to be stored.")
        return Rows(seconds[order].astype(np.int32), stored)

    def _check_same(self, bank: Bank) -> None:
        """Raise DataError unless a bank that is there was begun as this one is."""
        ours = {"channels": str(self.channels), "dtype": self.dtype, **self.metadata}
        theirs = {"channels": str(bank.channels), "dtype": bank.dtype, **bank.metadata}
        for name in sorted((ours.keys() | theirs.keys()) - _ONLY_NAMES):
            if ours.get(name) != theirs.get(name):
                where = self.path if self.path.exists() else self._folder
                raise DataError(
                    f"{where} was made with {name} {theirs.get(name, 'not given')!r}, this run "
                    f"has {ours.get(name, 'not given')!r}: write another file, or remove that one."
                )

    def _finished(self) -> Bank:
        try:
            return Bank(self.path)
        except DataError as error:
            raise DataError(
                f"{self.path} is there, and no sound feature bank: choose another path, or remove "
                "it if it is a damaged one."
            ) from error

    def _parts(self) -> list[Path]:
        """Return the files of finished videos, and leave aside what others are writing or left."""
        try:
            found = sorted(self._folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PraxiscopeError(f"{self._folder} cannot be read: {error.strerror}.") from error
        for path in found:
            if not _OURS.fullmatch(path.name):
                raise DataError(
                    f"{self._folder} holds '{path.name}', which is no part of a bank. Remove it, "
                    "or choose another path."
                )
        return [path for path in found if path.suffix == ".safetensors"]

    def _clean(self) -> None:
        """Remove the parts of a finished bank."""
        with suppress(OSError):
            if all(_OURS.fullmatch(path.name) for path in self._folder.iterdir()):
                shutil.rmtree(self._folder)


def _is_whole(part: Path) -> bool:
    """Return whether a part can be read; one that cannot is made anew."""
    try:
        Bank(part)
    except DataError:
        log.warning("%s is damaged: its video is looked at once more.", part)
        return False
    return True


def _part_name(video: str) -> str:
    """Return a file name for any video, however its own name is spelt."""
    return f"{sha256(name_bytes(video)).hexdigest()}.safetensors"
