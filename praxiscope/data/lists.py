"""Lists of labelled videos: where they are, and what their lines say."""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from praxiscope.checks import check_choice, check_whole
from praxiscope.data.class_folders import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    divide,
    find_classes,
    find_videos,
)
from praxiscope.data.list_formats import Form, parse_json, parse_lines, read_text
from praxiscope.data.untrimmed import LINE, Parts, parse_untrimmed, part_path
from praxiscope.errors import DataError, RecipeError, did_you_mean

Kind = Literal["video", "frames", "flow", "image", "parts"]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class VideoList:
    """Videos under ``root`` with their labels.

    ``annotations`` names them, one a line or as JSON (see :func:`read_list`). Without it ``root``
    holds one sub-folder per class, which ``split_seed`` divides: ``val_share`` of the videos are
    the ``val`` (and ``test``) split, the others ``train``. ``kind`` says what a video is: a file, a
    folder of frame images, one of optical flow images, a still image, or a folder of the parts of
    an untrimmed video, one of which is drawn; ``template`` is the name of the images or parts
    (None: ``img_00001.jpg``; flow ``x_00001.jpg``, ``y_00001.jpg``; ``part_0.mp4``),
    ``first_frame`` the images' first number.
    """

    root: Path
    annotations: Path | None = None
    num_classes: int
    kind: Kind = "video"
    template: str | None = None
    first_frame: int = 1
    with_offset: bool = False  # frame lists only: "dir offset num_frames label"
    parts: Parts = "positive"  # of untrimmed videos: those that show the class, or all
    multi_label: bool = False
    label_map: Path | None = None  # class names, one a line
    flip_pairs: tuple[tuple[int, int], ...] = ()  # labels that a left-right flip exchanges
    split: Split = "train"
    val_share: float = 0.2
    split_seed: int = 0
    alternative: "VideoList | None" = None  # used where ``annotations`` does not exist

    def __post_init__(self) -> None:
        check_whole(self.num_classes, "VideoList.num_classes")
        check_whole(self.first_frame, "VideoList.first_frame", least=0)
        check_choice(self.kind, "VideoList.kind", get_args(Kind))
        check_choice(self.parts, "VideoList.parts", get_args(Parts))
        check_choice(self.split, "VideoList.split", ("train", "val", "test"))
        if not 0 < self.val_share < 1:
            raise RecipeError(
                f"VideoList.val_share must lie between 0 and 1, not {self.val_share!r}."
            )
        if self.kind == "parts" and (self.annotations is None or self.multi_label):
            raise RecipeError(
                "VideoList(kind='parts') needs annotations, with one label for each video."
            )
        for label in (label for pair in self.flip_pairs for label in pair):
            if not 0 <= label < self.num_classes:
                raise RecipeError(f"VideoList.flip_pairs: no class {label} of {self.num_classes}.")


class Record(NamedTuple):
    """One video of a list."""

    path: str  # below the list's root, as the list spells it
    labels: tuple[int, ...]  # one, but in lists with several labels a video; () if unknown
    start: int = 0  # frame images before the first one, from lists with an offset
    num_frames: int | None = None  # of a folder of frame images; None: count them
    parts: tuple[int, ...] = ()  # of an untrimmed video: those that may be drawn


def find_list(videos: VideoList) -> VideoList:
    """Return the list to read: ``videos``, or its alternative where only that one exists."""
    other = videos.alternative
    if other is None or videos.annotations is None or videos.annotations.exists():
        return videos
    if other.annotations is None or not other.annotations.exists():
        return videos
    log = logging.getLogger(__name__)
    log.warning("%s does not exist: using %s instead.", videos.annotations, other.annotations)
    return other


