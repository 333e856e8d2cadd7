"""Features of videos: what a network sees before it classifies, a row for each video or clip.

Letters: B videos or clips, V views of each, C channels, T frames, H x W pixels.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.data.batch import ShardSampler, make_loader
from praxiscope.data.flow import open_flow
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import (
    OpenSource,
    RecognitionDataset,
    decode_views,
    open_record,
)
from praxiscope.data.sampling import Clip, clips_along
from praxiscope.data.transforms import Views
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.errors import DataError
from praxiscope.models.features import PooledFeatures
from praxiscope.models.recognizer import Recognizer, score_views, views_that_fit
from praxiscope.recipe import Recipe

CLIPS_AT_A_TIME = 16  # of a long video

Found = npt.NDArray[np.float32] | str  # of one video, or why it could not be used


@dataclass(frozen=True)
class Extractor:
    """Clips (B, V, C, T, H, W) -> one row for each of B, or for each view of each."""

    model: Recognizer
    pooled: PooledFeatures | None  # None: scores
    recipe: Recipe
    keep_views: bool

    def __call__(self, clips: Tensor) -> npt.NDArray[np.float32]:
        """Return float32 (B, ...), the mean over views, or (B, V, ...)."""
        clips = clips.to(self.model.mean.device)
        size = self.recipe.max_testing_views
        with torch.inference_mode():
            if self.pooled is None:
                average = "none" if self.keep_views else self.recipe.average
                rows = score_views(self.model, clips, average=average, max_views=size)
            else:
                views = clips.flatten(0, 1)
                size = size or views_that_fit(views)
                starts = range(0, len(views), size)
                rows = torch.cat([self.pooled(views[i : i + size]) for i in starts])
                rows = rows.view(*clips.shape[:2], *rows.shape[1:])
                rows = rows if self.keep_views else rows.mean(1)
        return np.asarray(rows.float().cpu().numpy(), dtype=np.float32)


def of_videos(
    extractor: Extractor, videos: VideoList, records: Sequence[Record], clip: Clip, views: Views
) -> Iterator[tuple[Record, Found]]:
    """Yield what each video gives, seen as in a test."""
    if not records:
        return
    data = RecognitionData(extractor.recipe, seed=0)
    open_source = _opener(extractor.recipe, videos)
    dataset = RecognitionDataset(videos, clip, views, records=records, open_source=open_source)
    workers = min(data.workers, len(records))
    loader = make_loader(dataset, 1, ShardSampler(len(records)), workers=workers, skip_broken=True)
    for batch in loader:
        for broken in batch.broken:
            yield records[broken.index], broken.reason
        if len(batch):
            yield records[batch.indices[0]], extractor(batch.clips)[0]


def along_videos(
    extractor: Extractor,
    videos: VideoList,
    records: Sequence[Record],
    clip: Clip,
    views: Views,
    interval: int,
) -> Iterator[tuple[Record, Found]]:
    """Yield one row for each clip along a video, (clips, ...): the mean over its crops."""
    open_source = _opener(extractor.recipe, videos)
    for record in records:
        try:
            with closing(open_source(videos, record, torch.get_num_threads())) as source:
                indices = clips_along(source.num_frames, clip, interval)
                plan = views.plan(source.height, source.width)
                rows = []
                for start in range(0, len(indices), CLIPS_AT_A_TIME):
                    part = indices[start : start + CLIPS_AT_A_TIME]
                    seen = decode_views(source, part, plan)  # crops major
                    seen = seen.view(views.crops, len(part), *seen.shape[1:]).transpose(0, 1)
                    rows.append(extractor(seen))
            yield record, np.concatenate(rows)
        except DataError as error:
            path = str(Path(videos.root) / record.path)
            yield record, str(error) if path in str(error) else f"{path}: {error}"


def _opener(recipe: Recipe, videos: VideoList) -> OpenSource:
    """Return what opens a video: for a network of flow, its flow, stored or computed.

    Raises:
        DataError: The videos are stored flow, and the network sees RGB.
    """
    if recipe.model.channels == 2:
        return open_flow
    if videos.kind == "flow":
        raise DataError(
            f"{videos.annotations or videos.root} is a list of optical flow, but the model sees "
            "RGB: give a list of videos or of frames."
        )
    return open_record
