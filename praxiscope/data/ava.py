"""Key frames of AVA and datasets in its format: from a list to samples.

Letters: C channels, T frames, H x W pixels, m boxes proposed in a key frame, g true ones,
A outputs.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_key_frames import KeyFrame
from praxiscope.data.ava_lists import AvaList, open_source, read_key_frames, source_path
from praxiscope.data.boxes import Boxes, BoxPlan, BoxTransform, in_pixels
from praxiscope.data.frames import MAX_ASPECT, FrameFolder
from praxiscope.data.keyframes import key_frame_clip, key_frame_index
from praxiscope.data.sampling import Clip
from praxiscope.data.video import Video
from praxiscope.data.video_index import Layout
from praxiscope.errors import DataError, VideoError
from praxiscope.label_map import read_label_map
from praxiscope.types import ActorSample, Broken, Frame, Frames, Indices, ItemKey

KNOWN_FRAMES = 10_000_000  # in videos whose layout a dataset keeps: 200 MB; AVA has 8 million


class AvaDataset(Dataset[ActorSample | Broken]):
    """The key frames of a list. An item depends on its key and nothing else.

    ``dataset[ItemKey(epoch, index)]`` is a sample; ``dataset[index]`` is that of epoch 0. In
    training, frames are drawn around their places and ``transform`` draws a crop. A video that
    cannot be used gives a :class:`Broken`; :meth:`load` raises instead.

    Where the list has no proposals they are the true boxes. A key frame without any, in a list
    that has them, is looked at as a whole.

    An item takes at most 2 * C * T * H * W bytes at the crop's size while it is made. ``one_frame``
    fills the clip with its centre frame. ``threads`` are the decoder's.
    """

    def __init__(
        self,
        ava: AvaList,
        clip: Clip,
        transform: BoxTransform,
        *,
        training: bool,
        seed: int = 0,
        threads: int = 1,
        one_frame: bool = False,
    ) -> None:
        self.ava, self.clip, self.transform = ava, clip, transform
        self.training, self.seed = training, seed
        self.threads, self.one_frame = threads, one_frame
        self.key_frames = read_key_frames(ava)
        self._layouts: dict[str, Layout] = {}

    @property
    def name(self) -> str:
        """What errors call the list."""
        return str(self.ava.annotations)

    def check_files(self) -> None:
        """Raise :class:`DataError` naming the first videos that do not exist, and their number."""
        sources = self.key_frames.sources
        missing = [
            str(path)
            for path in (source_path(self.ava, source) for source in sources)
            if not (path.is_dir() if self.ava.kind == "frames" else path.is_file())
        ]
        if missing:
            raise DataError(
                f"{self.name}: {len(missing)} of {len(sources)} videos do not exist: first "
                f"{', '.join(missing[:3])}. Correct the list or its root, or leave them out with "
                "--skip-broken."
            )

    def __len__(self) -> int:
        return len(self.key_frames)

    def __getitem__(self, key: ItemKey | int) -> ActorSample | Broken:
        if isinstance(key, int):
            key = ItemKey(epoch=0, index=key)
        try:
            return self.load(key)
        except DataError as error:
            return Broken(self.key_frames[key.index].video, key.index, str(error))

    def load(self, key: ItemKey) -> ActorSample:
        """Return the sample, its clip (C, T, H, W).

        Raises :class:`VideoError` or :class:`DataError` with the list, the moment and the file.
        """
        moment = self.key_frames[key.index]
        # even numbers: the order of the list draws from 1
        rng = np.random.default_rng((self.seed, key.epoch, key.index, 2 * key.turn))
        try:
            with closing(self._open(moment.source)) as source:
                indices = self._indices(moment, source.num_frames, rng)
                plan = self.transform.plan(source.height, source.width, rng)
                unique, places = np.unique(indices, return_inverse=True)
                frames = source.frames_at(unique, each=plan.each)[places]
        except DataError as error:
            kind = VideoError if isinstance(error, VideoError) else DataError
            raise kind(self._where(moment, str(error))) from error
        return self._sample(moment, key.index, frames, plan)

    def in_order(self, places: Sequence[int]) -> Iterator[ActorSample | Broken]:
        """Yield the key frames of one video, given in the order of time, as ``dataset[place]``.

        The video is decoded once. Where that fails, what is left is decoded key frame by key frame:
        some may be sound. Memory holds the frames that two clips share beside one sample.
        """
        assert not self.training, "draws belong to a key, and a key to an item"
        done = 0
        with suppress(DataError):
            for sample in self._decode_once(places):
                yield sample
                done += 1
        yield from (self[place] for place in places[done:])

    def _decode_once(self, places: Sequence[int]) -> Iterator[ActorSample]:
        """Yield the samples up to the first that lies outside, or whose frames come in disorder."""
        moments = [self.key_frames[place] for place in places]
        unused = np.random.default_rng(0)
        with closing(self._open(moments[0].source)) as source:
            plan = self.transform.plan(source.height, source.width, unused)
            clips: list[Indices] = []
            with suppress(DataError):  # past the end, as all that follow
                clips.extend(self._indices(one, source.num_frames, unused) for one in moments)
            last = {frame: number for number, clip in enumerate(clips) for frame in clip.tolist()}
            pictures = source.pictures(last)
            held: dict[int, Frame] = {}
            for number, (place, moment, clip) in enumerate(
                zip(places, moments, clips, strict=False)
            ):
                while not held.keys() >= set(clip.tolist()):
                    frame, picture = next(pictures)
                    if frame > clip.max():
                        return
                    held[frame] = plan.each(picture)
                yield self._sample(moment, place, np.stack([held[f] for f in clip.tolist()]), plan)
                held = {frame: seen for frame, seen in held.items() if last[frame] > number}

    def _open(self, source: Source) -> Video | FrameFolder:
        """Open a video. Of AVA's, of 15 minutes, that takes longer than a clip: only once."""
        layout = self._layouts.get(source.path)
        video = open_source(self.ava, source, threads=self.threads, layout=layout)
        if max(video.height, video.width) > MAX_ASPECT * min(video.height, video.width):
            video.close()
            raise DataError(
                f"its frames are {video.width}x{video.height} pixels; expected at most "
                f"{MAX_ASPECT}:1: leave it out."
            )
        known = sum(layout.num_frames for layout in self._layouts.values())
        if layout is None and known + video.num_frames <= KNOWN_FRAMES:
            self._layouts[source.path] = video.layout
        return video

    def _indices(self, moment: KeyFrame, num_frames: int, rng: np.random.Generator) -> Indices:
        centre = key_frame_index(
            moment.timestamp,
            num_frames,
            fps=moment.source.fps,
            first_timestamp=moment.source.first_timestamp,
            late=self.ava.late,
        )
        if self.one_frame:
            return np.full(self.clip.frames, centre)
        return key_frame_clip(centre, num_frames, self.clip, rng if self.training else None)

    def _sample(self, moment: KeyFrame, index: int, frames: Frames, plan: BoxPlan) -> ActorSample:
        shares = moment.boxes if moment.proposals is None else moment.proposals

        def pixels(boxes: Boxes) -> Tensor:
            return torch.from_numpy(in_pixels(plan.boxes(boxes), plan.height, plan.width))

        return ActorSample(
            clip=torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2))),
            proposals=pixels(shares),
            shares=torch.from_numpy(shares),
            truth=pixels(moment.boxes),
            labels=torch.from_numpy(moment.targets(self.ava.num_classes)),
            video=moment.video,
            timestamp=moment.timestamp,
            index=index,
        )

    def _where(self, moment: KeyFrame, problem: str) -> str:
        """Return a message that names the list and the moment."""
        return f"{self.ava.annotations}, {moment.video} at {moment.timestamp:g} s: {problem}"


def output_names(ava: AvaList) -> tuple[str, ...] | None:
    """Return the names of a detector's outputs, the background first; None without a label map.

    A class that the label map leaves out, as AVA's does with 20 of 80, is named by its number.
    """
    if ava.label_map is None:
        return None
    names = read_label_map(ava.label_map)
    return ("background", *(names.get(label, f"class {label}") for label in ava.labels))
