"""The data vocabulary: what passes from a video file to a batch, with the shape of every field.

Letters: B videos, V views of a video (clips x crops, crops major), C channels, T frames,
H x W pixels, N frames in any order; m boxes proposed in a key frame, g true ones, A outputs of a
detector (0 is the background).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Frame = npt.NDArray[np.uint8]  # (H, W, C): RGB, or the x and y of optical flow
Frames = npt.NDArray[np.uint8]  # (N, H, W, C)
Indices = npt.NDArray[np.int64]  # frame numbers, from 0


class FrameSource(Protocol):
    """An open video file or a folder of frame images, addressed by frame number from 0."""

    @property
    def num_frames(self) -> int:
        """Frames that can be decoded."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels as shown, after rotation."""
        ...

    @property
    def width(self) -> int:
        """Width in pixels as shown, after rotation."""
        ...

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return the frames (N, H, W, C) in the order asked for, repeats included.

        ``each`` is applied to a frame as soon as it is decoded (resize, crop), so that a clip never
        exists at full size in memory.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


@dataclass(frozen=True, slots=True)
class ItemKey:
    """What a sampler asks a dataset for: an item depends on this and the dataset's seed alone."""

    epoch: int
    index: int  # the place in the list
    source: int = 0  # of several lists in one batch: 0 the main one
    turn: int = 0  # how often the item has come before in the epoch, where classes are balanced
    shape: tuple[int, int] | None = None  # frames and pixels of the clip; None: as always


@dataclass(frozen=True)
class Sample:
    """One video, ready to batch."""

    clips: Tensor  # (V, C, T, H, W) uint8
    label: Tensor  # () int64, or (K,) float32 of zeros and ones where a video has several labels
    video: str  # the path, as the list spells it
    index: int  # the place in the list
    source: int = 0  # of several lists in one batch: 0 the main one


@dataclass(frozen=True)
class Broken:
    """What stands in a sample's place where its video cannot be used."""

    video: str  # the path, as the list spells it
    index: int  # the place in the list
    reason: str  # one sentence that names the list, the item and the file


@dataclass(frozen=True)
class Batch:
    """Several videos. Lightning moves it to the device through :meth:`to`.

    Broken videos are left out of the fields but the last. Where all are broken the batch is empty:
    ``len(batch) == 0``, ``clips`` (0, 0, 0, 0, 0, 0), ``labels`` (0,).
    """

    clips: Tensor  # (B, V, C, T, H, W) uint8
    labels: Tensor  # (B,) int64, or (B, K) float32
    videos: tuple[str, ...]
    indices: tuple[int, ...]
    sources: tuple[int, ...]  # the list each is of, ascending; 0: the main one
    broken: tuple[Broken, ...] = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch with its tensors on ``device``."""
        return replace(
            self,
            clips=self.clips.to(device, non_blocking=non_blocking),
            labels=self.labels.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory, for copies that overlap with the GPU's work."""
        return replace(self, clips=self.clips.pin_memory(), labels=self.labels.pin_memory())

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class ActorSample:
    """One key frame of a video with the persons in it, ready to batch. Boxes are xyxy."""

    clip: Tensor  # (C, T, H, W) uint8
    proposals: Tensor  # (m, 4) float32, pixels of the clip
    shares: Tensor  # (m, 4) float32, the same boxes as shares of the whole frame
    truth: Tensor  # (g, 4) float32, pixels of the clip
    labels: Tensor  # (g, A) float32, zeros and ones
    video: str  # as the list spells it
    timestamp: float  # seconds
    index: int  # the place in the list
    window: Tensor | None = None  # (S, C) of a feature bank as stored, S slots; None: no bank


@dataclass(frozen=True)
class ActorBatch:
    """Several key frames of one size. Lightning moves it to the device through :meth:`to`.

    Broken ones are left out of the fields but the last. Where all are broken the batch is empty:
    ``len(batch) == 0``, ``clips`` (0, 0, 0, 0, 0).
    """

    clips: Tensor  # (N, C, T, H, W) uint8
    proposals: tuple[Tensor, ...]  # N times (m, 4), pixels of the clip
    shares: tuple[Tensor, ...]  # N times (m, 4), stay where they are
    truth: tuple[Tensor, ...]  # N times (g, 4), pixels of the clip
    labels: tuple[Tensor, ...]  # N times (g, A)
    videos: tuple[str, ...]
    timestamps: tuple[float, ...]
    indices: tuple[int, ...]
    windows: Tensor | None = None  # (N, S, C) as stored: float16 or float32
    broken: tuple[Broken, ...] = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ActorBatch":
        """Return the batch with what a network sees on ``device``."""

        def moved(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(tensor.to(device, non_blocking=non_blocking) for tensor in tensors)

        return replace(
            self,
            clips=self.clips.to(device, non_blocking=non_blocking),
            proposals=moved(self.proposals),
            truth=moved(self.truth),
            labels=moved(self.labels),
            windows=None
            if self.windows is None
            else self.windows.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> "ActorBatch":
        """Return the batch with clips and windows in page-locked memory; boxes are few."""
        windows = None if self.windows is None else self.windows.pin_memory()
        return replace(self, clips=self.clips.pin_memory(), windows=windows)

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class ScoredFrame:
    """What a detector says of a key frame, and what is true. Boxes are shares of the frame."""

    video: str
    timestamp: float  # seconds
    boxes: npt.NDArray[np.float32]  # (m, 4) xyxy
    scores: npt.NDArray[np.float32]  # (m, A) probabilities; that of the background means nothing
    truth: npt.NDArray[np.float32]  # (g, 4) xyxy
    labels: npt.NDArray[np.float32]  # (g, A) zeros and ones
