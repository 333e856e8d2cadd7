"""Detection on Lightning: the step of training, and the scoring of every key frame once.

Letters: N key frames of a batch, m boxes of a key frame, K boxes of a batch, A outputs (0 is the
background).
"""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.banks.bank import Bank
from praxiscope.data.ava import AvaDataset
from praxiscope.data.boxes import Boxes
from praxiscope.engine.detections import evaluate_frames
from praxiscope.engine.module import RunModule
from praxiscope.engine.trainer import from_all
from praxiscope.errors import CheckpointError
from praxiscope.models.box_sampling import sample_boxes
from praxiscope.models.detector import Detector, actor_probabilities
from praxiscope.recipe import DetectionRecipe
from praxiscope.types import ActorBatch, ScoredFrame
from praxiscope.zoo.recorded import recorded_bank_checkpoint

Scores = npt.NDArray[np.float32]


class DetectionModule(RunModule):
    """A detector in training and testing.

    ``frames`` and ``per_class`` (AP by the class's name) are of the last pass over a list. See
    :class:`praxiscope.engine.module.RunModule` for the arguments.
    """

    model: Detector
    items = "key frames"

    def __init__(
        self,
        model: Detector,
        recipe: DetectionRecipe,
        *,
        base_lr: float,
        seed: int,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(model, recipe, base_lr=base_lr, seed=seed, class_names=class_names)
        self.recipe = recipe
        self.frames: tuple[ScoredFrame, ...] = ()
        self.per_class: dict[str, float] = {}
        self._parts: dict[int, tuple[Boxes, Scores]] = {}

    def see(self, batch: ActorBatch) -> Tensor:
        """Return the logits of all proposals of a batch, (K, A)."""
        logits: Tensor = self.model(batch.clips, batch.proposals, batch.windows)
        return logits

    def training_step(self, batch: ActorBatch, batch_idx: int) -> Tensor:
        """Return the mean loss of the boxes that are somebody's."""
        self.note_broken(batch)
        if not len(batch):
            return self.no_loss()
        chosen = [
            sample_boxes(
                proposals,
                truth,
                labels,
                limit=self.recipe.box_limit,
                threshold=self.recipe.box_threshold,
            )
            for proposals, truth, labels in zip(
                batch.proposals, batch.truth, batch.labels, strict=True
            )
        ]
        targets = torch.cat([target for _, target in chosen])
        logits = self.model(batch.clips, [boxes for boxes, _ in chosen], batch.windows)
        loss: Tensor = self.recipe.loss(logits, targets, multi_label=self.recipe.train.multi_label)
        figures = {"loss": loss.detach(), "recall@top3": recall_at(logits.detach(), targets, 3)}
        self.log_part("train/", figures, len(batch))
        self.log_rate()
        return loss

    # Validation and testing: one code path

    def validation_step(self, batch: ActorBatch, batch_idx: int) -> None:
        """Score the boxes of every key frame of a batch."""
        self.note_broken(batch)
        if not len(batch):
            return
        logits = self.see(batch)
        scores = actor_probabilities(logits, multi_label=self.recipe.train.multi_label)
        parts = torch.split(scores.float().cpu(), [len(boxes) for boxes in batch.proposals])
        for index, boxes, part in zip(batch.indices, batch.shares, parts, strict=True):
            assert index not in self._parts, f"item {index} was counted twice"
            self._parts[index] = boxes.cpu().numpy(), part.numpy()

    def on_validation_epoch_end(self) -> None:
        """Join the parts of all processes, in list order, and log mAP."""
        self.frames = self._gather()
        if not self.frames:
            raise self.nothing_left()
        found = evaluate_frames(
            self.frames,
            self._dataset.ava,
            min_score=self.recipe.min_score,
            protocol=self.recipe.protocol,
        )
        self.per_class = found["AP"]
        self.log_metrics({"mAP@0.5IOU": found["mAP@0.5IOU"]})

    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write which weights made the features that the detector has learnt to read."""
        super().on_save_checkpoint(checkpoint)
        if (made_by := self._bank_made_by) is not None:
            checkpoint["meta"]["bank_checkpoint"] = made_by

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with features that mean something else than those learnt from.

        Raises:
            CheckpointError: The run began with a bank of other weights.
        """
        super().on_load_checkpoint(checkpoint)
        read: dict[object, object] = dict(checkpoint.items())
        began, made_by = recorded_bank_checkpoint(read), self._bank_made_by
        if None not in (began, made_by) and began != made_by:
            raise CheckpointError(
                f"its run read a feature bank made with the weights of SHA-256 {began!r}, and that "
                f"of this recipe was made with {made_by!r}"
            )

    @cached_property
    def _bank_made_by(self) -> str | None:
        """Which weights made the bank of the training, if there is one that says so."""
        bank = self.recipe.bank
        return None if bank is None else Bank(bank.train).metadata.get("checkpoint")

    @property
    def _dataset(self) -> AvaDataset:
        dataset = self.data.test_set if self.stage == "test" else self.data.val_set
        assert isinstance(dataset, AvaDataset)
        return dataset

    def _gather(self) -> tuple[ScoredFrame, ...]:
        """Return what all processes have scored, in list order, each key frame once."""
        parts, self._parts = from_all(self.trainer, self._parts), {}
        self.share_broken()
        found: dict[int, tuple[Boxes, Scores]] = {}
        for part in parts:
            assert not found.keys() & part.keys(), "an item was counted twice"
            found |= part
        frames = []
        for index in sorted(found):
            moment = self._dataset.key_frames[index]
            boxes, scores = found[index]
            frames.append(
                ScoredFrame(
                    video=moment.video,
                    timestamp=moment.timestamp,
                    boxes=boxes,
                    scores=scores,
                    truth=moment.boxes,
                    labels=moment.targets(self._dataset.ava.num_classes),
                )
            )
        return tuple(frames)


def recall_at(logits: Tensor, targets: Tensor, count: int) -> Tensor:
    """Return how much of what persons do is among their ``count`` best classes: (K, A) -> ().

    The mean over persons with a label; the background does not take part.
    """
    labelled = targets[:, 1:].any(1)
    logits, targets = logits[labelled, 1:], targets[labelled, 1:]
    if not len(logits):
        return logits.new_zeros(())
    best = logits.topk(min(count, logits.shape[1])).indices
    return (targets.gather(1, best).sum(1) / targets.sum(1)).mean()
