"""Folders of frame images, addressed like a video."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import index
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from praxiscope.data.list_formats import numbered_name
from praxiscope.data.video_index import Layout
from praxiscope.errors import DataError
from praxiscope.types import Frame, Frames, Indices

MAX_ASPECT = 64  # of a still image: brought to a common short side, a strip would fill the memory
IMAGES = "img_{:05d}.jpg"  # how published data sets name them
_FLOW_PARTS = (("x", "y"), ("flow_x", "flow_y"))  # published data sets have either


def open_frames(
    folder: str | Path,
    *,
    template: str | None = None,
    first: int = 1,
    num_frames: int | None = None,
    flow: bool = False,
) -> "FrameFolder":
    """Open a folder of numbered images. Frame 0 is image number ``first``.

    Args:
        folder: where the images are.
        template: how they are named; None is ``img_{:05d}.jpg``, or for flow ``{}_{:05d}.jpg``,
            filled with x and y, or with flow_x and flow_y.
        first: the number of the image that is frame 0.
        num_frames: how many images to use; None counts them, up to the first missing number.
        flow: the images are pairs of grey ones, the two parts of optical flow.

    Raises:
        DataError: the folder or its first image is missing, or the image cannot be read.
    """
    template = template or ("{}_{:05d}.jpg" if flow else IMAGES)
    return FrameFolder(Path(folder), template, first, num_frames, flow)


class FrameFolder:
    """A folder of frame images, as :class:`praxiscope.types.FrameSource`.

    Frames are RGB (H, W, 3), or the x and y of optical flow (H, W, 2). A changed folder is noticed
    only where an image is gone.
    """

    def __init__(
        self, path: Path, template: str, first: int, num_frames: int | None, flow: bool
    ) -> None:
        if not path.is_dir():
            raise DataError(
                f"{path} is not a folder: expected one of frame images; check the path."
            )
        self.path = path
        self._template, self._first = template, first
        # to list the images of a long video takes longer than to read a clip
        present = _names_in(path) if flow or num_frames is None else set()
        self._parts: tuple[str, ...] = ()
        if flow:
            named = (parts for parts in _FLOW_PARTS if self._name(0, *parts[:1]) in present)
            self._parts = next(named, _FLOW_PARTS[0])
        count = 0
        while num_frames is None and present.issuperset(self._names(count)):
            count += 1
        lacking = [name for name in self._names(count) if name not in present]
        if num_frames is None and len(lacking) < len(self._names(count)):  # one part of two
            raise DataError(
                f"{path} lacks {lacking[0]}: expected two images for every optical flow, x and y; "
                "write them again."
            )
        self._num_frames = count if num_frames is None else num_frames
        if self._num_frames < 1:
            wanted = " and ".join(self._names(0))
            raise DataError(
                f"{path} holds no frames: expected images from {wanted} on; "
                "check the folder, and the template and number of the first image."
            )
        self._shape: tuple[int, ...] = self._read(0).shape

    @property
    def num_frames(self) -> int:
        """Frames in the folder, or as many as were asked for."""
        return self._num_frames

    @property
    def height(self) -> int:
        """Height of the images in pixels."""
        return self._shape[0]

    @property
    def width(self) -> int:
        """Width of the images in pixels."""
        return self._shape[1]

    @property
    def layout(self) -> Layout:
        """What opening the folder has found out."""
        return Layout(self.num_frames, self.height, self.width, fps=0, index=None)

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return the frames (N, H, W, C) in the order asked for, or the results of ``each``.

        An image is read once, however often it is asked for, and given to ``each`` at once: beside
        the result, memory holds one image.

        Raises:
            IndexError: an index is negative or not below ``num_frames``.
            DataError: an image is missing, cannot be read, or is not as large as the first.
        """
        return gather(indices, each, self.pictures, self.path, self.num_frames, self._shape)

    def pictures(self, wanted: Collection[int]) -> Iterator[tuple[int, Frame]]:
        """Yield the number and the image (H, W, C) of each wanted frame, once, in rising order.

        Raises:
            DataError: See :meth:`frames_at`.
        """
        for frame in sorted(wanted):
            picture = self._read(frame)
            if picture.shape != self._shape:
                height, width = picture.shape[:2]
                raise DataError(
                    f"{self.path / self._names(frame)[0]} is {width}x{height}, but the first image "
                    f"is {self.width}x{self.height}: expected one size; write the frames again."
                )
            yield frame, picture

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _name(self, frame: int, *part: str) -> str:
        name = numbered_name(self._template, self._first + frame, *part)
        if name is None:
            raise DataError(
                f"The template '{self._template}' for the images in {self.path} does not fit: "
                "expected a place for the number, as in img_{:05d}.jpg, and for flow "
                "one for x or y before it, as in {}_{:05d}.jpg."
            )
        return name

    def _names(self, frame: int) -> list[str]:
        """Return the file name of a frame, or the two of flow."""
        return [self._name(frame, part) for part in self._parts] or [self._name(frame)]

    def _read(self, frame: int) -> Frame:
        names = self._names(frame)
        if not self._parts:
            return _read_image(self.path / names[0], cv2.IMREAD_COLOR_RGB)
        x, y = (_read_image(self.path / name, cv2.IMREAD_GRAYSCALE) for name in names)
        if x.shape != y.shape:
            raise DataError(
                f"{self.path / names[0]} and {names[1]} differ in size: expected the two parts of "
                "one optical flow; write them again."
            )
        return np.stack([x, y], axis=-1)


