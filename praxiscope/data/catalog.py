"""Named datasets: where their files live and how many classes they have.

The layout is that of docs/en/data_preparation.md, below ``data/`` of the working directory.
"""

from pathlib import Path
from typing import Literal

from praxiscope.data.class_folders import find_classes
from praxiscope.data.lists import Kind, Split, VideoList

PathLike = str | Path


def kinetics400(
    split: Literal["train", "val"],
    source: Kind = "frames",
    *,
    short_side: Literal[256, 320] | None = None,
    root: PathLike = Path("data/kinetics400"),
) -> VideoList:
    """Return Kinetics-400 as frame images, videos or optical flow.

    ``short_side`` chooses the copies whose frames were stored at that height. Where the list of
    frame images does not exist, the list of videos is used if there is one.

    Source: The Kinetics Human Action Video Dataset, arXiv:1705.06950.
    """
    return _kinetics("kinetics400", 400, split, source, short_side, Path(root))


def kinetics600(
    split: Literal["train", "val"],
    source: Kind = "video",
    *,
    root: PathLike = Path("data/kinetics600"),
) -> VideoList:
    """Return Kinetics-600. Source: A Short Note about Kinetics-600, arXiv:1808.01340."""
    return _kinetics("kinetics600", 600, split, source, None, Path(root))


def kinetics700(
    split: Literal["train", "val"],
    source: Kind = "video",
    *,
    root: PathLike = Path("data/kinetics700"),
) -> VideoList:
    """Return Kinetics-700. Source: A Short Note on Kinetics-700, arXiv:1907.06987."""
    return _kinetics("kinetics700", 700, split, source, None, Path(root))


def _kinetics(
    name: str, num_classes: int, split: Split, source: Kind, short_side: int | None, root: Path
) -> VideoList:
    stored = f"_{short_side}p" if short_side else ""
    videos = VideoList(
        root=root / f"videos_{split}{stored}",
        annotations=root / f"{name}_{split}_list_videos{stored}.txt",
        num_classes=num_classes,
        split=split,
    )
    if source == "video":
        return videos
    flow_list = f"{name.rstrip('0123456789')}_flow_{split}_list{stored}.txt"
    return VideoList(
        root=root / f"rawframes_{split}{stored}",
        annotations=root
        / (flow_list if source == "flow" else f"{name}_{split}_list_rawframes{stored}.txt"),
        num_classes=num_classes,
        kind=source,
        split=split,
        alternative=videos if source == "frames" else None,
    )


def folder(root: PathLike, split: Split, kind: Kind = "video", *, split_seed: int = 0) -> VideoList:
    """Return a folder with one sub-folder per class, divided into training and validation.

    Raises :class:`praxiscope.errors.DataError` if it does not exist or has no sub-folders.
    """
    num_classes = len(find_classes(Path(root)))
    return VideoList(
        root=Path(root), num_classes=num_classes, kind=kind, split=split, split_seed=split_seed
    )
