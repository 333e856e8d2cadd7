"""SlowOnly R50, 4 frames every 16, Kinetics-400 stored at short side 320: the data benchmark.

Run:       python tools/train.py
               configs/recognition/slowonly/data_benchmark/slowonly_r50_randomresizedcrop_320p_4x16x1_256e_kinetics400_rgb.py
Published: 73.02 top-1, 90.77 top-5 (short side 320).
Protocol:  10 clips x 3 crops of 256, softmax averaged.
Cost:      memory was not published; 27.3 GMACs a view of 4 x 256 x 256.
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
        model=SlowOnly(depth=50, num_classes=400),
        clip=Clip(frames=4, stride=16),
        train=kinetics400("train", "frames", short_side=320),
        val=kinetics400("val", "frames", short_side=320),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.6, videos_per_gpu=16),
        schedule=Cosine(epochs=256),
        loader=loader(videos_per_gpu=16),
    )
