"""One video to convert, and how that went: what the processes of a conversion share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from praxiscope.data.transcode.image_folder import remove_leftovers
from praxiscope.errors import DataError


class Job(NamedTuple):
    """A video and the file or folder that it becomes."""

    source: Path
    target: Path


class Done(NamedTuple):
    """How it went. ``to write`` is only said where nothing is to be written."""

    how: Literal["written", "there", "to write", "failed"]
    problem: str = ""
    had_sound: bool = False


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What is done to every video. Both functions take the source and the target."""

    write: Callable[[Path, Path], bool | None]  # returns whether there was sound to leave out
    is_whole: Callable[[Path, Path], bool]
    overwrite: bool = False
    dry_run: bool = False

    def __call__(self, job: Job) -> Done:
        """Convert a video, unless its target is there and whole.

        Raises:
            PraxiscopeError: The disk refuses, as it will for the next one.
        """
        try:
            there = not self.overwrite and job.target.exists()
            if there and self.is_whole(job.source, job.target):
                return Done("there")
            if self.dry_run:
                return Done("to write")
            remove_leftovers(job.target)
            had_sound = self.write(job.source, job.target)
        except DataError as error:
            return Done("failed", str(error))
        return Done("written", had_sound=bool(had_sound))
