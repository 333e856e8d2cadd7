"""SlowOnly R50, 8 frames every 4, Something-Something V1, 64 epochs from ImageNet.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_imagenet_pretrained_r50_8x4x1_64e_sthv1_rgb.py
Published: 47.76 top-1, 77.49 top-5.
Protocol:  10 clips x 3 crops of 128, softmax averaged.
Cost:      7759 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

The frames are 100 pixels high: crops are 112 and 128, and the stem does not pool. The published
config flips without changing labels ("--cfg-options train.flip_pairs=()"); here a flip exchanges
the three pairs of classes that say left and right. Beside its cosine that config has steps at
epochs 90 and 130, which a cosine cannot use: they are left out.
"""

from praxiscope.data.catalog import something_v1
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=174, stem_pool=False),
        start="imagenet",
        clip=Clip(frames=8, stride=4),
        train=something_v1("train"),
        val=something_v1("val"),
        train_transform=train_crops(short_side=128, size=112),
        val_views=val_view(short_side=128, size=112),
        test_views=views_10x3(short_side=128, size=128),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        schedule=Cosine(epochs=64, warmup_epochs=10),
        loader=loader(videos_per_gpu=8),
        validate_every=1,
    )
