"""Values of files that somebody else wrote: read with limits, checked one by one."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

from praxiscope.data.list_formats import read_text
from praxiscope.errors import DataError, did_you_mean

MAX_BYTES = 256 * 2**20  # of an export; as JSON it takes up to ten times as much memory
MAX_LENGTH = 200  # characters of a name; file systems take 255 bytes


def check_size(path: Path) -> None:
    """Raise :class:`DataError` for a file that is not there, too large, or an archive."""
    try:
        if path.exists() and not path.is_file():  # it may never end
            raise DataError(f"{path} is no file.")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError as error:
        near = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"There is no file {path}.{did_you_mean(path.name, near)}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if size > MAX_BYTES:
        raise DataError(
            f"{path} has {size / 2**20:.0f} MiB; expected at most {MAX_BYTES // 2**20}: export "
            "fewer tasks at a time."
        )
    if start == b"PK\x03\x04":
        raise DataError(f"{path} is a zip archive: unpack it and name the file in it.")


def load_text(path: Path) -> str:
    """Return a text in UTF-8; :class:`DataError` where it is none, too large or not there."""
    check_size(path)
    return read_text(path, "export")


def load_json(path: Path) -> Any:
    """Return what a JSON file holds; :class:`DataError` where it is none."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        return json.loads(load_text(path), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {str(error) or type(error).__name__}.") from error


def number(
    value: object, what: str, where: str, *, least: float = -1e7, most: float = 1e7
) -> float:
    """Return a number, given as such or as text; :class:`DataError` where it is none."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = float("nan")
        if isfinite(found) and least <= found <= most:
            return found
    raise DataError(
        f"{where}: expected {what} to be a number from {least:g} to {most:g}, not {value!r:.40}."
    )


def text(value: object) -> str:
    """Return a text of one line that fits into a list: no surrogates, white space made plain."""
    return " ".join(printable(str(value)).split())[:MAX_LENGTH]


def printable(value: str) -> str:
    """Return a text without what cannot be printed, line ends as spaces."""
    whole = value.encode(errors="replace").decode()
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in whole)


def mapping(value: object, what: str, where: str) -> dict[str, Any]:
    """Return a JSON object; :class:`DataError` where it is none."""
    if isinstance(value, dict):
        return value
    raise DataError(f"{where}: expected {what} to be an object, not {json.dumps(value)[:40]}.")


def sequence(value: object, what: str, where: str) -> list[Any]:
    """Return a JSON list; :class:`DataError` where it is none."""
    if isinstance(value, list):
        return value
    raise DataError(f"{where}: expected {what} to be a list, not {json.dumps(value)[:40]}.")
