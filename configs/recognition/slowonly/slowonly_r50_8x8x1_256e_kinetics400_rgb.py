"""SlowOnly R50, 8 frames every 8, Kinetics-400 RGB, from scratch, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_r50_8x8x1_256e_kinetics400_rgb.py
Published: 74.42 top-1, 91.49 top-5 (short side 256);
           74.93 top-1, 91.92 top-5 (short side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      5820 MiB per GPU in training. 2.3 (80x3 frames) videos/s in testing.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import kinetics400
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=400),
        clip=Clip(frames=8, stride=8),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=256),
        loader=loader(videos_per_gpu=8),
    )
