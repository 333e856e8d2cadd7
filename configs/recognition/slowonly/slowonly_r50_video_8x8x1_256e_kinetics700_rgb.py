"""SlowOnly R50, 8 frames every 8, Kinetics-700 RGB from video files, from scratch, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_r50_video_8x8x1_256e_kinetics700_rgb.py
Published: 65.0 top-1, 86.1 top-5 (short side 256).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 54.5 GMACs a view of 8 x 256 x 256.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import kinetics700
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=700),
        clip=Clip(frames=8, stride=8),
        train=kinetics700("train"),
        val=kinetics700("val"),
        train_transform=train_crops(short_side=None),
        val_views=val_view(short_side=None),
        test_views=views_10x3(short_side=None),
        optim=sgd(lr=0.15, videos_per_gpu=12),
        schedule=Cosine(epochs=256),
        loader=loader(videos_per_gpu=12),
    )
