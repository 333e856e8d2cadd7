"""SlowOnly R50 and the mean of a feature bank, 4 frames every 16, AVA 2.1, 20 epochs.

Run:       python tools/train.py
               configs/detection/lfb/slowonly-lfb-avg_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb.py
           once slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb.py has filled the two banks.
Published: no accuracy and no weights, but a configuration of the 0.x generation,
           lfb_avg_kinetics_pretrained_slowonly_r50_4x16x1_20e_ava_rgb: identical to that of the
           maximum but for the operator, as this one is to the 1.x recipe of the maximum.
Protocol:  AVA 2.1 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes, of
           persons that score 0.85 and all their classes.
Cost:      8 GPUs x 12 key frames; memory and time were not published.
Paper:     Long-Term Feature Banks for Detailed Video Understanding, arXiv:1812.05038.
"""

from dataclasses import replace

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.detection import (
    BANK_STEPS_20E,
    BANK_WINDOWS,
    SLOWONLY_4X16_KINETICS400,
    sgd,
)
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=50, num_classes=81), bank="avg"),
        bank=BANK_WINDOWS,
        start=SLOWONLY_4X16_KINETICS400,
        clip=Clip(frames=4, stride=16),
        train=ava("train", "2.1"),
        val=replace(ava("val", "2.1"), min_score=0.85),
        min_score=0.0,
        optim=sgd(lr=0.15, key_frames_per_gpu=12, clip_norm=20.0),
        schedule=BANK_STEPS_20E,
        loader=loader(12),
        validate_every=1,
    )
