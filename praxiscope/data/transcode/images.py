"""The frames of a video as numbered images in a folder, all of them or none."""

import shutil
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2

from praxiscope.data.transcode.image_folder import (
    JPEG_QUALITY,
    encode_image,
    make_folder,
    part_folder,
    settle,
    write_image,
)
from praxiscope.data.transcode.resize import PictureSize, resample, video_file
from praxiscope.errors import DataError


@dataclass(frozen=True, kw_only=True)
class FrameImages:
    """How frames are stored."""

    size: PictureSize
    template: str = "img_{:05d}.jpg"
    quality: int = JPEG_QUALITY  # of JPEG, from 0 to 100
    fps: Fraction | None = None  # images a second; None: every frame

    def name(self, number: int) -> str:
        """Return the file name of an image."""
        return self.template.format(number)


def write_frames(source: Path, target: Path, images: FrameImages) -> None:
    """Write the frames of a video into the folder ``target``, numbered from 1.

    They are upright, and before JPEG coding equal to what
    :func:`praxiscope.data.video.open_video` gives. With ``images.fps`` image n is the frame whose
    time is nearest to (n - 1) / fps seconds after the first; of two as near it is the earlier. The
    images appear when all are there. One frame is in memory, besides the decoder's (20 at most).

    Raises:
        VideoError: The source cannot be decoded from beginning to end.
        PraxiscopeError: The disk refuses an image.
    """
    part = part_folder(target)
    try:
        with closing(video_file(source)) as video:
            numbers = _numbers(video.num_frames, images.fps, video.times)
            size = images.size.of(video.height, video.width)
            make_folder(part)
            for frame, picture in video.pictures(set(numbers)):
                resized = resample(picture, *size)
                data = encode_image(resized[..., ::-1], images.template, images.quality)
                for place in range(bisect_left(numbers, frame), bisect_right(numbers, frame)):
                    write_image(part / images.name(place + 1), data)
        settle(part, target, [images.name])
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_whole(source: Path, target: Path, images: FrameImages) -> bool:
    """Whether a folder holds as many images as :func:`write_frames` would write.

    The list of packets of the source is read for that, and the first image.

    Raises:
        DataError: The folder holds more, or they are of another size.
    """
    first = target / images.name(1)
    if not first.is_file():  # it comes last
        return False
    with closing(video_file(source)) as video:
        count = len(_numbers(video.num_frames, images.fps, video.times))
        size = images.size.of(video.height, video.width)
    if not (target / images.name(count)).is_file():
        return False
    picture = cv2.imread(str(first))
    found = None if picture is None else picture.shape[:2]
    if found == size and not (target / images.name(count + 1)).exists():
        return True
    raise DataError(
        f"{target} holds other images than asked for, which are {count} of {size[1]}x{size[0]} "
        "pixels: name another folder, or give --overwrite."
    )


def _numbers(
    num_frames: int, fps: Fraction | None, times: Callable[[], tuple[list[int], Fraction]]
) -> list[int]:
    """Return the number of the frame that each image shows; they never fall."""
    if fps is None:
        return list(range(num_frames))
    shown, tick = times()
    # the last frame lasts as long as the others do on average
    length = shown[-1] + Fraction(shown[-1], max(1, num_frames - 1))
    count = max(1, round(length * tick * fps))
    return [_nearest(shown, place / (fps * tick)) for place in range(count)]


def _nearest(rising: Sequence[int], value: Fraction) -> int:
    """Return the place of the number that is nearest to ``value``, the earlier of two."""
    after = bisect_left(rising, value)
    if after == len(rising):
        return after - 1
    if after == 0 or rising[after] - value < value - rising[after - 1]:
        return after
    return after - 1
