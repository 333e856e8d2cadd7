"""SlowFast R50 with temporal maximum, AVA 2.2, 10 epochs.

Clips have 8 slow frames every 8 and 32 fast ones every 2.

Run:       python tools/train.py
               configs/detection/slowfast/slowfast_kinetics400-pretrained-r50-temporal-max_8xb6-8x8x1-cosine-10e_ava22-rgb.py
Published: 26.41 mAP.
Protocol:  AVA 2.2 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 6 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.presets.detection import COSINE_10E, SLOWFAST_8X8, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SLOWFAST_8X8, temporal_pool="max"),
        start="slowfast_r50_8x8x1_256e_kinetics400_rgb_20200716-73547d2b",
        clip=Clip(frames=32, stride=2),
        train=ava("train", "2.2"),
        val=ava("val", "2.2"),
        optim=sgd(lr=0.075, key_frames_per_gpu=6),
        schedule=COSINE_10E,
        loader=loader(6),
        validate_every=1,
    )
