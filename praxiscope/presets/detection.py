"""What the published detection recipes share, so that a recipe holds only what differs."""

from praxiscope.models.slowfast import SlowFast
from praxiscope.presets.recognition import GPUS
from praxiscope.recipe import Cosine, Sgd, Step

SLOWFAST_4X16 = SlowFast(depth=50, num_classes=81, slow_stride=8, speed_ratio=8, lateral_frames=5)
SLOWFAST_8X8 = SlowFast(depth=50, num_classes=81, slow_stride=4, speed_ratio=4, lateral_frames=7)

STEPS_20E = Step(
    epochs=20, milestones=(10, 15), warmup_epochs=5, warmup_by_epoch=True, convention="1.x"
)
COSINE_10E = Cosine(epochs=10, warmup_epochs=2, by_epoch=False, convention="1.x")

# Start weights that are no rows of the model zoo.
_OPENMMLAB = "https://download.openmmlab.com/mmaction/v1.0/recognition/slowonly"
SLOWONLY_4X16_KINETICS400 = (
    f"{_OPENMMLAB}/slowonly_imagenet-pretrained-r50_8xb16-4x16x1-steplr-150e_kinetics400-rgb/"
    "slowonly_imagenet-pretrained-r50_8xb16-4x16x1-steplr-150e_kinetics400-rgb"
    "_20220901-e7b65fad.pth"
)
SLOWONLY_8X8_KINETICS400 = (
    f"{_OPENMMLAB}/slowonly_imagenet-pretrained-r50_8xb16-8x8x1-steplr-150e_kinetics400-rgb/"
    "slowonly_imagenet-pretrained-r50_8xb16-8x8x1-steplr-150e_kinetics400-rgb"
    "_20220901-df42dc84.pth"
)
SLOWONLY_4X16_KINETICS700 = (
    f"{_OPENMMLAB}/slowonly_imagenet-pretrained-r50_8xb16-4x16x1-steplr-150e_kinetics700-rgb/"
    "slowonly_imagenet-pretrained-r50_16xb16-4x16x1-steplr-150e_kinetics700-rgb"
    "_20220901-f73b3e89.pth"
)
SLOWONLY_8X8_KINETICS700 = (
    f"{_OPENMMLAB}/slowonly_imagenet-pretrained-r50_16xb16-8x8x1-steplr-150e_kinetics700-rgb/"
    "slowonly_imagenet-pretrained-r50_16xb16-8x8x1-steplr-150e_kinetics700-rgb"
    "_20221013-15b93b10.pth"
)


def sgd(lr: float, key_frames_per_gpu: int) -> Sgd:
    """Return the published optimiser: momentum 0.9, decay 1e-5, gradients clipped to norm 40."""
    return Sgd(lr=lr, batch=key_frames_per_gpu * GPUS, weight_decay=1e-5, clip_norm=40.0)
