"""SlowOnly R50, 4 frames every 16, Kinetics-400 and web data (OmniSource), from scratch.

Run:       python tools/train.py
  configs/recognition/slowonly/omnisource/slowonly_r50_4x16x1_256e_omnisource_kinetics400_rgb.py
Published: 76.8 top-1, 92.5 top-5; without web data 73.0, 90.8.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 27.3 GMACs a view of 4 x 256 x 256.
Paper:     Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042.

Published are the weights, without a config. The network, the clips and the 256 epochs are those of
slowonly_r50_4x16x1_256e_kinetics400_rgb. Our choice is the rest: two videos of Kinetics to one from
each web source, and classes drawn by the square root of their size, as in the mini-Kinetics configs
of OpenMMLab's 0.x; its learning rate of 0.1 for 64 videos, scaled to 160, and therefore the warm-up
of the published R101 run. The paper's mixing of images across sources (mixup) is not here. The web
data of all 400 classes were never released: the recipe expects lists of your own, see
docs/en/data_preparation.md.
"""

from praxiscope.data.catalog import kinetics400
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.omnisource import web_sources
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Cosine, Recipe


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=400),
        clip=Clip(frames=4, stride=16),
        train=kinetics400("train", "frames"),
        auxiliary=web_sources(400, videos_per_source=4),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.25, videos_per_gpu=20),
        schedule=Cosine(epochs=256, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
