"""SlowFast R50 with context, 4 slow frames every 16 and 32 fast ones every 2, AVA 2.1, 20 epochs.

Run:       python tools/train.py
               configs/detection/slowfast/slowfast_kinetics400-pretrained-r50-context_8xb16-4x16x1-20e_ava21-rgb.py
Published: 25.34 mAP.
Protocol:  AVA 2.1 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 16 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.presets.detection import SLOWFAST_4X16, STEPS_20E, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SLOWFAST_4X16, context=True),
        start="slowfast_r50_4x16x1_256e_kinetics400_rgb_20200704-bcde7ed7",
        clip=Clip(frames=32, stride=2),
        train=ava("train", "2.1"),
        val=ava("val", "2.1"),
        optim=sgd(lr=0.2, key_frames_per_gpu=16),
        schedule=STEPS_20E,
        loader=loader(16),
        validate_every=1,
    )
