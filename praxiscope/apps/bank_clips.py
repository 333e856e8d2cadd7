"""The feature bank of a video that is made while a detector that reads it looks at the video.

Letters: n persons of a clip, S seconds of a window, P places a second, C channels.
Source: Long-Term Feature Banks, arXiv:1812.05038, Section 3.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import file_digest
from math import inf
from pathlib import Path

import torch
from torch import Tensor

from praxiscope.apps.actors import Present
from praxiscope.apps.key_clips import KeyClip, as_tensor, in_batches
from praxiscope.banks.recent import RecentFeatures
from praxiscope.data.ava_lists import AvaList
from praxiscope.errors import CheckpointError, RecipeError
from praxiscope.models.detector import Detector
from praxiscope.recipe import BankWindows, DetectionRecipe
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.create import find_checkpoint, load_model
from praxiscope.zoo.recorded import recorded_bank_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BankMaker:
    """The network whose features a detector reads, at work on the same clips."""

    model: Detector
    checkpoint: Path
    channels: int  # C
    bank: BankWindows
    persons: AvaList  # of the training: a bank has its choice, those of ``min_score`` or the best

    def with_windows(
        self, clips: Iterator[KeyClip[Present]], batch: int, *, only_past: bool
    ) -> Iterator[KeyClip[Present]]:
        """Yield the clips, those of persons with their window (S * P, C), in their order.

        A second's features are those of its first key frame, as a stored bank has one key frame a
        second; a second without key frame or persons stays empty. Windows equal those of a bank
        that :func:`praxiscope.engine.bank_filling.fill_bank` makes of the same boxes in the same
        order: here the surest come first.

        A clip waits for the last second of its window, S - S // 2 - 1 seconds ahead, or the end.
        So at most rate * (S - S // 2 - 1) + 2 * ``batch`` clips are in memory: 31 with the
        published windows at one key frame a second, each of 4 frames of 455x256 pixels 1.4 MB.
        Those without persons wait without their frames.

        Args:
            clips: In the order of their seconds.
            batch: Clips in the network at a time.
            only_past: Windows end with the clip's own second, and no clip waits. What is later
                is zeros.

        Raises:
            CheckpointError: The weights give no numbers, or none that a bank can hold.
        """
        seconds = self.bank.seconds
        ahead = 0 if only_past else seconds - seconds // 2 - 1
        recent = RecentFeatures(self.channels, seconds, self.bank.per_second)
        waiting: deque[KeyClip[Present]] = deque()

        def known(last: float) -> Iterator[KeyClip[Present]]:
            """Yield the clips whose window ends at second ``last`` or before."""
            while waiting and waiting[0].second + ahead <= last:
                clip = waiting.popleft()
                peopled = len(clip.seen.persons) > 0
                yield replace(clip, window=recent.window(clip.second)) if peopled else clip

        latest = -1
        for some in in_batches(clips, batch):
            first: dict[int, KeyClip[Present]] = {}
            for clip in some:
                if clip.second > latest:
                    first[clip.second] = clip
                    latest = clip.second
            features = self._features(
                {second: clip for second, clip in first.items() if len(clip.seen.persons)}
            )
            for clip in some:
                yield from known(clip.second - 1)  # before the store forgets what they need
                if clip.second in features:
                    recent.add(clip.second, features.pop(clip.second))
                peopled = len(clip.seen.persons) > 0
                waiting.append(clip if peopled else replace(clip, frames=clip.frames[:0].copy()))
                yield from known(clip.second)
        yield from known(inf)

    def _features(self, clips: Mapping[int, KeyClip[Present]]) -> dict[int, Tensor]:
        """Return the features (n, C) of the persons of each clip that take part, by its second."""
        if not clips:
            return {}
        device = next(self.model.parameters()).device
        boxes = [
            torch.from_numpy(clip.seen.boxes[self.persons.takes_part(clip.seen.persons.scores)])
            for clip in clips.values()
        ]
        with torch.inference_mode():
            found = self.model.person_features(
                as_tensor(list(clips.values())).to(device), [one.to(device) for one in boxes]
            ).to("cpu", torch.float16)
        if not found.isfinite().all():
            raise CheckpointError(
                f"{self.checkpoint} gives features that no bank can hold: its weights hold NaN or "
                "are far too large; use the checkpoint that made the detector's bank."
            )
        return dict(zip(clips, torch.split(found, [len(one) for one in boxes]), strict=True))


def load_bank_maker(
    recipe: DetectionRecipe,
    checkpoint: str | Path | None,
    *,
    name: str,
    reader: Path,
    device: torch.device,
) -> BankMaker | None:
    """Return what makes the bank of any video for a recipe's detector; None if it reads no bank.

    The network is the recipe's own without what reads the bank. Its classifier is not used, so that
    of the checkpoint may have any number of classes.

    Args:
        checkpoint: A file, the name of a published checkpoint or its address; None takes the
            recipe's ``bank.checkpoint``.
        name: Of the recipe.
        reader: The detector's own weights. Where they say which weights made the bank that they
            were trained with, others are warned of.

    Raises:
        RecipeError: There is no checkpoint, or it is given to a detector that reads no bank.
        CheckpointError: It cannot be used.
    """
    if recipe.bank is None:
        if checkpoint is not None:
            raise RecipeError(
                f"{name} reads no feature bank, so the weights {checkpoint} that make one are of "
                "no use to it: leave out --bank-checkpoint."
            )
        return None
    checkpoint = checkpoint or recipe.bank.checkpoint
    if checkpoint is None:
        raise RecipeError(
            f"{name} reads a feature bank, which has to be made of every new video, and its recipe "
            "does not say by which weights: give those that made the bank that it was trained with "
            "as --bank-checkpoint FILE, or in the recipe as bank.checkpoint."
        )
    file = find_checkpoint(checkpoint, name)
    entry = replace(recipe.model, bank=None)
    try:
        model, report = load_model(entry, file, num_classes=entry.num_classes, clip=recipe.clip)
    except CheckpointError as error:
        raise CheckpointError(f"no feature bank can be made for {name}: {error}") from error
    for warning in report.warnings:
        log.warning("%s: %s", file, warning)
    with file.open("rb") as opened:
        warn_of_other_maker(reader, file, file_digest(opened, "sha256").hexdigest())
    model.eval().to(device)
    return BankMaker(model, file, entry.feature_channels, recipe.bank, recipe.train)


def warn_of_other_maker(reader: Path, what: Path, made_by: str | None) -> None:
    """Warn if a detector was trained with features of other weights than those at hand.

    Args:
        reader: The detector's checkpoint.
        what: The weights or the bank at hand.
        made_by: The SHA-256 of the weights; None where nobody knows.
    """
    recorded = recorded_bank_checkpoint(read_checkpoint_file(reader))
    if recorded is not None and made_by is not None and made_by != recorded:
        log.warning(
            "%s was trained with a feature bank of other weights (SHA-256 %s...) than %s (%s...): "
            "its scores may mean little.",
            reader,
            recorded[:8],
            what,
            made_by[:8],
        )
