"""Folders of generated videos: whose they are, what is missing in them, writing it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from praxiscope.errors import DataError
from praxiscope.files import write_atomically


def claim_folder(
    record: Path,
    settings: Mapping[str, object],
    folders: Sequence[Path],
    there: Iterable[Path],
    wanted: set[Path],
) -> None:
    """Leave those of the videos ``there`` that are ``wanted`` and have these settings.

    Args:
        record: The file that says with which settings the videos were made; written anew.
        folders: Where the videos are. Without a record they must not exist: it is then somebody
            else's folder.

    Raises:
        DataError: The folders hold videos that were not generated, or the record is damaged.
    """
    if not record.exists():
        for folder in folders:
            if folder.exists():
                raise DataError(
                    f"{folder} exists, but {record} does not: these videos were not generated "
                    "here. Choose another folder."
                )
    keep = wanted if _read_settings(record) == settings else set[Path]()
    for path in there:
        if path not in keep:
            path.unlink()
    write_text(record, json.dumps(settings, indent=2) + "\n")


def write_missing(
    paths: Sequence[Path],
    write: Callable[[Path], None],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write each of ``paths`` that does not exist, ``workers`` at a time in threads.

    ``progress`` is called with (files there, files in all) at the start and after each file.
    """
    jobs = [path for path in paths if not path.exists()]
    done = len(paths) - len(jobs)
    if progress:
        progress(done, len(paths))
    pool = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([pool.submit(write, job) for job in jobs]):
            future.result()
            done += 1
            if progress:
                progress(done, len(paths))
    finally:
        # An error or Ctrl-C must not wait for the videos that have not begun.
        pool.shutdown(cancel_futures=True)


def write_text(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))


def _read_settings(record: Path) -> object:
    """Return what ``record`` holds, nothing if there is none; a damaged one is the user's error."""
    if not record.exists():
        return None
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{record} is not readable JSON ({error}). Delete the folder or choose another one."
        ) from error
