"""SlowFast, small enough for two processor cores, 16 frames every 2, on generated motions.

Run:       praxiscope quickstart --out quickstart
           then, to train it again: praxiscope train quickstart_motions
Data:      quickstart/data, 8 classes of motion that one frame cannot tell apart.
Protocol:  2 clips x 3 crops of 56, softmax averaged.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

Copy this file for data of your own: change the two lists, ``num_classes`` and the sizes.
"""

from pathlib import Path

from praxiscope.data.lists import Split, VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.models.slowfast import SlowFast
from praxiscope.recipe import Cosine, Loader, Recipe, Sgd

DATA = Path("quickstart/data")


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowFast(
            depth=14,
            num_classes=8,
            width=16,
            channel_ratio=2,
            slow_stride=4,
            speed_ratio=4,
            dropout=0.0,
            block_start=0.5,
        ),
        clip=Clip(frames=16, stride=2),
        train=motions("train"),
        val=motions("test"),
        train_transform=TrainTransform(short_side=56, size=48, area=(0.8, 1.0), aspect=(1.0, 1.0)),
        val_views=Views(short_side=56, size=48),
        test_views=Views(short_side=56, size=48, clips=2, crops=3),
        optim=Sgd(lr=0.03, batch=16, clip_norm=2.0),
        schedule=Cosine(epochs=8, warmup_epochs=1, by_epoch=False),
        loader=Loader(videos_per_device=16, workers=1),
        channels_last=True,
    )


def motions(split: Split) -> VideoList:
    """Return the generated list of a split."""
    return VideoList(
        root=DATA / f"videos_{split}",
        annotations=DATA / f"{split}_list.txt",
        label_map=DATA / "label_map.txt",
        num_classes=8,
        # Seen in a mirror, left is right and clockwise is anticlockwise.
        flip_pairs=((0, 1), (2, 3)),
    )
