"""The lists of a recipe of detection as loaders for this process of a run."""

from functools import cached_property

from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.batch import (
    collate_actors,
)
from praxiscope.data.boxes import BoxTransform
from praxiscope.engine.loading import RunData, Stage
from praxiscope.errors import DataError
from praxiscope.recipe import DetectionRecipe


class DetectionData(RunData):
    """The lists of a recipe of detection; see :class:`RunData`."""

    collate = staticmethod(collate_actors)

    def __init__(
        self,
        recipe: DetectionRecipe,
        *,
        seed: int,
        skip_broken: bool = False,
        one_frame: bool = False,
    ) -> None:
        super().__init__(recipe, seed=seed, skip_broken=skip_broken, one_frame=one_frame)
        self.recipe = recipe

    def check(self, stage: Stage) -> None:
        """See :meth:`RunData.check`."""
        dataset: AvaDataset = getattr(self, f"{stage}_set")  # read when it is asked for
        outputs = self.recipe.model.num_classes
        if dataset.ava.num_classes != outputs:
            raise DataError(
                f"{dataset.name} has {dataset.ava.num_classes} outputs, the background among them, "
                f"and the model {outputs}: set the num_classes of the lists and of model.network "
                "to the same number."
            )
        if self.recipe.model.channels != 3:
            raise DataError(
                f"{dataset.name} is a list of RGB videos: set model.network.channels=3."
            )
        if not self.skip_broken:
            dataset.check_files()

    @cached_property
    def train_set(self) -> AvaDataset:
        """The training list."""
        return self._dataset(self.recipe.train, self.recipe.train_transform, training=True)

    @cached_property
    def val_set(self) -> AvaDataset:
        """The list to validate on while training."""
        return self._dataset(self.recipe.val, self.recipe.test_transform, training=False)

    @cached_property
    def test_set(self) -> AvaDataset:
        """The list to test on."""
        ava = self.recipe.test or self.recipe.val
        return self._dataset(ava, self.recipe.test_transform, training=False)

    def _dataset(self, ava: AvaList, transform: BoxTransform, *, training: bool) -> AvaDataset:
        return AvaDataset(
            ava,
            self.recipe.clip,
            transform,
            training=training,
            seed=self.seed,
            threads=self.threads,
            one_frame=self.one_frame,
        )
