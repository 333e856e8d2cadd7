"""SlowOnly detector, small enough for two processor cores, on a generated AVA.

Run:       praxiscope quickstart --task detection --out quickstart_detection
           then, to train it again: praxiscope train quickstart_actors
           and its variants: --cfg-options model.context=true, model.temporal_pool=max,
           or model.acrn=true
Data:      quickstart_detection/data, up to three actors a key frame and 14 labels.
Protocol:  the whole frame, generated proposals, mAP at IoU 0.5 as the official evaluation counts.
Paper:     SlowFast Networks for Video Recognition, arXiv:1812.03982, Section 5.

Copy this file for data of your own: change the two lists, ``num_classes`` and the sizes.
"""

from pathlib import Path

from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import AvaDatasetFiles
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Loader, Sgd

DATA = AvaDatasetFiles(Path("quickstart_detection/data"))
# Seen in a mirror, left would be right: nothing is flipped. The lamp at the frame's end must not be
# cut off: nothing is cropped.
WHOLE = BoxTransform(short_side=(48, 48), size=None, flip=0)


def recipe() -> DetectionRecipe:
    """Return the run."""
    return DetectionRecipe(
        model=ActorDetector(
            network=SlowOnly(depth=14, num_classes=15, width=8, dropout=0.0, block_start=0.5),
        ),
        clip=Clip(frames=8, stride=1),
        train=DATA.list("train"),
        val=DATA.list("val"),
        train_transform=WHOLE,
        test_transform=WHOLE,
        box_limit=8,
        protocol="activitynet",
        optim=Sgd(lr=0.6, batch=16, clip_norm=2.0),
        schedule=Cosine(epochs=8, warmup_epochs=1, by_epoch=False),
        loader=Loader(videos_per_device=16, workers=1),
        channels_last=True,
    )
