"""The recipe of a detection run: what every person does around a key frame."""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal, get_args

from praxiscope.checks import check_choice, check_number, check_whole
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import WHOLE_FRAME, BoxTransform
from praxiscope.errors import RecipeError
from praxiscope.metrics.ava import check_protocol
from praxiscope.models.detector import ActorDetector
from praxiscope.models.losses import ActorLoss
from praxiscope.recipe.run import RunSettings

BankDraw = Literal["even", "random"]


@dataclass(frozen=True, kw_only=True)
class BankWindows:
    """The feature banks that a detector reads from, and how much around each key frame.

    Args:
        train: The bank of the training list.
        val: That of the lists to validate and to test on.
        checkpoint: The weights that made the banks: a file, the name of a published checkpoint, or
            its address. Only videos without a bank need it, to make theirs.
        seconds: Of a window, half of them before the key frame.
        per_second: Persons of a second that take part.
        test_draw: Which take part in testing where there are more: "even" the same ones every time,
            "random" drawn ones, as published. Training always draws.
    """

    train: Path
    val: Path
    checkpoint: str | None = None
    seconds: int = 60
    per_second: int = 5
    test_draw: BankDraw = "even"

    def __post_init__(self) -> None:
        check_whole(self.seconds, "BankWindows.seconds")
        check_whole(self.per_second, "BankWindows.per_second")
        check_choice(self.test_draw, "BankWindows.test_draw", get_args(BankDraw))

    @property
    def slots(self) -> int:
        """Features that a window has room for."""
        return self.seconds * self.per_second


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe(RunSettings):
    """One training run of a detector and how it is tested.

    Args:
        test: The list to test on; None takes ``val``.
        test_transform: Of the frames when validating and testing; without random draws.
        bank: The feature banks of a model that reads from them.
        box_limit: Boxes of a key frame to train on.
        box_threshold: IoU with a true box from which a proposal has its labels.
        min_score: Classes with a higher probability become detections.
        protocol: How mAP is counted, see :data:`praxiscope.metrics.ava.PROTOCOLS`.
        metrics: What to report: mAP.
    """

    model: ActorDetector
    train: AvaList
    val: AvaList
    test: AvaList | None = None
    train_transform: BoxTransform = field(default_factory=BoxTransform)
    test_transform: BoxTransform = WHOLE_FRAME
    loss: ActorLoss = field(default_factory=ActorLoss)
    bank: BankWindows | None = None
    box_limit: int = 32
    box_threshold: float = 0.9
    min_score: float = 0.002
    protocol: str = "reference-1.x"
    metrics: tuple[str, ...] = ("mAP",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self.box_limit, "DetectionRecipe.box_limit")
        check_number(self.box_threshold, "DetectionRecipe.box_threshold", 0, 1)
        check_number(self.min_score, "DetectionRecipe.min_score", -inf, 1)
        check_protocol(self.protocol)
        if (self.bank is None) != (self.model.bank is None):
            raise RecipeError(
                "DetectionRecipe.bank and DetectionRecipe.model.bank belong together: where the "
                "features are, and what the model makes of them. Set both or none."
            )
        if self.loader.class_balance is not None:
            raise RecipeError("Loader.class_balance is for recognition: actors have many labels.")
        if set(self.metrics) - {"mAP"}:
            raise RecipeError(
                f"DetectionRecipe.metrics: detection has mAP alone, not {', '.join(self.metrics)}."
            )
        for name, other in (("val", self.val), ("test", self.test)):
            if other is not None and self.train.multi_label != other.multi_label:
                raise RecipeError(
                    f"DetectionRecipe: train and {name} must have the same multi_label."
                )
        if self.test_transform.flip or len(set(self.test_transform.short_side)) > 1:
            raise RecipeError("DetectionRecipe.test_transform must not draw: one length, no flip.")
