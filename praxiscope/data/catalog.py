"""Named datasets: where their files live and how many classes they have.

The layout is that of docs/en/data_preparation.md, below ``data/`` of the working directory.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from praxiscope.data.ava_lists import AvaList
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


def gym99(
    split: Literal["train", "val"],
    source: Literal["frames", "flow"] = "frames",
    *,
    num_classes: int = 99,
    root: PathLike = Path("data/gym"),
) -> VideoList:
    """Return the 99 element classes of FineGym; frame images and flow share the lists.

    Source: FineGym: A Hierarchical Video Dataset for Fine-grained Action Understanding,
    arXiv:2004.06704.
    """
    root = Path(root)
    return VideoList(
        root=root / "rawframes",
        annotations=root / f"annotations/gym99_{split}_list_rawframes.txt",
        num_classes=num_classes,
        kind=source,
        split=split,
    )


def jester(split: Literal["train", "val"], *, root: PathLike = Path("data/jester")) -> VideoList:
    """Return Jester, hand gestures as frame images of height 100.

    A left-right flip exchanges "swiping left" and "swiping right", and "sliding two fingers" to the
    left and to the right. Source: The Jester Dataset, ICCV Workshops 2019.
    """
    root = Path(root)
    return VideoList(
        root=root / "rawframes",
        annotations=root / f"jester_{split}_list_rawframes.txt",
        num_classes=27,
        kind="frames",
        template="{:05d}.jpg",
        flip_pairs=((0, 1), (6, 7)),
        split=split,
    )


def something_v1(
    split: Literal["train", "val"], *, root: PathLike = Path("data/sthv1")
) -> VideoList:
    """Return Something-Something V1 as frame images of height 100.

    A left-right flip exchanges three pairs of the classes that tell left from right, such as
    "pulling something from left to right". Source: The "something something" video database,
    arXiv:1706.04261.
    """
    root = Path(root)
    return VideoList(
        root=root / "rawframes",
        annotations=root / f"sthv1_{split}_list_rawframes.txt",
        num_classes=174,
        kind="frames",
        template="{:05d}.jpg",
        flip_pairs=((2, 4), (30, 41), (52, 66)),
        split=split,
    )


def hmdb51(
    split: Literal["train", "val"],
    number: Literal[1, 2, 3] = 1,
    *,
    root: PathLike = Path("data/hmdb51"),
) -> VideoList:
    """Return one of the three splits of HMDB51, as frame images, else as videos.

    Source: HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011.
    """
    return _three_splits("hmdb51", 51, split, number, Path(root))


def ucf101(
    split: Literal["train", "val"],
    number: Literal[1, 2, 3] = 1,
    *,
    root: PathLike = Path("data/ucf101"),
) -> VideoList:
    """Return one of the three splits of UCF101, as frame images, else as videos.

    Source: UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild, arXiv:1212.0402.
    """
    return _three_splits("ucf101", 101, split, number, Path(root))


def _three_splits(name: str, num_classes: int, split: Split, number: int, root: Path) -> VideoList:
    lists = root / f"{name}_{split}_split_{number}"
    videos = VideoList(
        root=root / "videos",
        annotations=lists.with_name(f"{lists.name}_videos.txt"),
        num_classes=num_classes,
        split=split,
    )
    return VideoList(
        root=root / "rawframes",
        annotations=lists.with_name(f"{lists.name}_rawframes.txt"),
        num_classes=num_classes,
        kind="frames",
        split=split,
        alternative=videos,
    )


def ava(
    split: Literal["train", "val"],
    version: Literal["2.1", "2.2"] = "2.1",
    source: Literal["frames", "video"] = "frames",
    *,
    root: PathLike = Path("data/ava"),
) -> AvaList:
    """Return AVA: minutes 15 to 30 of films at 30 frames a second, as frame images or videos.

    There are 80 classes. The label map names the 60 that are counted in evaluation.

    Source: AVA: A Video Dataset of Spatio-temporally Localized Atomic Visual Actions,
    arXiv:1705.08421; proposals: Long-Term Feature Banks, arXiv:1812.05038.
    """
    root, files = Path(root), Path(root) / "annotations"
    challenge = {"2.1": 2018, "2.2": 2019}[version]
    return AvaList(
        root=root / ("rawframes" if source == "frames" else "videos_15min"),
        annotations=files / f"ava_{split}_v{version}.csv",
        excluded=files / f"ava_{split}_excluded_timestamps_v{version}.csv",
        label_map=files / f"ava_action_list_v{version}_for_activitynet_{challenge}.pbtxt",
        proposals=files / f"ava_dense_proposals_{split}.FAIR.recall_93.9.pkl",
        kind=source,
    )


def ava_kinetics(
    split: Literal["train", "val"],
    source: Literal["frames", "video"] = "frames",
    *,
    root: PathLike = Path("data/ava_kinetics"),
) -> AvaList:
    """Return AVA 2.2 whose training list has clips from Kinetics-700 beside the films.

    A clip is named after the seconds that it is cut from: ``ID_000012_000022``. The validation list
    is AVA's. See :attr:`AvaList.late` for the frame that the published runs took for a key frame.

    Source: The AVA-Kinetics Localized Human Actions Video Dataset, arXiv:2005.00214.
    """
    return replace(
        ava(split, "2.2", source, root=root),
        root=Path(root) / ("rawframes" if source == "frames" else "videos"),
        trimmed=True,
        start_index=0,
    )


def folder(root: PathLike, split: Split, kind: Kind = "video", *, split_seed: int = 0) -> VideoList:
    """Return a folder with one sub-folder per class, divided into training and validation.

    Raises :class:`praxiscope.errors.DataError` if it does not exist or has no sub-folders.
    """
    num_classes = len(find_classes(Path(root)))
    return VideoList(
        root=Path(root), num_classes=num_classes, kind=kind, split=split, split_seed=split_seed
    )
