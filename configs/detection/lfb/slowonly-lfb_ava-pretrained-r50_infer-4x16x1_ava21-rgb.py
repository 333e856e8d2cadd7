"""The feature banks of AVA 2.1: persons as SlowOnly R50 sees them, 4 frames every 16.

The twin slowonly-lfb-infer_r50_ava21-rgb fills the same banks. It counts every class of a
person in mAP, this one those above a probability of 0.002.

Run:       python tools/test.py
               configs/detection/lfb/slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb.py
               CHECKPOINT --eval mAP
           for the training list, and again with --cfg-options dataset_mode=val for the other one.
           CHECKPOINT is one of slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb.
Published: the banks of both lists, 1.65 GB as half floats, and the weights that made them, which
           are BANK_CHECKPOINT in praxiscope.presets.detection; no accuracy.
Protocol:  every key frame of a list, whole frames of short side 256, persons that score 0.9.
Cost:      a forward pass for each key frame; memory and time were not published.
Paper:     Long-Term Feature Banks for Detailed Video Understanding, arXiv:1812.05038.
"""

from praxiscope.data.catalog import ava
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.presets.detection import BANK_FOLDER
from praxiscope.recipe import BankRecipe


def recipe() -> BankRecipe:
    """Return the banks."""
    return BankRecipe(
        model=ActorDetector(network=SlowOnly(depth=50, num_classes=81)),
        clip=Clip(frames=4, stride=16),
        train=ava("train", "2.1"),
        val=ava("val", "2.1"),
        folder=BANK_FOLDER,
    )
