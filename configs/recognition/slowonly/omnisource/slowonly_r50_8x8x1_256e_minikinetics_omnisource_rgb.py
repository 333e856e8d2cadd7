"""SlowOnly R50, 8 frames every 8, mini-Kinetics and web data (OmniSource), from scratch.

Run:       python tools/train.py
  configs/recognition/slowonly/omnisource/slowonly_r50_8x8x1_256e_minikinetics_omnisource_rgb.py
Published: 82.9 top-1, 95.8 top-5; without web data 78.6, 93.9.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 54.5 GMACs a view of 8 x 256 x 256.
Paper:     Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042.

The 200 classes whose web data were released. The published run makes a step of its own of each
source's batch, a step of every web source after two of Kinetics, at a learning rate of 0.15 for 96
videos without a warm-up. Here the four batches are one step of 240 videos in the same ratio; the
learning rate is scaled to them, and warmed up as in the published R101 run on Kinetics-400.
"""

from praxiscope.data.omnisource import mini_kinetics
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.omnisource import web_sources
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=200),
        clip=Clip(frames=8, stride=8),
        train=mini_kinetics("train"),
        auxiliary=web_sources(200, videos_per_source=6),
        val=mini_kinetics("val"),
        train_transform=train_crops(),
        val_views=val_view(size=256),
        test_views=views_10x3(),
        optim=sgd(lr=0.375, videos_per_gpu=30),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=12),
    )
