"""The recipe of a detection run: what every person does around a key frame."""

from dataclasses import dataclass, field
from math import inf

from praxiscope.checks import check_number, check_whole
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import WHOLE_FRAME, BoxTransform
from praxiscope.errors import RecipeError
from praxiscope.metrics.ava import check_protocol
from praxiscope.models.detector import ActorDetector
from praxiscope.models.losses import ActorLoss
from praxiscope.recipe.run import RunSettings


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe(RunSettings):
    """One training run of a detector and how it is tested.

    Args:
        test: The list to test on; None takes ``val``.
        test_transform: Of the frames when validating and testing; without random draws.
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
