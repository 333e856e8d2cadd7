"""A recipe: everything one run needs, as plain frozen dataclasses."""

import dataclasses
from dataclasses import dataclass

from praxiscope.data.checks import check_whole
from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import RecipeError
from praxiscope.models.recognizer import Average
from praxiscope.models.resnet3d import NUM_STAGES
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe.optimisation import Cosine, PreciseBn, Sgd, Step


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How videos reach each device.

    Args:
        videos_per_device: Videos in a training batch of one device.
        workers: Decoding processes per device; None takes this machine's cores, shared by devices.
    """

    videos_per_device: int = 8
    workers: int | None = None

    def __post_init__(self) -> None:
        check_whole(self.videos_per_device, "Loader.videos_per_device")
        if self.workers is not None:
            check_whole(self.workers, "Loader.workers", least=0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run and how it is tested.

    Args:
        clip: What the model sees at a time.
        start: Weights that training begins from: a file, or the name of a published checkpoint.
            Those of a classifier of another size are left out. None begins with fresh weights.
        test: The list to test on; None takes ``val``.
        val_views: Scored for each video when validating while training.
        test_views: Scored for each video when testing.
        average: How the scores of a video's views are joined.
        max_testing_views: Views in the model at a time when testing; None chooses by memory.
        channels_last: Train on clips stored channels-last: faster, and on CPUs a little less exact.
        frozen_stages: What keeps its start weights: -1 nothing, 0 the stem, n the stem and n stages
            (of both pathways). The published numbering.
        norm_eval: Batch norms keep the statistics they start with.
        label_smoothing: The share of a target that is spread over all classes.
        precise_bn: Recompute the norms' statistics before validations; None leaves running means.
        metrics: What to report, by the published names.
        validate_every: Epochs between validations.
        checkpoint_every: Epochs between checkpoints.
    """

    model: SlowOnly | SlowFast
    start: str | None = None
    clip: Clip
    train: VideoList
    val: VideoList
    test: VideoList | None = None
    train_transform: TrainTransform = dataclasses.field(default_factory=TrainTransform)
    val_views: Views = dataclasses.field(default_factory=Views)
    test_views: Views
    average: Average = "prob"
    max_testing_views: int | None = None
    optim: Sgd
    schedule: Cosine | Step
    loader: Loader = dataclasses.field(default_factory=Loader)
    channels_last: bool = False
    frozen_stages: int = -1
    norm_eval: bool = False
    label_smoothing: float = 0.0
    precise_bn: PreciseBn | None = None
    metrics: tuple[str, ...] = ("top_k_accuracy", "mean_class_accuracy")
    validate_every: int = 5
    checkpoint_every: int = 5

    def __post_init__(self) -> None:
        check_whole(self.validate_every, "Recipe.validate_every")
        check_whole(self.checkpoint_every, "Recipe.checkpoint_every")
        check_whole(self.frozen_stages, "Recipe.frozen_stages", least=-1)
        if self.frozen_stages > NUM_STAGES:
            raise RecipeError(
                f"Recipe.frozen_stages is at most {NUM_STAGES}, not {self.frozen_stages}."
            )
        if not 0 <= self.label_smoothing < 1:
            raise RecipeError(
                f"Recipe.label_smoothing must be from 0 to below 1, not {self.label_smoothing!r}."
            )
        if self.max_testing_views is not None:
            check_whole(self.max_testing_views, "Recipe.max_testing_views")
