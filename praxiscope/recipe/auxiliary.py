"""What a training list is joined with."""

from dataclasses import dataclass

from praxiscope.checks import check_number, check_whole
from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform
from praxiscope.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class AuxiliarySource:
    """A further list to train on, a part of every batch: web images, web videos.

    Its classes are those of the main list.

    Args:
        videos_per_device: Its videos in a training batch of one device, beside those of
            ``Loader.videos_per_device`` from the main list.
        class_balance: As in ``Loader``, for this list.
        clip: What is taken from its videos, as many frames as from others; None: the recipe's.
        transform: How they are cropped, to the same size as others; None: the recipe's.

    Source: Omni-sourced Webly-supervised Learning for Video Recognition, arXiv:2003.13042.
    """

    videos: VideoList
    videos_per_device: int
    class_balance: float | None = None
    clip: Clip | None = None
    transform: TrainTransform | None = None

    def __post_init__(self) -> None:
        check_whole(self.videos_per_device, "AuxiliarySource.videos_per_device")
        if self.class_balance is not None:
            check_number(self.class_balance, "AuxiliarySource.class_balance", 0, 1)
            if self.videos.multi_label:
                raise RecipeError("AuxiliarySource.class_balance needs one label a video.")
