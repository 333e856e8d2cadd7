"""SlowOnly R50, 4 frames every 16, GYM99 optical flow, 120 epochs from Kinetics-400.

Run:       python tools/train.py
               configs/recognition/slowonly/slowonly_k400_pretrained_r50_4x16x1_120e_gym99_flow.py
Published: 80.3 top-1, 71.0 mean class accuracy (short-side 256).
Protocol:  10 clips x the centre crop of 256, softmax averaged.
Cost:      memory was not published; 27.1 GMACs a view of 4 x 256 x 256.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.

The published config does not set the number of classes, so the head has 400 outputs, of which
the last 301 never occur; the classifier of the start weights, of the same size, is kept as well.
"""

from praxiscope.data.catalog import gym99
from praxiscope.data.sampling import Clip
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x1
from praxiscope.recipe import Recipe, Step


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowOnly(depth=50, num_classes=400, channels=2),
        start="slowonly_r50_4x16x1_256e_kinetics400_flow_20200704-decb8568",
        clip=Clip(frames=4, stride=16),
        train=gym99("train", "flow", num_classes=400),
        val=gym99("val", "flow", num_classes=400),
        train_transform=train_crops(),
        val_views=val_view(size=256),
        test_views=views_10x1(),
        optim=sgd(lr=0.03, videos_per_gpu=24),
        schedule=Step(epochs=120, milestones=(90, 110)),
        loader=loader(videos_per_gpu=24),
    )
