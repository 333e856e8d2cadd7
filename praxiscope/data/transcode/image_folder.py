"""Folders of numbered images that are whole or recognisably not.

Images are written into a hidden folder beside the target, which then gets the target's name. A
target that is there already, as frames and flow of a video share one, takes the new images over one
by one, number 1 last: where it is, all are.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2

from praxiscope.errors import PraxiscopeError
from praxiscope.types import Frame

Namer = Callable[[int], str]  # from the number of an image to its file name

JPEG_QUALITY = 95  # OpenCV's own


def is_whole_folder(folder: Path, names: Sequence[Namer], first: int = 1) -> bool:
    """Whether a folder has all images, of one or more kinds, that :func:`settle` gave it."""
    return all((folder / name(first)).is_file() for name in names)


def part_folder(target: Path, token: str | None = None) -> Path:
    """Return the folder for the images of ``target`` that are not all there; one for each token."""
    return target.with_name(f".{target.name}.{token or secrets.token_hex(4)}.part")


def remove_leftovers(target: Path) -> None:
    """Remove what killed runs have left beside ``target``: unfinished files and folders."""
    if not target.parent.is_dir():
        return
    mine = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}\.(tmp|part)")
    for path in [path for path in target.parent.iterdir() if mine.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, which must not exist; :class:`PraxiscopeError` where the disk refuses."""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise _refused(folder, error) from error


def encode_image(image: Frame, name: str, quality: int = JPEG_QUALITY) -> bytes:
    """Return an image, grey (H, W) or BGR (H, W, 3), as a file of the kind that its name says."""
    suffix = Path(name).suffix
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix.lower() in (".jpg", ".jpeg") else []
    _, data = cv2.imencode(suffix, image, options)
    return data.tobytes()


def write_image(path: Path, data: bytes) -> None:
    """Write a file.

    Raises:
        FileNotFoundError: Its folder is gone.
        PraxiscopeError: The disk refuses it.
    """
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, error) from error


def settle(part: Path, target: Path, names: Sequence[Namer], first: int = 1) -> None:
    """Give the folder ``part`` the name ``target``, or move its images into the one of that name.

    Images there with the same names are replaced, and those with higher numbers, of an earlier run
    over another video, removed.

    Raises:
        PraxiscopeError: The disk refuses.
    """
    try:
        if not target.exists():
            part.rename(target)
            return
        markers = [name(first) for name in names]
        for marker in markers:
            (target / marker).unlink(missing_ok=True)
        for name in names:
            number = first
            while (part / name(number)).exists():
                number += 1
            while (target / name(number)).exists():
                (target / name(number)).unlink()
                number += 1
        for image in sorted(part.iterdir()):
            if image.name not in markers:
                image.replace(target / image.name)
        for marker in markers:
            (part / marker).replace(target / marker)
        part.rmdir()
    except OSError as error:
        raise _refused(target, error) from error


def check_template(template: str, option: str, parts: Sequence[Sequence[str]] = ((),)) -> None:
    """Raise :class:`PraxiscopeError` unless a template gives every image a name of its own.

    ``parts`` are what stands before the number, as x and y for flow.
    """
    try:
        names = {template.format(*part, number) for number in (1, 2) for part in parts}
        fits = len(names) == 2 * len(parts)
        fits = fits and all(Path(name).name == name for name in names)
        fits = fits and all(cv2.haveImageWriter(name) for name in names)
    except (AttributeError, IndexError, KeyError, ValueError, cv2.error):
        fits = False
    if not fits:
        example = "{}_{:05d}.jpg" if parts[0] else "img_{:05d}.jpg"
        raise PraxiscopeError(f"{option} '{template}' names no images: expected one as {example}.")


def _refused(path: Path, error: OSError) -> PraxiscopeError:
    return PraxiscopeError(
        f"{path} could not be written: {error.strerror or error}. Free some space or choose "
        "another folder."
    )
