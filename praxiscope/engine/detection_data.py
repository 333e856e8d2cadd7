"""The lists of a recipe of detection as loaders for this process of a run."""

import logging
from functools import cached_property
from pathlib import Path

from praxiscope.banks.bank import Bank
from praxiscope.banks.windows import WithWindows, find_unseen
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.batch import EpochSampler, ShardSampler, VideoLoader, collate_actors
from praxiscope.data.boxes import BoxTransform
from praxiscope.engine.detections import truth_of
from praxiscope.engine.loading import Items, RunData, Stage
from praxiscope.errors import DataError
from praxiscope.metrics.ava import check_truth
from praxiscope.models.detector import ActorDetector
from praxiscope.recipe import BankWindows, DetectionRecipe
from praxiscope.types import ItemKey

log = logging.getLogger(__name__)


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
        check_num_classes(dataset.ava, self.recipe.model)
        if self.recipe.model.channels != 3:
            raise DataError(
                f"{dataset.name} is a list of RGB videos: set model.network.channels=3."
            )
        if stage != "train":
            self._check_counts(dataset)
        if not self.skip_broken:
            dataset.check_files()
        if self.recipe.bank is not None:
            bank = self._bank(dataset, self.recipe.bank)
            if stage == "train" and self.recipe.bank.val.is_file():
                check_same_weights(bank, Bank(self.recipe.bank.val))
            self._check_bank(dataset, bank)

    def _check_bank(self, dataset: AvaDataset, bank: Bank) -> None:
        """Say how much of a list a bank does not have: there windows are zeros, as published."""
        videos = dataset.key_frames.by_video()
        missing = sorted(video for video in videos if video not in bank)
        if len(missing) == len(videos):
            raise DataError(
                f"{bank.path} has none of the videos of {dataset.name}, such as '{missing[0]}': "
                "they do not belong together."
            )
        if missing:
            log.warning(
                "%s lacks %d of the %d videos of %s, such as '%s': they are seen without features.",
                bank.path,
                len(missing),
                len(videos),
                dataset.name,
                missing[0],
            )
        unseen = len(find_unseen(dataset.key_frames, bank))
        if unseen:
            log.warning(
                "%s: %d of %d key frames of %s are seen without a feature of their own second.",
                bank.path,
                unseen,
                len(dataset),
                dataset.name,
            )

    def _bank(self, dataset: AvaDataset, windows: BankWindows) -> Bank:
        """Return the bank of a list, open."""
        path, mode = (windows.train, "train") if dataset.training else (windows.val, "val")
        if not path.exists():
            raise DataError(f"{path} does not exist. {_how_to_make(path, mode, windows)}")
        bank, network = Bank(path, self.recipe.model.feature_channels), self.recipe.model
        if bank.metadata.get("network", network.feature_network) != network.feature_network:
            raise DataError(
                f"{path} holds features of another network than the model's: "
                f"{bank.metadata['network']!r}, not {network.feature_network!r}. Build the bank "
                "with the model's own, or give the model the network of the bank."
            )
        return bank

    def _loader(
        self, dataset: Items, batch: int, sampler: EpochSampler | ShardSampler | list[ItemKey]
    ) -> VideoLoader:
        if self.recipe.bank is not None and isinstance(dataset, AvaDataset):
            return super()._loader(self.with_windows(dataset), batch, sampler)
        return super()._loader(dataset, batch, sampler)

    def with_windows(self, dataset: AvaDataset) -> WithWindows:
        """Return the samples of a list with the windows of the recipe's bank around them.

        Raises:
            DataError: The bank is missing or damaged, or another network's.
        """
        windows = self.recipe.bank
        assert windows is not None
        return WithWindows(
            dataset,
            self._bank(dataset, windows),
            seconds=windows.seconds,
            per_second=windows.per_second,
            random=dataset.training or windows.test_draw == "random",
        )

    def _check_counts(self, dataset: AvaDataset) -> None:
        """Find before a pass over a list what would make its mAP an error, or nonsense."""
        ava, train = dataset.ava, self.recipe.train
        if train.num_classes == ava.num_classes and _classes(train) != _classes(ava):
            raise DataError(
                f"{dataset.name}: its AvaList.classes are not those of the training list "
                f"{train.annotations} in the same order: the same output would mean two things."
            )
        check_classes_counted(ava)

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


def check_num_classes(ava: AvaList, model: ActorDetector) -> None:
    """Raise :class:`DataError` unless a list and a detector have the same number of outputs."""
    if ava.num_classes != model.num_classes:
        raise DataError(
            f"{ava.annotations} has {ava.num_classes} outputs, the background among them, and the "
            f"model {model.num_classes}: set the num_classes of the lists and of model.network to "
            "the same number."
        )


def check_classes_counted(ava: AvaList) -> None:
    """Raise :class:`DataError` if a list has no mAP, whatever is detected."""
    truth = truth_of(ava)
    check_truth(truth.boxes, truth.names, str(ava.annotations))


def check_same_weights(train: Bank, val: Bank) -> None:
    """Find banks whose features mean two things: a detector learns from one, and meets the other.

    A bank that does not say whose weights made it, as published ones, passes.

    Raises:
        DataError: Different weights made them.
    """
    made = [bank.metadata.get("checkpoint") for bank in (train, val)]
    if None not in made and made[0] != made[1]:
        raise DataError(
            f"{train.path} and {val.path} were made with different weights, of SHA-256 {made[0]!r} "
            f"and {made[1]!r}: build both with the same checkpoint."
        )


def _how_to_make(path: Path, mode: str, windows: BankWindows) -> str:
    """Return which command makes a bank that is not there."""
    published = path.with_suffix(".pkl")
    if published.is_file():
        return f"{published} does: 'praxiscope bank convert {published} {path}' makes it from that."
    weights = windows.checkpoint or "CHECKPOINT"
    command = f"praxiscope bank build RECIPE {weights} --mode {mode} --out {path}"
    return (
        f"'{command}' makes it, or goes on where that was stopped; RECIPE is that of the detector "
        "whose features it holds."
    )


def _classes(ava: AvaList) -> tuple[int, ...]:
    """Return what the outputs stand for, in labels from 0 on."""
    return tuple(label - ava.label_base for label in ava.labels)
