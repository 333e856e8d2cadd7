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


class Length(NamedTuple):
    """How much a video is."""

    num_flows: int
    frame_bytes: int


def measure(video: Path) -> Length | str:
    """Return the length of a video, or what is wrong with it."""
    try:
        with closing(open_video(video)) as source:
            length = Length(source.num_frames - 1, 3 * source.height * source.width)
    except DataError as error:
        return str(error)
    return length if length.num_flows else f"{video} has one frame: optical flow needs two."


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
    lengths: dict[Path, Length] = field(default_factory=dict)  # of the videos that can be read
    missing: dict[Path, int] = field(default_factory=dict)  # chunks of a video
    failed: dict[Path, str] = field(default_factory=dict)

    def folder(self, video: Path) -> Path:
        """Return the folder that holds the images of a video until all of them are there."""
        return part_folder(self.targets[video], self.token)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all frames of the videos whose length is known, making a folder for each video."""
        for video, (num_flows, frame_bytes) in self.lengths.items():
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

    def note(self, chunk: Chunk, problem: str | None) -> float:
        """Take the outcome of a chunk; the last one of a video gives its folder its name.

        Returns what share of the video this has settled: all that was left, where it has failed.
        """
        video = chunk.video
        if video in self.failed:
            return 0.0
        left = self.missing[video]
        if problem is not None:
            self.failed[video] = problem
            shutil.rmtree(chunk.folder, ignore_errors=True)
            return left / chunk.num_chunks
        self.missing[video] = left - 1
        if left == 1:
            settle(chunk.folder, self.targets[video], self.images.names, self.images.first)
        return 1 / chunk.num_chunks

    @property
    def written(self) -> list[Path]:
        """The videos whose images are in place."""
        return [video for video, chunks in self.missing.items() if not chunks]

    def clean(self) -> None:
        """Remove the folders that were not finished."""
        for video in self.missing:
            shutil.rmtree(self.folder(video), ignore_errors=True)
