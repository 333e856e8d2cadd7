"""A recipe: everything one run needs, as plain frozen dataclasses."""

import dataclasses
from dataclasses import dataclass

from praxiscope.checks import check_number, check_whole
from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import RecipeError
from praxiscope.models.recognizer import Average
from praxiscope.models.resnet3d import NUM_STAGES
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe.auxiliary import AuxiliarySource
from praxiscope.recipe.multigrid import Multigrid
from praxiscope.recipe.optimisation import Cosine, PreciseBn, Sgd, Step


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How videos reach each device.

    Args:
        videos_per_device: Videos in a training batch of one device.
        workers: Decoding processes per device; None takes this machine's cores, shared by devices.
        class_balance: Train on each class in proportion to its number of videos to this power: 1 is
            the list as it is, 0 makes all classes equal. None takes every video once an epoch.
    """

    videos_per_device: int = 8
    workers: int | None = None
    class_balance: float | None = None

    def __post_init__(self) -> None:
        check_whole(self.videos_per_device, "Loader.videos_per_device")
        if self.workers is not None:
            check_whole(self.workers, "Loader.workers", least=0)
        if self.class_balance is not None:
            check_number(self.class_balance, "Loader.class_balance", 0, 1)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run and how it is tested.

    Args:
        clip: What the model sees at a time.
        start: Weights that training begins from: a file; the name of a published checkpoint; or
            "imagenet", a 2-D ResNet of the model's depth, inflated. A classifier of another size is
            left out. None begins with fresh weights.
        auxiliary: Lists that every training batch has a part from, beside its videos of ``train``,
            which sets the length of an epoch. All clips of a batch count the same.
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
        multigrid: Smaller and shorter clips for a part of the training, in larger batches.
        metrics: What to report, by the published names.
        validate_every: Epochs between validations.
        checkpoint_every: Epochs between checkpoints.
    """

    model: SlowOnly | SlowFast
    start: str | None = None
    clip: Clip
    train: VideoList
    val: VideoList
    auxiliary: tuple[AuxiliarySource, ...] = ()
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
    multigrid: Multigrid | None = None
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
        if self.loader.class_balance is not None and self.train.multi_label:
            raise RecipeError(
                "Loader.class_balance needs one label a video; the training list has several."
            )
        if self.multigrid is not None:
            every = self.model.slow_stride if isinstance(self.model, SlowFast) else 1
            self.multigrid.check_fits(self.clip.frames, multiple_of=every)
            if self.auxiliary:
                raise RecipeError("Recipe.multigrid does not work with Recipe.auxiliary.")
        for index, source in enumerate(self.auxiliary):
            self._check_joins(source, f"Recipe.auxiliary[{index}]")
        if self.max_testing_views is not None:
            check_whole(self.max_testing_views, "Recipe.max_testing_views")

    def _check_joins(self, source: AuxiliarySource, name: str) -> None:
        """Raise :class:`RecipeError` unless clips of ``source`` fit into batches of ``train``."""
        frames = (source.clip or self.clip).frames
        size = (source.transform or self.train_transform).size
        if (frames, size) != (self.clip.frames, self.train_transform.size):
            raise RecipeError(
                f"{name} has {frames} frames of {size} pixels, but the recipe's training clips "
                f"have {self.clip.frames} of {self.train_transform.size}: they share batches."
            )
        if source.videos.multi_label != self.train.multi_label:
            raise RecipeError(f"{name}.videos.multi_label must be that of Recipe.train.")

    @property
    def videos_per_device(self) -> int:
        """Videos in a training batch of one device, auxiliary ones included."""
        others = (source.videos_per_device for source in self.auxiliary)
        return self.loader.videos_per_device + sum(others)
