"""SlowOnly R101, 8 frames every 8, Kinetics-400 and web data (OmniSource), from scratch.

Run:       python tools/train.py
  configs/recognition/slowonly/omnisource/slowonly_r101_8x8x1_196e_omnisource_kinetics400_rgb.py
Published: 80.4 top-1, 94.4 top-5; without web data 76.5, 92.7.
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 111.6 GMACs a view of 8 x 256 x 256.
Paper:     Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042.

Published are the weights, without a config. The network, the clips, the 196 epochs and the warm-up
are those of slowonly_r101_8x8x1_196e_kinetics400_rgb. Our choice is the rest: two videos of Kinetics
to one from each web source, and classes drawn by the square root of their size, as in the
mini-Kinetics configs of OpenMMLab's 0.x; the learning rate of 0.1 for 64 videos, scaled to 160. The
paper's mixing of images across sources (mixup) is not here. The web data of all 400 classes were
never released: the recipe expects lists of your own, see docs/en/data_preparation.md.
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
        model=SlowOnly(depth=101, num_classes=400),
        clip=Clip(frames=8, stride=8),
        train=kinetics400("train", "frames"),
        auxiliary=web_sources(400, videos_per_source=4),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.25, videos_per_gpu=20),
        schedule=Cosine(epochs=196, warmup_epochs=34),
        loader=loader(videos_per_gpu=8),
    )
