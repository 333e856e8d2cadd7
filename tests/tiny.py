"""A recipe small enough to train within a test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Loader, Recipe, Sgd


def tiny_recipe(motions: MotionDataset, **changes: Any) -> Recipe:
    """SlowOnly of width 8 on 4 frames of 32 pixels, two epochs of four steps."""
    recipe = Recipe(
        model=SlowOnly(num_classes=8, width=8),
        clip=Clip(frames=4, stride=4),
        train=video_list(motions, "train"),
        val=video_list(motions, "test"),
        train_transform=TrainTransform(short_side=36, size=32),
        val_views=Views(short_side=36, size=32),
        test_views=Views(short_side=36, size=32, clips=2, crops=3),
        optim=Sgd(lr=0.02, batch=4),
        schedule=Cosine(epochs=2),
        loader=Loader(videos_per_device=4, workers=0),
        validate_every=1,
        checkpoint_every=1,
    )
    return replace(recipe, **changes)


def video_list(motions: MotionDataset, split: Any) -> VideoList:
    return VideoList(
        root=motions.videos(split),
        annotations=motions.list_file(split),
        num_classes=8,
        label_map=motions.label_map,
    )


def with_broken_video(motions: MotionDataset, split: Any, folder: Path) -> VideoList:
    """The same list, in which the second video is cut off before its index."""
    videos = video_list(motions, split)
    broken = folder / "broken.mp4"
    first, second, *rest = motions.list_file(split).read_text().splitlines()
    broken.write_bytes((videos.root / first.rpartition(" ")[0]).read_bytes()[:200])
    label = second.rpartition(" ")[2]
    lines = [f"{videos.root}/{line}" for line in (first, *rest)]
    lines.insert(1, f"{broken} {label}")
    path = folder / f"{split}.txt"
    path.write_text("\n".join(lines))
    return replace(videos, root=Path("/"), annotations=path)
