"""SlowOnly R50, 8 frames every 8, Kinetics-400 optical flow, 196 epochs.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_r50_8x8x1_256e_kinetics400_flow.py
Published: 65.76 top-1, 86.25 top-5 (short side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      8455 MiB per GPU in training.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

The documents call it slowonly_r50_8x8x1_196e_kinetics400_flow: the file says 256e, the run has
196 epochs.
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
        clip=Clip(frames=8, stride=8),
        train=kinetics400("train", "flow"),
        val=kinetics400("val", "flow"),
        train_transform=train_crops(),
        val_views=val_view(size=256),
        test_views=views_10x3(),
        optim=sgd(lr=0.06, videos_per_gpu=12),
        schedule=Cosine(epochs=196, warmup_epochs=34),
        loader=loader(videos_per_gpu=12),
    )
