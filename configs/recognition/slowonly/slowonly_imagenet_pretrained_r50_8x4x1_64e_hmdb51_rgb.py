"""SlowOnly R50, 8 frames every 4, HMDB51, 64 epochs from ImageNet weights.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_imagenet_pretrained_r50_8x4x1_64e_hmdb51_rgb.py
Published: 37.52 top-1, 71.50 top-5.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      5812 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

Beside its cosine the published config has steps at epochs 90 and 130, which a cosine cannot
use: they are left out.

The figures are of split 1. For split 2: --cfg-options
train.annotations=data/hmdb51/hmdb51_train_split_2_rawframes.txt
val.annotations=data/hmdb51/hmdb51_val_split_2_rawframes.txt
"""

from praxiscope.data.catalog import hmdb51
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=51),
        start="imagenet",
        clip=Clip(frames=8, stride=4),
        train=hmdb51("train", 1),
        val=hmdb51("val", 1),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=64, warmup_epochs=10, by_epoch=False),
        loader=loader(videos_per_gpu=8),
        validate_every=1,
    )
