"""The lists of a recipe of recognition as loaders for this process of a run."""

from functools import cached_property

from praxiscope.data.balance import ClassBalance
from praxiscope.data.batch import (
    EpochSampler,
    VideoLoader,
    collate,
    make_batch_loader,
)
from praxiscope.data.joint import JointBatches, JointDataset, seed_of
from praxiscope.data.lists import VideoList
from praxiscope.data.multigrid import Grid, GridBatches, GridDataset
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import TrainTransform, Views
from praxiscope.engine.loading import RunData, Stage
from praxiscope.engine.trainer import check_list
from praxiscope.metrics.classification import check_names
from praxiscope.recipe import Multigrid, Recipe


class RecognitionData(RunData):
    """The lists of a recipe of recognition; see :class:`RunData`."""

    collate = staticmethod(collate)

    def __init__(
        self, recipe: Recipe, *, seed: int, skip_broken: bool = False, one_frame: bool = False
    ) -> None:
        super().__init__(recipe, seed=seed, skip_broken=skip_broken, one_frame=one_frame)
        self.recipe = recipe

    def check(self, stage: Stage) -> None:
        """See :meth:`RunData.check`."""
        check_names(self.recipe.metrics)
        datasets: list[RecognitionDataset] = [getattr(self, f"{stage}_set")]  # read when asked for
        if stage == "train":
            datasets += self.auxiliary_sets
        for dataset in datasets:
            check_list(dataset, self.recipe.model, skip_broken=self.skip_broken)

    @cached_property
    def train_set(self) -> RecognitionDataset:
        """The training list."""
        return self._dataset(self.recipe.train, self.recipe.train_transform)

    @cached_property
    def auxiliary_sets(self) -> tuple[RecognitionDataset, ...]:
        """The lists that the training list is joined with."""
        return tuple(
            self._dataset(
                one.videos, one.transform or self.recipe.train_transform, one.clip, source=number
            )
            for number, one in enumerate(self.recipe.auxiliary, start=1)
        )

    @cached_property
    def val_set(self) -> RecognitionDataset:
        """The list to validate on while training."""
        return self._dataset(self.recipe.val, self.recipe.val_views)

    @cached_property
    def test_set(self) -> RecognitionDataset:
        """The list to test on."""
        return self._dataset(self.recipe.test or self.recipe.val, self.recipe.test_views)

    def _dataset(
        self,
        videos: VideoList,
        transform: TrainTransform | Views,
        clip: Clip | None = None,
        *,
        source: int = 0,
    ) -> RecognitionDataset:
        return RecognitionDataset(
            videos,
            clip or self.recipe.clip,
            transform,
            seed=seed_of(self.seed, source),
            threads=self.threads,
            one_frame=self.one_frame,
        )

    def train_dataloader(self) -> VideoLoader:
        """Return this process's part of every epoch."""
        sampler = self._train_sampler()
        if self.recipe.multigrid is not None:
            return self._grid_loader(sampler, self.recipe.multigrid)
        if not self.recipe.auxiliary:
            return self._loader(self.train_set, self.recipe.loader.videos_per_device, sampler)
        others = [
            (
                EpochSampler(
                    len(dataset), seed=dataset.seed, balance=_balance(dataset, one.class_balance)
                ),
                one.videos_per_device,
            )
            for dataset, one in zip(self.auxiliary_sets, self.recipe.auxiliary, strict=True)
        ]
        batches = JointBatches(sampler, self.recipe.loader.videos_per_device, others)
        return make_batch_loader(
            JointDataset([self.train_set, *self.auxiliary_sets]),
            batches,
            workers=min(self.workers, len(batches)),
            skip_broken=self.skip_broken,
        )

    def _grid_loader(self, sampler: EpochSampler, multigrid: Multigrid) -> VideoLoader:
        """Return a loader of batches whose shape changes."""
        full = self.recipe.clip.frames, self.recipe.train_transform.size

        def grid(epoch: int, step: int) -> Grid:
            return multigrid.grid(epoch, step, *full)

        batches = GridBatches(sampler, self.recipe.loader.videos_per_device, grid)
        return make_batch_loader(
            GridDataset(self.train_set),
            batches,
            workers=min(self.workers, len(batches)),
            skip_broken=self.skip_broken,
        )

    def val_dataloader(self) -> VideoLoader:
        """Return this process's share of the validation list."""
        batch = self.recipe.loader.videos_per_device if self.recipe.val_views.num_views == 1 else 1
        return self._loader(self.val_set, batch, self._shard(self.val_set))

    def _balance(self) -> ClassBalance | None:
        return _balance(self.train_set, self.recipe.loader.class_balance)


def _balance(dataset: RecognitionDataset, power: float | None) -> ClassBalance | None:
    """Return what chooses the items of an epoch, if the recipe weighs the classes of a list."""
    if power is None:
        return None
    return ClassBalance([record.labels[0] for record in dataset.records], power)
