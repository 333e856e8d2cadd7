"""SlowOnly R50 with context and temporal maximum, 8 frames every 8, AVA-Kinetics, 10 epochs.

Run:       python tools/train.py
               configs/detection/slowonly/slowonly_k700-pre-r50-context-temporal-max_8xb8-8x8x1-10e_ava-kinetics-rgb.py
Published: 28.48 mAP.
Protocol:  AVA 2.2 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 8 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982;
           The AVA-Kinetics Localized Human Actions Video Dataset, arXiv:2005.00214.
"""

from praxiscope.data.catalog import ava_kinetics
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.detection import COSINE_10E, SLOWONLY_8X8_KINETICS700, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(
            network=SlowOnly(depth=50, num_classes=81), context=True, temporal_pool="max"
        ),
        start=SLOWONLY_8X8_KINETICS700,
        clip=Clip(frames=8, stride=8),
        train=ava_kinetics("train"),
        val=ava_kinetics("val"),
        optim=sgd(lr=0.1, key_frames_per_gpu=8),
        schedule=COSINE_10E,
        loader=loader(8),
        validate_every=1,
    )
