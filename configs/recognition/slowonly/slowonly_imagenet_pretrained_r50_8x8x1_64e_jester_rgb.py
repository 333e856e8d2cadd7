"""SlowOnly R50, 8 frames every 4, Jester, 64 epochs from ImageNet weights.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_imagenet_pretrained_r50_8x8x1_64e_jester_rgb.py
Published: 97.2 top-1 (height 100).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 54.5 GMACs a view of 8 x 256 x 256.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

The name says 8x8x1; the published config takes a frame every 4. Flips exchange the labels of
gestures to the left and to the right.
"""

from praxiscope.data.catalog import jester
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=27),
        start="imagenet",
        clip=Clip(frames=8, stride=4),
        train=jester("train"),
        val=jester("val"),
        train_transform=train_crops(short_side=None, size=224),
        val_views=val_view(size=256),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=64, by_epoch=False),
        loader=loader(videos_per_gpu=8),
    )
