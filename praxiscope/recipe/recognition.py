"""The recipe of a recognition run: one label a video, or several."""

from dataclasses import dataclass, field

from praxiscope.checks import check_whole
from praxiscope.data.lists import VideoList
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.errors import RecipeError
from praxiscope.models.recognizer import Average
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe.auxiliary import AuxiliarySource
from praxiscope.recipe.multigrid import Multigrid
from praxiscope.recipe.run import RunSettings


@dataclass(frozen=True, kw_only=True)
class Recipe(RunSettings):
    """One training run of a recogniser and how it is tested.

    Args:
        auxiliary: Lists that every training batch has a part from, beside its videos of ``train``,
            which sets the length of an epoch. All clips of a batch count the same.
        test: The list to test on; None takes ``val``.
        val_views: Scored for each video when validating while training.
        test_views: Scored for each video when testing.
        average: How the scores of a video's views are joined.
        max_testing_views: Views in the model at a time when testing; None chooses by memory.
        label_smoothing: The share of a target that is spread over all classes.
        multigrid: Smaller and shorter clips for a part of the training, in larger batches.
        metrics: What to report, by the published names.
    """

    model: SlowOnly | SlowFast
    train: VideoList
    val: VideoList
    auxiliary: tuple[AuxiliarySource, ...] = ()
    test: VideoList | None = None
    train_transform: TrainTransform = field(default_factory=TrainTransform)
    val_views: Views = field(default_factory=Views)
    test_views: Views
    average: Average = "prob"
    max_testing_views: int | None = None
    label_smoothing: float = 0.0
    multigrid: Multigrid | None = None
    metrics: tuple[str, ...] = ("top_k_accuracy", "mean_class_accuracy")

    def __post_init__(self) -> None:
        super().__post_init__()
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
