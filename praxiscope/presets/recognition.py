"""What the published recognition recipes share, so that a recipe holds only what differs."""

from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.recipe import Loader, Sgd

GPUS = 8  # the published learning rates are for this many


def sgd(lr: float, videos_per_gpu: int, clip_norm: float = 40.0) -> Sgd:
    """Return the published optimiser: momentum 0.9, decay 1e-4, gradients clipped to a norm."""
    return Sgd(lr=lr, batch=videos_per_gpu * GPUS, clip_norm=clip_norm)


def loader(videos_per_gpu: int) -> Loader:
    """Return a loader of the published batch per device."""
    return Loader(videos_per_device=videos_per_gpu)


def train_crops(short_side: int | None = 256, size: int = 224) -> TrainTransform:
    """Return the published training views: a random resized crop, flipped half the time."""
    return TrainTransform(short_side=short_side, size=size)


def val_view(short_side: int | None = 256, size: int = 224) -> Views:
    """Return the published validation view: one clip, the centre crop."""
    return Views(clips=1, crops=1, size=size, short_side=short_side, clip_starts="0.x")


def views_10x3(short_side: int | None = 256, size: int = 256) -> Views:
    """Return the published test views: 10 clips x 3 crops."""
    return Views(clips=10, crops=3, size=size, short_side=short_side, clip_starts="0.x")


def views_10x1() -> Views:
    """Return the test views of the published GYM99 flow run: 10 clips x the centre crop of 256."""
    return Views(clips=10, crops=1, size=256, clip_starts="0.x")
