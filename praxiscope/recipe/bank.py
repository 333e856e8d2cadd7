"""The recipe of a feature bank: which detector looks at which persons, and where that is kept."""

from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Literal, get_args

from praxiscope.banks.layout import BANK_TYPES, BankType
from praxiscope.checks import check_choice, check_number
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import WHOLE_FRAME, BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.errors import RecipeError
from praxiscope.metrics.ava import check_protocol
from praxiscope.models.detector import ActorDetector
from praxiscope.recipe.detection import DetectionRecipe
from praxiscope.recipe.run import Loader

DatasetMode = Literal["train", "val"]


@dataclass(frozen=True, kw_only=True)
class BankRecipe:
    """A feature bank to be filled, of every person in every key frame of a list.

    Args:
        model: Whose features they are.
        clip: What the model sees at a time.
        train: The training list.
        val: The list to validate and to test on.
        dataset_mode: Whose bank is filled now: "train" or "val".
        folder: Where the banks go: ``lfb_train.safetensors`` and ``lfb_val.safetensors``.
        test_transform: Of the frames; without random draws.
        dtype: What is stored: "float16" halves the file, and the time to read it.
        loader: Decoding processes, one video each at a time.
        min_score: Classes with a higher probability become detections, for mAP.
        protocol: How mAP is counted, see :data:`praxiscope.metrics.ava.PROTOCOLS`.
    """

    model: ActorDetector
    clip: Clip
    train: AvaList
    val: AvaList
    dataset_mode: DatasetMode = "train"
    folder: Path = Path("data/ava/lfb_half")
    test_transform: BoxTransform = WHOLE_FRAME
    dtype: BankType = "float16"
    loader: Loader = field(default_factory=Loader)
    min_score: float = 0.002
    protocol: str = "reference-1.x"

    def __post_init__(self) -> None:
        check_choice(self.dataset_mode, "BankRecipe.dataset_mode", get_args(DatasetMode))
        check_choice(self.dtype, "BankRecipe.dtype", BANK_TYPES)
        check_number(self.min_score, "BankRecipe.min_score", -inf, 1)
        check_protocol(self.protocol)
        transform = self.test_transform
        if transform.flip or len(set(transform.short_side)) > 1 or transform.size is not None:
            raise RecipeError(
                "BankRecipe.test_transform must not draw: one length, no crop (size=None), no flip."
            )

    @property
    def list(self) -> AvaList:
        """The list whose bank is filled now."""
        return self.train if self.dataset_mode == "train" else self.val

    @property
    def path(self) -> Path:
        """The bank that is filled now."""
        return self.folder / f"lfb_{self.dataset_mode}.safetensors"


def bank_recipe_of(recipe: DetectionRecipe, *, folder: Path = Path()) -> BankRecipe:
    """Return the recipe of the banks that a detector's features make.

    Of one that reads banks, it is the detector without. Persons are those of its training list's
    ``min_score``, in both banks.
    """
    return BankRecipe(
        model=replace(recipe.model, bank=None),
        clip=recipe.clip,
        train=recipe.train,
        val=replace(recipe.test or recipe.val, min_score=recipe.train.min_score),
        folder=folder,
        test_transform=recipe.test_transform,
        loader=recipe.loader,
        min_score=recipe.min_score,
        protocol=recipe.protocol,
    )