class StillImage:
    """An image file as a video of one frame, which every clip repeats.

    A :class:`praxiscope.types.FrameSource`. Raises :class:`DataError` if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._picture = _read_image(path, cv2.IMREAD_COLOR_RGB)
        self.num_frames = 1
        self.height, self.width = self._picture.shape[:2]
        if max(self.height, self.width) > MAX_ASPECT * min(self.height, self.width):
            raise DataError(
                f"{path} is {self.width}x{self.height} pixels: too narrow to crop from; "
                f"expected at most {MAX_ASPECT}:1."
            )

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return the image (N, H, W, 3) once for every 0 in ``indices``."""
        pictures = [(0, self._picture)]
        return gather(indices, each, lambda _: pictures, self.path, 1, self._picture.shape)

    def close(self) -> None:
        """Do nothing: no file stays open."""


def _names_in(folder: Path) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


def gather(
    indices: Sequence[int] | Indices,
    each: Callable[[Frame], Frame] | None,
    pictures: Callable[[set[int]], Iterable[tuple[int, Frame]]],
    path: Path,
    num_frames: int,
    shape: tuple[int, ...],
) -> Frames:
    """Return the frames at ``indices``, or the results of ``each``, as one array (N, ...).

    ``pictures`` yields (number, frame) of each of a set of frames, once and in any order; ``shape``
    is that of a frame. Raises IndexError for a number that is not below ``num_frames``.
    """
    places: dict[int, list[int]] = {}
    for place, number in enumerate(map(index, indices)):
        if not 0 <= number < num_frames:
            raise IndexError(f"{path} has frames 0 to {num_frames - 1}, but not {number}.")
        places.setdefault(number, []).append(place)
    if not places:
        blank: Frame = np.zeros(shape, np.uint8)
        return np.empty((0, *(each(blank) if each else blank).shape), np.uint8)
    frames: Frames | None = None
    for number, picture in pictures(set(places)):
        result = each(picture) if each else picture
        if frames is None:
            frames = np.empty((len(indices), *result.shape), result.dtype)
        assert result.shape == frames.shape[1:], "each must give results of one shape"
        frames[places.pop(number)] = result
    assert frames is not None and not places
    return frames


def _read_image(path: Path, flags: int) -> Frame:
    """Return an image as uint8, (H, W, 3) or (H, W) as the OpenCV flags say."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): expected a frame image; "
            "check the folder and the number of frames that the list gives."
        ) from error
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:  # more pixels than it allows
        image = None
    if image is None:
        raise DataError(
            f"{path} is damaged or no image: expected a jpg or png frame; write the frames again."
        )
    return image.astype(np.uint8, copy=False)
