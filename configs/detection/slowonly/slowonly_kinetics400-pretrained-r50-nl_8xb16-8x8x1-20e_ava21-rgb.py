"""SlowOnly R50 with non-local blocks, 8 frames every 8, AVA 2.1, 20 epochs.

Run:       python tools/train.py
               configs/detection/slowonly/slowonly_kinetics400-pretrained-r50-nl_8xb16-8x8x1-20e_ava21-rgb.py
Published: 23.77 mAP.
Protocol:  AVA 2.1 validation, whole frames of short side 256, mAP at IoU 0.5 over 60 classes.
Cost:      8 GPUs x 16 key frames; memory and time were not published.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982;
           Non-local Neural Networks, arXiv:1711.07971.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.detection import STEPS_20E, sgd
from praxiscope.presets.recognition import loader
from praxiscope.recipe import DetectionRecipe


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=50, num_classes=81, non_local=NonLocal())),
        start="slowonly_nl_embedded_gaussian_r50_8x8x1_150e_kinetics400_rgb_20210308-e8dd9e82",
        clip=Clip(frames=8, stride=8),
        train=ava("train", "2.1"),
        val=ava("val", "2.1"),
        optim=sgd(lr=0.2, key_frames_per_gpu=16),
        schedule=STEPS_20E,
        loader=loader(16),
        validate_every=1,
    )
