"""Optical flow written as images, in the published layout."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from praxiscope.data.flow import flow_method, grey, quantise, shrink
from praxiscope.data.transcode.image_folder import (
    Namer,
    encode_image,
    is_whole_folder,
    make_folder,
    part_folder,
    remove_leftovers,
    settle,
    write_image,
)
from praxiscope.data.video import open_video
from praxiscope.errors import DataError
from praxiscope.types import Frame

CHUNK_FRAMES = 128
CHUNK_BYTES = 2**28  # of decoded frames in one process


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is computed, and what the images are called."""

    method: str
    bound: float
    short_side: int | None
    flow_template: str
    rgb_template: str | None  # None: flow alone
    first: int = 1  # number of the first image

    @property
    def names(self) -> tuple[Namer, ...]:
        """The file names of every kind of images: x, y and, where they are written, frames."""
        flow = tuple(partial(self.flow_template.format, part) for part in "xy")
        return flow if self.rgb_template is None else (*flow, self.rgb_template.format)

    def are_in(self, folder: Path) -> bool:
        """Whether a folder holds the images of a video, all of them."""
        return is_whole_folder(folder, self.names, self.first)


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
                _write(chunk, images.flow_template.format(name, number), flow[..., part])
        if images.rgb_template is not None:  # one more than flow
            for place, frame in enumerate(frames if is_last else frames[:-1]):
                name = images.rgb_template.format(images.first + chunk.start + place)
                _write(chunk, name, frame[..., ::-1])
    except FileNotFoundError:
        if chunk.folder.is_dir():
            raise
        # another chunk of this video has failed, and its folder is gone
    return None


def _write(chunk: Chunk, name: str, image: Frame) -> None:
    write_image(chunk.folder / name, encode_image(np.ascontiguousarray(image), name))


@dataclass
class Extraction:
    """What is left to do, and how it went."""

    targets: dict[Path, Path]  # video -> the folder that will hold its images
    images: Images
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    missing: dict[Path, int] = field(default_factory=dict)  # chunks of a video
    failed: dict[Path, str] = field(default_factory=dict)

    def folder(self, video: Path) -> Path:
        """Return the folder that holds the images of a video until all of them are there."""
        return part_folder(self.targets[video], self.token)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all frames of all videos, making a folder for each video."""
        for video in self.targets:
            try:
                with closing(open_video(video)) as source:
                    num_flows = source.num_frames - 1
                    frame_bytes = 3 * source.height * source.width
                if num_flows < 1:
                    raise DataError(f"{video} has one frame: optical flow needs two.")
            except DataError as error:
                self.failed[video] = str(error)
                continue
            folder = self.folder(video)
            remove_leftovers(self.targets[video])
            make_folder(folder)
            size = min(CHUNK_FRAMES, max(1, CHUNK_BYTES // frame_bytes))
            starts = range(0, num_flows, size)
            self.missing[video] = len(starts)
            for start in starts:
                if video in self.failed:
                    break
                stop = min(start + size, num_flows)
                yield Chunk(video, folder, start, stop, len(starts))

    def note(self, chunk: Chunk, problem: str | None) -> None:
        """Take the outcome of a chunk; the last one of a video gives its folder its name."""
        video = chunk.video
        if problem is not None and video not in self.failed:
            self.failed[video] = problem
            shutil.rmtree(chunk.folder, ignore_errors=True)
        self.missing[video] -= 1
        if not self.missing[video] and video not in self.failed:
            settle(chunk.folder, self.targets[video], self.images.names, self.images.first)

    @property
    def written(self) -> list[Path]:
        """The videos whose images are in place."""
        return [
            video
            for video, chunks in self.missing.items()
            if not chunks and video not in self.failed
        ]

    def clean(self) -> None:
        """Remove the folders that were not finished."""
        for video in self.missing:
            shutil.rmtree(self.folder(video), ignore_errors=True)
