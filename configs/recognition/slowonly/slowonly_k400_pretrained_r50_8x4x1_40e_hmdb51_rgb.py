"""SlowOnly R50, 8 frames every 4, HMDB51, 40 epochs from Kinetics-400 weights.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_k400_pretrained_r50_8x4x1_40e_hmdb51_rgb.py
Published: 65.95 top-1, 91.05 top-5.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      5812 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

The figures are of split 1. For split 2: --cfg-options
train.annotations=data/hmdb51/hmdb51_train_split_2_rawframes.txt
val.annotations=data/hmdb51/hmdb51_val_split_2_rawframes.txt
"""

from praxiscope.data.catalog import hmdb51
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Recipe, Step


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=51),
        start="slowonly_r50_8x8x1_256e_kinetics400_rgb_20200703-a79c555a",
        clip=Clip(frames=8, stride=4),
        train=hmdb51("train", 1),
        val=hmdb51("val", 1),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.001, videos_per_gpu=8, clip_norm=20.0),
        schedule=Step(epochs=40, milestones=(15, 30)),
        loader=loader(videos_per_gpu=8),
        validate_every=1,
    )
