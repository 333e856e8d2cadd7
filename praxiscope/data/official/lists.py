"""Lists in the published formats, of what official files name and what there is on disk."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.frames import IMAGES
from praxiscope.data.lists import VideoList
from praxiscope.data.official.reading import Listed
from praxiscope.errors import DataError
from praxiscope.files import write_atomically

FLOW = (("x_{:05d}.jpg", "y_{:05d}.jpg"), ("flow_x_{:05d}.jpg", "flow_y_{:05d}.jpg"))
NO_FLOW = "no optical flow"  # so far, in folders of frames
Count = int | str  # the number of images, or what is wrong with them


class Missing(NamedTuple):
    """A video that is left out of a list."""

    name: str
    reason: str
    broken: bool = False  # it is there, but cannot be used


@dataclass(frozen=True)
class Target:
    """One list to write. ``kinds`` are what it is for: frames and flow may share a list."""

    path: Path
    root: Path
    kinds: tuple[str, ...]
    template: str = IMAGES

    @property
    def is_videos(self) -> bool:
        """Whether its lines name files, not folders of images."""
        return self.kinds == ("video",)


@dataclass(frozen=True)
class Built:
    """What a list will hold."""

    target: Target
    text: str
    num_listed: int
    missing: tuple[Missing, ...]


def targets_of(lists: Iterable[VideoList]) -> tuple[Target, ...]:
    """Return the lists to write, those of one file as one."""
    targets: dict[Path, Target] = {}
    for videos in lists:
        assert videos.annotations is not None and videos.first_frame == 1
        kinds: tuple[str, ...] = (videos.kind,)
        if videos.annotations in targets:
            kinds = (*targets[videos.annotations].kinds, videos.kind)
        template = videos.template or IMAGES
        targets[videos.annotations] = Target(videos.annotations, videos.root, kinds, template)
    return tuple(targets.values())


def find_videos(target: Target, videos: Sequence[Listed]) -> tuple[dict[str, int], list[Missing]]:
    """Return (path below the root -> label, what is missing), both in the order given.

    A video may have any of its names and, if it is a file, any suffix of videos.
    """
    found: dict[str, int] = {}
    missing: list[Missing] = []
    folders: dict[str, dict[str, list[str]]] = {}
    for video in videos:
        paths: list[str] = []
        for name in (video.name, *video.elsewhere):
            folder, _, stem = name.rpartition("/")
            if folder not in folders:
                folders[folder] = _entries(target.root / folder, target.is_videos)
            prefix = f"{folder}/" if folder else ""
            paths = paths or [prefix + entry for entry in folders[folder].get(stem, ())]
        if len(paths) == 1 and paths[0] not in found:
            found[paths[0]] = video.label
        elif paths:
            several = f"several files: {', '.join(sorted(paths))}"
            reason = several if len(paths) > 1 else f"{paths[0]} is that of another class too"
            missing.append(Missing(video.name, reason, broken=True))
        else:
            reason = f"no such {'file' if target.is_videos else 'folder'}"
            missing.append(Missing(video.name, "; ".join(filter(None, (reason, video.note)))))
    return found, missing


def _entries(folder: Path, files: bool) -> dict[str, list[str]]:
    """Return the video files of a folder by name without suffix, or its sub-folders by name."""
    entries: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (a name, no path)
                if not files and entry.is_dir():
                    entries[entry.name] = [entry.name]
                elif files and suffix.lower() in VIDEO_SUFFIXES and entry.is_file():
                    entries.setdefault(stem, []).append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    return entries


def count_images(target: Target, folders: Sequence[str]) -> list[Count]:
    """Return the number of images in each folder below the root, or what is wrong with them.

    Images are numbered from 1 without gaps. Of flow there are two for every number. A list that
    frames and flow share takes the smaller number, where there is flow.
    """
    return [_count_in(target.root / folder, target) for folder in folders]


def _count_in(folder: Path, target: Target) -> Count:
    try:
        names = frozenset(os.listdir(folder))  # noqa: PTH208 (fast)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    flow = next((pair for pair in FLOW if pair[0].format(1) in names), FLOW[0])
    has_flow = any(template.format(1) in names for template in flow)
    if target.kinds == ("flow",) and not has_flow:
        return NO_FLOW
    templates = [target.template] if "frames" in target.kinds else []
    if "flow" in target.kinds and has_flow:
        templates += flow
    counts = [count_numbered(names, template) for template in templates]
    wrong = [count for count in counts if isinstance(count, str)]
    if wrong:
        return wrong[0]
    of_flow = [count for count, name in zip(counts, templates, strict=True) if name in flow]
    if len(set(of_flow)) > 1:
        names_of = [template.format(1) for template in flow]
        return f"{of_flow[0]} images as {names_of[0]}, but {of_flow[1]} as {names_of[1]}"
    return min(count for count in counts if isinstance(count, int))


def count_numbered(names: frozenset[str], template: str) -> Count:
    """Return how many names there are with numbers from 1, or which is missing."""
    start, end = template[: template.index("{")], template[template.index("}") + 1 :]
    count = sum(
        name.startswith(start)
        and name.endswith(end)
        and name[len(start) : len(name) - len(end)].isdecimal()
        for name in names
    )
    lacking = next((i for i in range(1, count + 1) if template.format(i) not in names), None)
    if lacking is not None:
        return f"{template.format(lacking)} is missing, of {count} images"
    return count or f"no {template.format(1)}"


def build(
    target: Target,
    videos: Sequence[Listed],
    count: Callable[[Target, Sequence[str]], Iterable[Count]] = count_images,
) -> Built:
    """Return what a list will hold: the videos that are there, in the official order."""
    found, missing = find_videos(target, videos)
    lines: list[str] = []
    if target.is_videos:
        lines = [f"{path} {label}\n" for path, label in found.items()]
    else:
        counts = count(target, list(found))
        for (path, label), number in zip(found.items(), counts, strict=True):
            if isinstance(number, str):
                missing.append(Missing(path, number, broken=number != NO_FLOW))
            else:
                lines.append(f"{path} {number} {label}\n")
    return Built(target, "".join(lines), len(lines), tuple(missing))


def missing_text(built: Iterable[Built]) -> str:
    """Return the lines of ``missing_<split>.txt``: list, name and reason, between tabs."""
    return "".join(
        f"{one.target.path.name}\t{missing.name}\t{missing.reason}\n"
        for one in built
        for missing in one.missing
    )


def changed(path: Path, text: str) -> bool | None:
    """Return whether a file holds another text; None if there is no such file."""
    try:
        return path.read_bytes() != text.encode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))
