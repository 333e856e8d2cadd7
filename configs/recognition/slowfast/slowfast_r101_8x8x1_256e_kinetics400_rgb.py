"""SlowFast R101, 8 slow frames every 8 and 32 fast ones every 2, Kinetics-400 RGB, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowfast/slowfast_r101_8x8x1_256e_kinetics400_rgb.py
Published: 77.90 top-1, 93.51 top-5 (short side 256).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      25994 MiB per GPU in training.
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
        model=SlowFast(depth=101, num_classes=400, slow_stride=4, speed_ratio=4, lateral_frames=7),
        clip=Clip(frames=32, stride=2),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        max_testing_views=10,
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
