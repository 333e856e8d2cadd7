"""SlowFast, slow R152 and fast R50, 4 slow frames every 16, Kinetics-400 RGB, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowfast/slowfast_r152_r50_4x16x1_256e_kinetics400_rgb.py
Published: 77.13 top-1, 93.20 top-5 (short side 256).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      10077 MiB per GPU in training.
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
        model=SlowFast(depth=152, fast_depth=50, num_classes=400, slow_stride=8, speed_ratio=8),
        clip=Clip(frames=32, stride=2),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        max_testing_views=8,
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