def read_list(videos: VideoList) -> tuple[Record, ...]:
    """Return the records of a list, in its order. Whether the videos exist is not checked.

    One video a line, UTF-8, fields separated by white space:

    - videos, images: ``path label``, or ``path label label ...`` with ``multi_label``;
    - frames and flow: ``folder num_frames label``, with ``with_offset`` an offset before the number
      of frames, with ``multi_label`` several labels;
    - parts of untrimmed videos: see :func:`praxiscope.data.untrimmed.parse_untrimmed`;
    - a file that ends in ``.json``: a list of ``{"filename" or "frame_dir": ..., "label": number or
      list of numbers}``, for frames also ``"total_frames"`` and, where needed, ``"offset"``.

    A path may contain spaces: the numbers are taken from the line's end (with ``multi_label`` all
    that stand there). Without annotations the records are those of the sub-folders, class by class.

    Raises:
        DataError: the list does not exist, is no text, or is empty; a line is not of its form or
            has a label outside the classes. The message names the file and the line.
    """
    if videos.annotations is None:
        return _read_folders(videos)
    form = Form(
        frames=videos.kind in ("frames", "flow"),
        with_offset=videos.with_offset,
        multi_label=videos.multi_label,
    )
    text = read_text(videos.annotations, "list of videos")
    parse = parse_json if videos.annotations.suffix == ".json" else parse_lines
    line, entries = form.line, parse(text, form, videos.annotations)
    if videos.kind == "parts":
        line, entries = LINE, parse_untrimmed(text, videos.annotations, videos.parts)
    records = []
    for where, path, labels, start, num_frames, parts in entries:
        for label in labels:
            if not 0 <= label < videos.num_classes:
                raise DataError(
                    f"{where}: label {label} is outside 0 .. {videos.num_classes - 1} "
                    f"(num_classes={videos.num_classes})."
                )
        records.append(Record(path, labels, start, num_frames, parts))
    if not records:
        raise DataError(f"{videos.annotations} is empty. Expected one '{line}' a line.")
    return tuple(records)


def _read_folders(videos: VideoList) -> tuple[Record, ...]:
    """Return the records of the split of a folder with one sub-folder per class."""
    folders = find_classes(videos.root)
    names = class_names(videos) or ()
    if len(names) != videos.num_classes:
        raise DataError(
            f"{videos.root} has {len(names)} sub-folders, one per class, "
            f"but num_classes={videos.num_classes}."
        )
    suffixes = {"video": VIDEO_SUFFIXES, "image": IMAGE_SUFFIXES}.get(videos.kind, frozenset())
    records = []
    for name in folders:
        if name not in names:
            raise DataError(
                f"{videos.root / name}: {videos.label_map} names no such class."
                f"{did_you_mean(name, names)}"
            )
        paths = find_videos(videos.root, name, suffixes)
        train, val = divide(paths, videos.val_share, videos.split_seed)
        label = (names.index(name),)
        records += [Record(path, label) for path in (train if videos.split == "train" else val)]
    if not records:
        raise DataError(
            f"{videos.root} holds no videos for the {videos.split} split. "
            "Expected at least two in the sub-folder of a class."
        )
    return tuple(records)


def class_names(videos: VideoList) -> tuple[str, ...] | None:
    """Return the names of the classes by label: from the label map, or the folders; else None."""
    if videos.label_map is not None:
        lines = read_text(videos.label_map, "label map").strip().split("\n")
        if len(lines) != videos.num_classes:
            raise DataError(
                f"{videos.label_map} names {len(lines)} classes, one a line, "
                f"but num_classes={videos.num_classes}."
            )
        return tuple(line.strip() for line in lines)
    return find_classes(videos.root) if videos.annotations is None else None


def each_file(videos: VideoList, records: Sequence[Record]) -> Iterator[Record]:
    """Yield the records, in the place of an untrimmed video each of its parts that may be drawn."""
    for record in records:
        if not record.parts:
            yield record
        for part in record.parts:
            yield record._replace(path=part_path(record.path, videos.template, part), parts=())


def check_files(videos: VideoList, records: Sequence[Record]) -> None:
    """Raise :class:`DataError` naming the first missing videos of a list and their number.

    Looks in many threads, as a network file system answers slowly but many at once.
    """
    exists = os.path.isdir if videos.kind in ("frames", "flow") else os.path.exists
    names = [record.path for record in each_file(videos, records)]

    def missing_of(chunk: Sequence[str]) -> list[str]:
        paths = (os.path.join(videos.root, name) for name in chunk)  # noqa: PTH118 (fast)
        return [path for path in paths if not exists(path)]

    chunks = [names[i : i + 256] for i in range(0, len(names), 256)]
    with ThreadPoolExecutor(max_workers=32) as pool:
        missing = [path for found in pool.map(missing_of, chunks) for path in found]
    if missing:
        raise DataError(
            f"{videos.annotations or videos.root}: {len(missing)} of {len(names)} videos do not "
            f"exist: first {', '.join(missing[:3])}. Correct the list or "
            "its root, or leave them out with --skip-broken."
        )
