"""The datasets whose lists can be built: who reads their annotations, and which lists they have."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from praxiscope.data import catalog
from praxiscope.data.lists import Kind, VideoList
from praxiscope.data.official.gym import read_gym99
from praxiscope.data.official.hmdb51 import read_hmdb51
from praxiscope.data.official.kinetics import read_kinetics
from praxiscope.data.official.reading import Subset
from praxiscope.data.official.twentybn import read_jester, read_something_v1
from praxiscope.data.official.ucf101 import read_ucf101

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")


@dataclass(frozen=True)
class Part:
    """What one official file becomes: the lists of the catalog that hold its videos."""

    split: Split
    read: Callable[[Path], Subset]  # of the folder of annotations
    lists: tuple[VideoList, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset: where it lies by default, and what there is of a split: one part, or three."""

    root: Path
    parts: Callable[[Path, Split], tuple[Part, ...]]


def _kinetics(num_classes: int, root: Path, split: Split) -> tuple[Part, ...]:
    kinds: tuple[Kind, ...] = ("video", "frames", "flow")
    if num_classes == 400:
        sides: tuple[Literal[256, 320] | None, ...] = (None, 256, 320)
        lists = [
            catalog.kinetics400(split, kind, short_side=side, root=root)
            for side in sides
            for kind in kinds
        ]
    else:
        dataset = catalog.kinetics600 if num_classes == 600 else catalog.kinetics700
        lists = [dataset(split, kind, root=root) for kind in kinds]
    read = partial(read_kinetics, split=split, num_classes=num_classes)
    return (Part(split, read, tuple(lists)),)


def _gym99(root: Path, split: Split) -> tuple[Part, ...]:
    lists = (catalog.gym99(split, root=root), catalog.gym99(split, "flow", root=root))
    return (Part(split, partial(read_gym99, split=split), lists),)


def _jester(root: Path, split: Split) -> tuple[Part, ...]:
    lists = (catalog.jester(split, root=root),)
    return (Part(split, partial(read_jester, split=split), lists),)


def _something_v1(root: Path, split: Split) -> tuple[Part, ...]:
    lists = (catalog.something_v1(split, root=root),)
    return (Part(split, partial(read_something_v1, split=split), lists),)


def _three_splits(
    listed: Callable[..., VideoList], read: Callable[..., Subset], root: Path, split: Split
) -> tuple[Part, ...]:
    parts = []
    for number in (1, 2, 3):
        frames = listed(split, number, root=root)
        lists = (frames,) if frames.alternative is None else (frames, frames.alternative)
        parts.append(Part(split, partial(read, split=split, number=number), lists))
    return tuple(parts)


DATASETS = {
    "kinetics400": Dataset(Path("data/kinetics400"), partial(_kinetics, 400)),
    "kinetics600": Dataset(Path("data/kinetics600"), partial(_kinetics, 600)),
    "kinetics700": Dataset(Path("data/kinetics700"), partial(_kinetics, 700)),
    "gym99": Dataset(Path("data/gym"), _gym99),
    "jester": Dataset(Path("data/jester"), _jester),
    "sthv1": Dataset(Path("data/sthv1"), _something_v1),
    "hmdb51": Dataset(Path("data/hmdb51"), partial(_three_splits, catalog.hmdb51, read_hmdb51)),
    "ucf101": Dataset(Path("data/ucf101"), partial(_three_splits, catalog.ucf101, read_ucf101)),
}
