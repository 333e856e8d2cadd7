"""Whether videos are on disk, as long as their key frames need, and as fast as the list says.

Files are not decoded and hardly read: headers say how many frames there are.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_lists import AvaList, open_source, source_path
from praxiscope.data.doctor.findings import Finding, judge, judge_each
from praxiscope.data.doctor.rows import Rows
from praxiscope.data.frames import IMAGES
from praxiscope.data.video_file import moving_pictures, open_container
from praxiscope.errors import DataError, did_you_mean

Track = Callable[[Sequence[str]], Iterable[str]]  # yields what it is given


@dataclass(frozen=True)
class Look:
    """What a video on disk is."""

    path: Path
    num_frames: int | None  # None: the header does not say
    fps: float | None  # None: images do not say
    missing: int | None = None  # the number of the first image that is missing among them
    early: int | None = None  # that of an image before the first


def check_videos(
    ava: AvaList, rows: Rows, sources: Sequence[Source | None], num_videos: int | None, track: Track
) -> tuple[list[Finding], dict[int, Look]]:
    """Judge the videos of an annotation file; return as well what those opened are.

    ``sources`` tells where they are, (V,); None is not known. ``num_videos`` are opened.
    """
    root = Path(ava.root)
    if not root.is_dir():
        advice = "Correct root, or prepare the dataset as docs/en/data_preparation.md says."
        return [judge("error", "folders of videos that are missing", 1, str(root), advice)], {}
    known = [video for video, source in enumerate(sources) if source is not None]
    missing = [video for video in known if not _is_there(ava, sources[video])]
    there = sorted(set(known) - set(missing))
    opened = {rows.videos[video]: video for video in there[:num_videos]}
    looks: dict[int, Look] = {}
    broken: list[DataError | OSError] = []
    for name in track(tuple(opened)):
        source = sources[opened[name]]
        assert source is not None
        try:
            looks[opened[name]] = look(ava, source)
        except (DataError, OSError) as error:
            broken.append(error)
    of = "" if len(opened) == len(there) else f" (of {len(opened)} of {len(there)} opened)"
    findings = [
        judge(
            "error",
            f"videos in annotations but not on disk, of {len(known)}",
            len(missing),
            lambda: _absent(ava, rows, missing[0], sources[missing[0]]),
            "Get them, or remove their lines." + _other_kind(ava, sources[(missing or [0])[0]]),
        ),
        judge(
            "error",
            f"videos that cannot be opened{of}",
            len(broken),
            lambda: str(broken[0]),
            "Get them again, or remove their lines.",
        ),
        *(_check_images(ava, looks) if ava.kind == "frames" else []),
        _check_frames(rows, sources, looks),
    ]
    return findings, looks


def look(ava: AvaList, source: Source) -> Look:
    """Return what a video is, by its header; images are counted.

    Raises:
        DataError, OSError: It cannot be opened.
    """
    path = source_path(ava, source)
    if path.is_dir():
        with closing(open_source(ava, source)) as folder:
            num_frames = folder.num_frames
        numbers = _numbers(path, ava.template or IMAGES)
        after = ava.first_frame + num_frames
        missing = after if max(numbers, default=0) > after else None
        early = min(numbers, default=ava.first_frame)
        return Look(path, num_frames, None, missing, early if early < ava.first_frame else None)
    with open_container(path, 1) as file:
        stream = moving_pictures(file)[0]
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        seconds = (file.duration or 0) / av.time_base
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        return Look(path, stream.frames or round(seconds * fps) or None, fps or None)


def _is_there(ava: AvaList, source: Source | None) -> bool:
    try:
        return source is not None and source_path(ava, source).exists()
    except OSError:  # no name of a file, as it is too long
        return False


def _numbers(folder: Path, template: str) -> list[int]:
    """Return the numbers of the images in a folder, in any order."""
    start, end = template.partition("{")[0], template.rpartition("}")[2]
    middles = (
        entry.name[len(start) : len(entry.name) - len(end)]
        for entry in os.scandir(folder)
        if entry.name.startswith(start) and entry.name.endswith(end)
    )
    return [int(middle) for middle in middles if middle.isdecimal() and len(middle) < 10]


def _absent(ava: AvaList, rows: Rows, video: int, source: Source | None) -> str:
    path = Path(ava.root) / ("" if source is None else source.path)
    hint = did_you_mean(path.name, {entry.name for entry in os.scandir(ava.root)})
    return f"{rows.place(int((rows.video == video).argmax()))}: there is no {path}.{hint}"


def _other_kind(ava: AvaList, source: Source | None) -> str:
    """Return a hint where a missing video is there as the other kind."""
    if source is None or ava.kind != "frames":
        return ""
    as_file = replace(ava, kind="video")
    if not _is_there(as_file, source):
        return ""
    return f" {source_path(as_file, source)} is a video file: set kind='video'."


def _check_images(ava: AvaList, looks: Mapping[int, Look]) -> list[Finding]:
    """Judge how images are numbered."""
    gaps = [one for one in looks.values() if one.missing is not None]
    early = [one for one in looks.values() if one.early is not None]
    return [
        judge(
            "warning",
            "folders with gaps among their images",
            len(gaps),
            lambda: f"{gaps[0].path}: image {gaps[0].missing} is missing, later ones are there",
            "Images after the gap are not used: write the frames again.",
        ),
        judge(
            "warning",
            f"folders whose images begin before number {ava.first_frame}",
            len(early),
            lambda: f"{early[0].path}: image {early[0].early}",
            "Key frames are a frame or more off: set first_frame.",
        ),
    ]


def _check_frames(
    rows: Rows, sources: Sequence[Source | None], looks: Mapping[int, Look]
) -> Finding:
    """Judge whether there is a frame at the time of every row of an opened video."""
    beyond = np.zeros(len(rows), np.bool_)
    for video, one in looks.items():
        source = sources[video]
        if source is None or one.num_frames is None:
            continue
        own = rows.of_video(video)
        seconds = rows.timestamp[own] - source.first_timestamp
        beyond[own] = np.floor(seconds * source.fps + 0.5) >= one.num_frames

    def show(row: int) -> str:
        one = looks[int(rows.video[row])]
        return f"{rows.show_time(row)}; {one.path} has {one.num_frames} frames"

    return judge_each(
        "error",
        "lines at whose time the video has no frame",
        beyond,
        show,
        "Correct the lines, fps or first_timestamp; or get the whole video.",
    )
