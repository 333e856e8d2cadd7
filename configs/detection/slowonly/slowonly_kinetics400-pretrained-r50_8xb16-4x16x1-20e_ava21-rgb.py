"""SlowOnly R50, 4 frames every 16, AVA 2.1, 20 epochs.

Run:       python tools/train.py
               configs/detection/slowonly/slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb.py
Published: 20.72 mAP.
Protocol:  AVA 2.1 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 16 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.detection import SLOWONLY_4X16_KINETICS400, STEPS_20E, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=50, num_classes=81)),
        start=SLOWONLY_4X16_KINETICS400,
        clip=Clip(frames=4, stride=16),
        train=ava("train", "2.1"),
        val=ava("val", "2.1"),
        optim=sgd(lr=0.2, key_frames_per_gpu=16),
        schedule=STEPS_20E,
        loader=loader(16),
        validate_every=1,
    )
