"""Videos with one label each, or several: from a list to the samples of a batch.

Letters: V views (clips x crops, crops major), C channels, T frames, H x W pixels, U unique frames.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from praxiscope.data.frames import StillImage, open_frames
from praxiscope.data.lists import Record, VideoList, find_list, read_list
from praxiscope.data.sampling import Clip, random_clips, test_clips
from praxiscope.data.transforms import Plan, TrainTransform, Views
from praxiscope.data.untrimmed import part_path
from praxiscope.data.video import open_video
from praxiscope.errors import DataError, VideoError
from praxiscope.types import Broken, FrameSource, Indices, ItemKey, Sample

OpenSource = Callable[[VideoList, Record, int], FrameSource]


def open_record(videos: VideoList, record: Record, threads: int) -> FrameSource:
    """Open the video file, the image or the folder of frame images that a record names."""
    path = Path(videos.root) / record.path
    if videos.kind == "image":
        return StillImage(path)
    if videos.kind in ("video", "parts"):
        return open_video(path, threads=threads)
    return open_frames(
        path,
        template=videos.template,
        first=videos.first_frame + record.start,
        num_frames=record.num_frames,
        flow=videos.kind == "flow",
    )


class RecognitionDataset(Dataset[Sample | Broken]):
    """A list of labelled videos. An item depends on the seed and its key and nothing else.

    ``dataset[ItemKey(epoch, index)]`` is a sample; ``dataset[index]`` is that of epoch 0. With a
    :class:`TrainTransform` it is one random clip (V = 1), with :class:`Views` all clips and crops.
    A video that cannot be used gives a :class:`Broken` and never another video; :meth:`load` raises
    instead. A video shorter than the clip is repeated. Of an untrimmed video one part is drawn.

    Each frame is decoded, resized and cropped once, however many clips it is part of. An item takes
    at most 2 * V * C * T * H * W bytes at the crop's size while it is made, half of it afterwards.

    ``records`` replaces what the list's file says. ``one_frame`` fills every clip with its centre
    frame: what a network can tell without motion. ``threads`` are the decoder's.
    """

    def __init__(
        self,
        videos: VideoList,
        clip: Clip,
        transform: TrainTransform | Views,
        *,
        seed: int = 0,
        threads: int = 1,
        one_frame: bool = False,
        records: Sequence[Record] | None = None,
        open_source: OpenSource = open_record,
    ) -> None:
        self.videos = find_list(videos) if records is None else videos
        self.records = read_list(self.videos) if records is None else tuple(records)
        self.clip, self.transform, self.seed = clip, transform, seed
        self.threads, self.one_frame, self.open_source = threads, one_frame, open_source

    @property
    def name(self) -> str:
        """What errors call the list."""
        return str(self.videos.annotations or self.videos.root)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: ItemKey | int) -> Sample | Broken:
        if isinstance(key, int):
            key = ItemKey(epoch=0, index=key)
        try:
            return self.load(key)
        except DataError as error:
            record, _ = self._draw(key)
            return Broken(record.path, key.index, str(error))

    def load(self, key: ItemKey) -> Sample:
        """Return the sample, clips (V, C, T, H, W).

        Raises :class:`VideoError` or :class:`DataError` with the list, the item and the file.
        """
        record, rng = self._draw(key)
        try:
            with closing(self.open_source(self.videos, record, self.threads)) as source:
                indices = self._indices(source.num_frames, rng)
                plan = self._plan(source, rng)
                clips = decode_views(source, indices, plan)
        except DataError as error:
            kind = VideoError if isinstance(error, VideoError) else DataError
            raise kind(self._where(record, key.index, str(error))) from error
        return Sample(clips, self._label(record, plan.flipped), record.path, key.index)

    def _draw(self, key: ItemKey) -> tuple[Record, np.random.Generator]:
        """Return the record, of an untrimmed video one of its parts, and what else draws from."""
        record = self.records[key.index]
        # even numbers: the order of the list draws from 1
        rng = np.random.default_rng((self.seed, key.epoch, key.index, 2 * key.turn))
        if record.parts:
            part = record.parts[rng.integers(len(record.parts))]
            record = record._replace(path=part_path(record.path, self.videos.template, part))
        return record, rng

    def _indices(self, num_frames: int, rng: np.random.Generator) -> Indices:
        """Return the frames of every clip (clips, T)."""
        if num_frames < 1:
            raise VideoError("holds no frame that can be decoded.")
        if isinstance(self.transform, TrainTransform):
            indices = random_clips(num_frames, self.clip, rng)
        else:
            views = self.transform
            indices = test_clips(num_frames, self.clip, views.clips, views.clip_starts, views.twice)
            # a short video gives equal clips, and fewer with `twice`; batches need the same number
            indices = np.resize(indices, (views.num_clips, self.clip.frames))
        if self.one_frame:
            centre = indices[:, self.clip.frames // 2, None]
            indices = np.repeat(centre, self.clip.frames, axis=1)
        return indices

    def _plan(self, source: FrameSource, rng: np.random.Generator) -> Plan:
        if isinstance(self.transform, TrainTransform):
            return self.transform.plan(source.height, source.width, rng)
        return self.transform.plan(source.height, source.width)

    def _label(self, record: Record, flipped: bool) -> Tensor:
        """Return the label () int64 (-1: unknown), or (K,) float32 where there may be several."""
        labels = record.labels
        if flipped:
            there, back = dict(self.videos.flip_pairs), {b: a for a, b in self.videos.flip_pairs}
            labels = tuple(there.get(label, back.get(label, label)) for label in labels)
        if not self.videos.multi_label:
            return torch.tensor(labels[0] if labels else -1)
        several = torch.zeros(self.videos.num_classes)
        several[list(labels)] = 1
        return several

    def _where(self, record: Record, index: int, problem: str) -> str:
        """Return a message that names the list, the item and the file."""
        path = str(Path(self.videos.root) / record.path)
        named = problem if path in problem else f"{path}: {problem}"
        return f"{self.videos.annotations or self.videos.root}, item {index}: {named}"


def decode_views(source: FrameSource, indices: Indices, plan: Plan) -> Tensor:
    """Frames (clips, T) of a video -> (V, C, T, H, W) uint8, each frame decoded once."""
    unique, places = np.unique(indices, return_inverse=True)
    places = places.reshape(indices.shape)
    frames = source.frames_at(unique, each=plan.each)  # (U, crops, H, W, C)
    _, crops, height, width, channels = frames.shape
    count, num_frames = indices.shape
    views = np.empty((crops, count, channels, num_frames, height, width), dtype=np.uint8)
    for clip in range(count):
        for t in range(num_frames):
            views[:, clip, :, t] = np.moveaxis(frames[places[clip, t]], -1, 1)
    return torch.from_numpy(views.reshape(crops * count, *views.shape[2:]))
