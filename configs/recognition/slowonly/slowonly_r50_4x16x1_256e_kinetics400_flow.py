"""SlowOnly R50, 4 frames every 16, Kinetics-400 optical flow, 256 epochs.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_r50_4x16x1_256e_kinetics400_flow.py
Published: 61.79 top-1, 83.62 top-5 (short side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      8450 MiB per GPU in training.
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
        model=SlowOnly(depth=50, num_classes=400, channels=2),
        start="imagenet",
        clip=Clip(frames=4, stride=16),
        train=kinetics400("train", "flow"),
        val=kinetics400("val", "flow"),
        train_transform=train_crops(),
        val_views=val_view(size=256),
        test_views=views_10x3(),
        optim=sgd(lr=0.06, videos_per_gpu=24),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=24),
    )
