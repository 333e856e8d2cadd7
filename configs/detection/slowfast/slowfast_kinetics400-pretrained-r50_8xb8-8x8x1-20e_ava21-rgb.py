"""SlowFast R50, 8 slow frames every 8 and 32 fast ones every 2, AVA 2.1, 20 epochs.

Run:       python tools/train.py
               configs/detection/slowfast/slowfast_kinetics400-pretrained-r50_8xb8-8x8x1-20e_ava21-rgb.py
Published: 25.80 mAP.
Protocol:  AVA 2.1 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 8 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.presets.detection import SLOWFAST_8X8, STEPS_20E, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SLOWFAST_8X8),
        start="slowfast_r50_8x8x1_256e_kinetics400_rgb_20200716-73547d2b",
        clip=Clip(frames=32, stride=2),
        train=ava("train", "2.1"),
        val=ava("val", "2.1"),
        optim=sgd(lr=0.1, key_frames_per_gpu=8),
        schedule=STEPS_20E,
        loader=loader(8),
        validate_every=1,
    )
