"""SlowOnly R50, 8 frames every 4, UCF101, 64 epochs from ImageNet weights.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_imagenet_pretrained_r50_8x4x1_64e_ucf101_rgb.py
Published: 71.35 top-1, 89.35 top-5.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      5812 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

Beside its cosine the published config has steps at epochs 90 and 130, which a cosine cannot
use: they are left out.

The figures are of split 1. For split 2: --cfg-options
train.annotations=data/ucf101/ucf101_train_split_2_rawframes.txt
val.annotations=data/ucf101/ucf101_val_split_2_rawframes.txt
"""

from praxiscope.data.catalog import ucf101
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=101),
        start="imagenet",
        clip=Clip(frames=8, stride=4),
        train=ucf101("train", 1),
        val=ucf101("val", 1),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=64, warmup_epochs=10, by_epoch=False),
        loader=loader(videos_per_gpu=8),
        validate_every=1,
    )
