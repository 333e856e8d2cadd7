"""SlowOnly R101, 8 frames every 8, Kinetics-400 RGB, from scratch, 196 epochs.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_r101_8x8x1_196e_kinetics400_rgb.py
Published: 76.5 top-1, 92.7 top-5 (?).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 111.6 GMACs a view of 8 x 256 x 256.
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
        model=SlowOnly(depth=101, num_classes=400),
        clip=Clip(frames=8, stride=8),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=196, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
