"""SlowOnly R50, 4 frames every 16, Kinetics-400, 150 epochs from ImageNet weights.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_imagenet_pretrained_r50_4x16x1_150e_kinetics400_rgb.py
Published: 73.39 top-1, 91.12 top-5 (short-side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      3168 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import kinetics400
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Recipe, Step


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=400),
        start="imagenet",
        clip=Clip(frames=4, stride=16),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.01, videos_per_gpu=8),
        schedule=Step(epochs=150, milestones=(90, 130), warmup_epochs=10),
        loader=loader(videos_per_gpu=8),
    )
