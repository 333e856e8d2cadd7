"""SlowFast R50, 8 slow frames every 8 and 32 fast ones every 2, Kinetics-400 RGB, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowfast/slowfast_r50_8x8x1_256e_kinetics400_rgb.py
Published: 75.61 top-1, 92.34 top-5 (short side 256);
           76.94 top-1, 92.8 top-5 (short side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      9062 MiB per GPU in training. 1.3 ((32+8)x10x3 frames) videos/s in testing.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import kinetics400
from praxiscope.data.sampling import Clip
from praxiscope.models.slowfast import SlowFast
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowFast(depth=50, num_classes=400, slow_stride=4, speed_ratio=4, lateral_frames=7),
        clip=Clip(frames=32, stride=2),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
