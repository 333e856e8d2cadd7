"""Mini-Kinetics and OmniSource, the web data collected for its classes: where their files are.

The layout is that of the release, below ``data/OmniSource`` of the working directory; see
docs/en/data_preparation.md. Mini-Kinetics are 200 classes of Kinetics-400, numbered anew. The web
data of all 400 classes were never released: for these the same names with 400 for 200 are assumed.

Source: Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042; for
Mini-Kinetics, Rethinking Spatiotemporal Feature Learning, arXiv:1712.04851.
"""

from pathlib import Path
from typing import Literal

from praxiscope.data.lists import VideoList

ROOT = Path("data/OmniSource")
Classes = Literal[200, 400]


def mini_kinetics(split: Literal["train", "val"], *, root: str | Path = ROOT) -> VideoList:
    """Return Mini-Kinetics: 200 classes, 76,030 videos to train on and 4,838 to validate."""
    root = Path(root)
    return VideoList(
        root=root / f"kinetics_200_{split}",
        annotations=root / f"annotations/kinetics_200/k200_{split}.txt",
        num_classes=200,
        label_map=root / "annotations/k200_actions.txt",
        split=split,
    )


def web_images(classes: Classes = 200, *, root: str | Path = ROOT) -> VideoList:
    """Return still images from Google and Instagram that a teacher (TSN) kept."""
    root = Path(root)
    name = f"webimage_{classes}"
    return VideoList(
        root=root,  # the list's paths begin with googleimage_200/ or insimage_200/
        annotations=root / f"annotations/{name}/tsn_8seg_{name}_wodup.txt",
        num_classes=classes,
        kind="image",
    )


def instagram_videos(classes: Classes = 200, *, root: str | Path = ROOT) -> VideoList:
    """Return trimmed videos from Instagram that a teacher (SlowOnly 8x8) kept."""
    root, name = Path(root), f"insvideo_{classes}"
    return VideoList(
        root=root / name,
        annotations=root / f"annotations/{name}/slowonly_8x8_{name}_wodup.txt",
        num_classes=classes,
    )


def kinetics_raw(classes: Classes = 200, *, root: str | Path = ROOT) -> VideoList:
    """Return the untrimmed videos that Kinetics was cut from, in parts of 10 s.

    Drawn from are the parts in which a teacher (SlowOnly 8x8) found the class.
    """
    root, name = Path(root), f"kinetics_raw_{classes}"
    return VideoList(
        root=root / f"{name}_train",
        annotations=root / f"annotations/{name}/slowonly_8x8_{name}.json",
        num_classes=classes,
        kind="parts",
    )
