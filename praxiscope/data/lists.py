"""Lists of labelled videos: where they are, and what their lines say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxiscope.data.checks import check_choice, check_whole
from praxiscope.errors import RecipeError

Kind = Literal["video", "frames", "flow"]
Split = Literal["train", "val", "test"]

TEMPLATES: dict[str, str] = {"frames": "img_{:05d}.jpg", "flow": "{}_{:05d}.jpg"}


@dataclass(frozen=True, kw_only=True)
class VideoList:
    """Videos under ``root`` with their labels.

    ``annotations`` names them, one a line or as JSON (see :func:`read_list`). Without it ``root``
    holds one sub-folder per class, which ``split_seed`` divides: ``val_share`` of the videos are
    the ``val`` (and ``test``) split, the others ``train``. ``kind`` says what a video is: a file, a
    folder of frame images, or one of optical flow images; ``template`` is the images' name (None:
    ``img_00001.jpg``; flow ``x_00001.jpg``, ``y_00001.jpg``), ``first_frame`` their first number.
    """

    root: Path
    annotations: Path | None = None
    num_classes: int
    kind: Kind = "video"
    template: str | None = None
    first_frame: int = 1
    with_offset: bool = False  # frame lists only: "dir offset num_frames label"
    multi_label: bool = False
    label_map: Path | None = None  # class names, one a line
    flip_pairs: tuple[tuple[int, int], ...] = ()  # labels that a left-right flip exchanges
    split: Split = "train"
    val_share: float = 0.2
    split_seed: int = 0
    alternative: "VideoList | None" = None  # used where ``annotations`` does not exist

    def __post_init__(self) -> None:
        check_whole(self.num_classes, "VideoList.num_classes")
        check_whole(self.first_frame, "VideoList.first_frame", least=0)
        check_choice(self.kind, "VideoList.kind", ("video", "frames", "flow"))
        check_choice(self.split, "VideoList.split", ("train", "val", "test"))
        if not 0 <= self.val_share <= 1:
            raise RecipeError(f"VideoList.val_share must be from 0 to 1, not {self.val_share!r}.")
        for label in (label for pair in self.flip_pairs for label in pair):
            if not 0 <= label < self.num_classes:
                raise RecipeError(f"VideoList.flip_pairs: no class {label} of {self.num_classes}.")
