"""A recipe: everything one run needs, as plain frozen dataclasses."""

from dataclasses import dataclass, field

from praxiscope.checks import check_number, check_whole
from praxiscope.data.sampling import Clip
from praxiscope.errors import RecipeError
from praxiscope.models.resnet3d import NUM_STAGES
from praxiscope.recipe.optimisation import Cosine, PreciseBn, Sgd, Step


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How videos reach each device.

    Args:
        videos_per_device: Videos, or key frames of videos, in a training batch of one device.
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
class RunSettings:
    """What every run has, whatever its task.

    Args:
        clip: What the model sees at a time.
        start: Weights that training begins from: a file; the name of a published checkpoint, or its
            address; or "imagenet", a 2-D ResNet of the model's depth, inflated. A classifier of
            another size or task is left out. None begins with fresh weights.
        channels_last: Train on clips stored channels-last: faster, and on CPUs a little less exact.
        frozen_stages: What keeps its start weights: -1 nothing, 0 the stem, n the stem and n stages
            (of both pathways). The published numbering.
        norm_eval: Batch norms keep the statistics they start with.
        precise_bn: Recompute the norms' statistics before validations; None leaves running means.
        validate_every: Epochs between validations.
        checkpoint_every: Epochs between checkpoints.
    """

    start: str | None = None
    clip: Clip
    optim: Sgd
    schedule: Cosine | Step
    loader: Loader = field(default_factory=Loader)
    channels_last: bool = False
    frozen_stages: int = -1
    norm_eval: bool = False
    precise_bn: PreciseBn | None = None
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

    @property
    def videos_per_device(self) -> int:
        """Videos, or key frames of videos, in a training batch of one device."""
        return self.loader.videos_per_device
