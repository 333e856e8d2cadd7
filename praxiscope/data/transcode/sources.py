"""Which videos are converted, and what each becomes."""

import os
import re
from pathlib import Path

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.list_formats import read_text
from praxiscope.errors import DataError


def find_targets(
    given: str | Path, dest: Path, *, suffix: str = "", prefix: Path = Path()
) -> dict[Path, Path]:
    """Return every video that ``given`` stands for with its target: its path below ``dest``.

    Args:
        given: A video; a folder, whose video files at any depth are meant, or which is itself one
            of frame images; or a list in a ``.txt`` file, of one video a line below ``prefix``, as
            training lists are: numbers at the end of a line are labels. Hidden files are left out.
        suffix: Takes the place of a file's own.

    Raises:
        DataError: There is no video, two have one target, a target is one of the videos or lies in
            the folder that is read, or a listed path leaves ``prefix``.
    """
    path, dest = Path(given), dest.resolve()
    root, names = _root_and_names(path, prefix)
    if root == path and dest.is_relative_to(path.resolve()):
        raise DataError(
            f"{dest} lies in {given}, where the next run would find it again: name a folder "
            "beside it."
        )
    targets: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for name in names:
        if name.is_absolute() or ".." in name.parts:
            raise DataError(
                f"{given}: {name} must be a path below --prefix, as what is written goes to the "
                "same path below the destination."
            )
        video = root / name
        stem = name if video.is_dir() else name.with_suffix("")
        target = dest / stem.with_name(stem.name + suffix)
        if taken.setdefault(target, video) != video:
            raise DataError(
                f"{video} and {taken[target]} would both go to {target}: convert them to "
                "different folders."
            )
        targets[video] = target
    for video in targets:
        if video.resolve() in taken:
            raise DataError(
                f"{taken[video.resolve()]} would be written over {video}, which is to be read: "
                "name another folder."
            )
    return targets


def find_videos(given: str | Path, *, prefix: Path = Path()) -> list[Path]:
    """Return every video that ``given`` stands for, as :func:`find_targets` reads it.

    Paths in a list may be absolute, and need not exist.

    Raises:
        DataError: There is no video, or the list cannot be read.
    """
    root, names = _root_and_names(Path(given), prefix)
    return [root / name for name in names]


def _root_and_names(path: Path, prefix: Path) -> tuple[Path, list[Path]]:
    """Return the videos that a path stands for, and the folder that their names are below."""
    if path.suffix == ".txt" and not path.is_dir():
        root, names = prefix, _listed(path, prefix)
    elif path.is_dir() and not _holds_images(path):
        root, names = path, videos_below(path)
    else:
        root, names = path.parent, [Path(path.name)] if path.exists() else []
    if not names:
        expected = "one a line" if path.suffix == ".txt" else "a video file or a folder of them"
        raise DataError(f"{path} stands for no video: expected {expected}.")
    return root, names


def _listed(path: Path, prefix: Path) -> list[Path]:
    lines = read_text(path, "list of videos").splitlines()
    return [_named(line.strip(), prefix) for line in lines if line.strip()]


def _named(line: str, prefix: Path) -> Path:
    """Return the path in a line, also of a training list, where numbers follow it."""
    return Path(line if (prefix / line).exists() else re.sub(r"(\s+\d+)+$", "", line))


def _holds_images(folder: Path) -> bool:
    """Whether a folder is one video, of frame images."""
    return any(folder.glob("img_*.jpg")) or any(folder.glob("*x_0*.jpg"))


def videos_below(root: Path) -> list[Path]:
    """Return the video files below a folder, in order; folders behind links are read too."""
    found: list[Path] = []
    seen: set[str] = set()
    for folder, names, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        found += [
            Path(folder, name).relative_to(root)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        ]
    return sorted(found)
