"""What the published detection recipes share, so that a recipe holds only what differs."""

from dataclasses import replace
from pathlib import Path

from praxiscope.models.slowfast import SlowFast
from praxiscope.presets.recognition import GPUS
from praxiscope.recipe import BankWindows, Cosine, Sgd, Step

SLOWFAST_4X16 = SlowFast(depth=50, num_classes=81, slow_stride=8, speed_ratio=8, lateral_frames=5)
SLOWFAST_8X8 = SlowFast(depth=50, num_classes=81, slow_stride=4, speed_ratio=4, lateral_frames=7)

STEPS_20E = Step(
    epochs=20, milestones=(10, 15), warmup_epochs=5, warmup_by_epoch=True, convention="1.x"
)
COSINE_10E = Cosine(epochs=10, warmup_epochs=2, by_epoch=False, convention="1.x")

# Of the models with feature banks: the rate rises with every step.
BANK_STEPS_20E = replace(STEPS_20E, warmup_by_epoch=False)

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

# The weights that the published feature banks were made with: SlowOnly R50, 4 frames every 16, on
# AVA 2.1, as the 0.x generation trained it. The model zoo's row of that recipe is another training.
_BANK_MAKER = "slowonly_kinetics_pretrained_r50_4x16x1_20e_ava_rgb"
BANK_CHECKPOINT = (
    f"https://download.openmmlab.com/mmaction/detection/ava/{_BANK_MAKER}/"
    f"{_BANK_MAKER}_20201217-40061d5f.pth"
)
BANK_FOLDER = Path("data/ava/lfb_half")
BANK_WINDOWS = BankWindows(
    train=BANK_FOLDER / "lfb_train.safetensors",
    val=BANK_FOLDER / "lfb_val.safetensors",
    checkpoint=BANK_CHECKPOINT,
)


def sgd(lr: float, key_frames_per_gpu: int, clip_norm: float = 40.0) -> Sgd:
    """Return the published optimiser: momentum 0.9, decay 1e-5, gradients clipped to a norm."""
    return Sgd(lr=lr, batch=key_frames_per_gpu * GPUS, weight_decay=1e-5, clip_norm=clip_norm)
