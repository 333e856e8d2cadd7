"""Lists of files to download: an address, a name and a checksum a line."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TextIO
from urllib.parse import quote, unquote, urlsplit

from praxiscope.errors import DataError

FAILED_LIST = "failed.txt"  # beside the files: the lines to try again
PART, ORIGIN = ".part", ".part.origin"  # what ends the names of unfinished files

_MOST_LINE = 16384  # characters
_MOST_NAME_BYTES = 240  # of a file or a folder: 255 less what ends the names of unfinished files
_CHECK = re.compile(r"(sha256|md5|size):(.*)", re.IGNORECASE)
_OTHER_CHECK = re.compile(r"(sha|md|crc|size)[\w-]*[:=].*", re.IGNORECASE)
_HEX_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        name: Below the folder of all files, with ``/`` between folders.
        size: In bytes.
    """

    address: str
    name: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None

    def line(self) -> str:
        """Return the line of a list that says the same."""
        checks = {"sha256": self.sha256, "md5": self.md5, "size": self.size}
        given = [f"{kind}:{value}" for kind, value in checks.items() if value is not None]
        return "\t".join([self.address, self.name, *given])


def read_download_list(path: Path) -> list[Wanted]:
    """Return what a list wants: ``address [name] [sha256:HEX] [md5:HEX] [size:BYTES]`` a line.

    Fields are separated by tabs, in lines without tabs by spaces, in files that end in ``.csv`` by
    commas, where a line of titles may come first. What follows a field that begins with ``#`` is a
    comment. Without a name it is the last part of the address.

    Raises:
        DataError: The list cannot be read; a line has no http or https address, a name that leads
            out of the folder, a field that is none of these; two lines want the same name.
    """
    wanted: list[Wanted] = []
    lines: dict[str, int] = {}  # of names, and of the folders that they lie in
    folders: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, fields in _rows(file, path):
                where = f"{path}, line {number}"
                one = _wanted(fields, where)
                above = [str(folder) for folder in PurePosixPath(one.name).parents][:-1]
                for name in (one.name, *above):
                    if name in lines or (name == one.name and name in folders):
                        other = lines.get(name, folders.get(name))
                        raise DataError(
                            f"{where}: the name '{one.name}' clashes with that of line {other}. "
                            "Write another name behind the address."
                        )
                lines[one.name] = number
                folders.update(dict.fromkeys(above, number))
                wanted.append(one)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8, which a list of addresses is.") from error
    if not wanted:
        raise DataError(f"{path} has no addresses. Expected one a line: https://.../NAME.")
    return wanted


def _rows(file: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line that has any, without comments."""
    is_csv = path.suffix.lower() == ".csv"
    lines = iter(lambda: file.readline(_MOST_LINE + 1), "")
    for number, line in enumerate(lines, 1):
        if len(line) > _MOST_LINE:
            raise DataError(f"{path}, line {number} is too long for an address and a name.")
        if is_csv:
            fields = next(csv.reader([line.strip("\r\n")]), [])
        else:
            fields = line.split("\t" if "\t" in line.strip() else None)
        fields = [field.strip() for field in fields]
        comment = next((i for i, field in enumerate(fields) if field.startswith("#")), None)
        fields = [field for field in fields[:comment] if field]
        is_title = is_csv and number == 1 and fields and fields[0].lower() in ("address", "url")
        if fields and not is_title:
            yield number, fields


def _wanted(fields: list[str], where: str) -> Wanted:
    address, *rest = fields
    given: dict[str, str] = {}
    for field in rest:
        found = _CHECK.fullmatch(field)
        if not found and _OTHER_CHECK.fullmatch(field):
            raise DataError(f"{where}: expected sha256:HEX, md5:HEX or size:BYTES, not '{field}'.")
        kind, value = (found[1].lower(), found[2].lower()) if found else ("name", field)
        if kind in given:
            raise DataError(
                f"{where} has two fields for the {kind}, '{given[kind]}' and '{value}'. Expected "
                "address [name] [sha256:HEX] [md5:HEX] [size:BYTES], with tabs around spaces."
            )
        given[kind] = value
        digits = _HEX_DIGITS.get(kind)
        if digits and not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value):
            raise DataError(f"{where}: {kind} has {digits} hex digits, not '{value}'.")
        if kind == "size" and not re.fullmatch(r"[0-9]{1,18}", value):
            raise DataError(f"{where}: a size is a number of bytes, not '{value}'.")
    address, last = _checked_address(address, where)
    return Wanted(
        address,
        _checked_name(given.get("name", last), where),
        sha256=given.get("sha256"),
        md5=given.get("md5"),
        size=int(given["size"]) if "size" in given else None,
    )


def _checked_address(address: str, where: str) -> tuple[str, str]:
    """Return the address in ASCII and the last part of its path."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and parts.hostname and address.isprintable()
        parts.port  # noqa: B018 - that it is a number is found out by reading it
    except ValueError:
        is_address = None
    if not is_address:
        raise DataError(f"{where}: '{address}' is no address. Expected https://... or http://...")
    if parts.username is not None or parts.password is not None:
        raise DataError(f"{where}: an address with a user or a password is not taken.")
    return quote(address, safe="%/:?#[]@!$&'()*+,;=~"), PurePosixPath(unquote(parts.path)).name


def _checked_name(name: str, where: str) -> str:
    """Return a name that stays within the folder of all files."""
    parts = name.split("/")
    if not name or "" in parts or {".", ".."} & set(parts) or "\\" in name:
        raise DataError(
            f"{where}: '{name}' is no name of a file below the folder. Expected NAME or "
            "FOLDER/NAME behind the address, without '..' and not absolute."
        )
    if not name.isprintable() or any(len(part.encode()) > _MOST_NAME_BYTES for part in parts):
        raise DataError(f"{where}: the name {name[:80]!r} is too long or not printable.")
    if name == FAILED_LIST or name.endswith((PART, ORIGIN)) or name.startswith("."):
        raise DataError(f"{where}: the name '{name}' is used for something else. Choose another.")
    return name
