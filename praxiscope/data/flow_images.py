"""Optical flow written as images, in the published layout."""

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from praxiscope.data.flow import flow_method, grey, quantise, shrink
from praxiscope.data.video import open_video
from praxiscope.errors import DataError
from praxiscope.types import Frame


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is computed, and what the images are called."""

    method: str
    bound: float
    short_side: int | None
    flow_template: str
    rgb_template: str | None  # None: flow alone
    first: int  # number of the first image


class Chunk(NamedTuple):
    """Some frames of a video, for one process."""

    video: Path
    folder: Path  # where the images go until all of them are there
    start: int
    stop: int  # flow from frame start .. stop - 1 to the next
    num_chunks: int


def write_chunk(chunk: Chunk, images: Images) -> str | None:
    """Write the images of a chunk; return what is wrong with its video, if anything is."""
    try:
        with closing(open_video(chunk.video)) as source:
            is_last = chunk.stop == source.num_frames - 1
            frames = source.frames_at(
                range(chunk.start, chunk.stop + 1),
                each=partial(shrink, short_side=images.short_side),
            )
    except DataError as error:
        return str(error)
    calculate = flow_method(images.method)
    pictures = [grey(frame) for frame in frames]
    try:
        for place in range(chunk.stop - chunk.start):
            flow = quantise(calculate(pictures[place], pictures[place + 1]), images.bound)
            number = images.first + chunk.start + place
            for part, name in enumerate("xy"):
                path = chunk.folder / images.flow_template.format(name, number)
                _write_image(path, np.ascontiguousarray(flow[..., part]))
        if images.rgb_template is not None:  # one more than flow
            for place, frame in enumerate(frames if is_last else frames[:-1]):
                name = images.rgb_template.format(images.first + chunk.start + place)
                _write_image(chunk.folder / name, frame[..., ::-1])
    except FileNotFoundError:
        if chunk.folder.is_dir():
            raise
        # another chunk of this video has failed, and its folder is gone
    return None


def _write_image(path: Path, image: Frame) -> None:
    _, data = cv2.imencode(path.suffix, image)
    path.write_bytes(data.tobytes())
