"""Optical flow computed from a video, with the values that stored flow images have.

The published flow networks saw images: the flow from a frame to the next, in pixels, cut off at 20
and written as 8 bits, 128 being no motion. Frames were resized to 340x256 or a short side of 256
before, which matters, as flow is in pixels: here larger frames are resized to a short side of 256.

Letters: N frames in any order, H x W pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from praxiscope.data.frames import gather
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import open_record
from praxiscope.data.transforms import short_side_size
from praxiscope.errors import DataError, RecipeError, did_you_mean
from praxiscope.types import Frame, Frames, FrameSource, Indices

Grey = npt.NDArray[np.uint8]  # (H, W)
Flow = npt.NDArray[np.float32]  # (H, W, 2): pixels to the right, pixels down
FlowMethod = Callable[[Grey, Grey], Flow]

METHODS = ("tvl1", "farneback", "dis")
BOUND = 20.0  # pixels of motion that become 0 and 255, as published
SHORT_SIDE = 256
_FRAMES_AT_A_TIME = 512


def flow_method(name: str) -> FlowMethod:
    """Return the function from two grey pictures (H, W) to the flow of the first to the second.

    "tvl1" is what the published weights saw, about 0.9 s of one core for 340x256; "farneback" takes
    a fortieth of that and "dis" (preset medium) an eightieth, with other errors.

    Source: TV-L1, Zach et al., DAGM 2007; Farnebäck, SCIA 2003; DIS, arXiv:1603.03590.

    Raises:
        RecipeError: There is no such method.
    """
    match name:
        case "tvl1":
            return partial(_calculate, cv2.optflow.DualTVL1OpticalFlow.create())
        case "farneback":
            return _farneback
        case "dis":
            preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
            return partial(_calculate, cv2.DISOpticalFlow.create(preset))
    raise RecipeError(
        f"there is no flow method '{name}'.{did_you_mean(name, METHODS)} "
        f"There are {', '.join(METHODS)}."
    )


def quantise(flow: npt.NDArray[np.floating], bound: float = BOUND) -> Frame:
    """Flow in pixels -> uint8 of the same shape: -bound is 0, none is 128, bound is 255."""
    levels = (np.clip(flow, -bound, bound) + bound) * (255 / (2 * bound))
    quantised: Frame = np.rint(levels).astype(np.uint8)
    return quantised


def shrink(frame: Frame, short_side: int | None = SHORT_SIDE) -> Frame:
    """Resize a frame whose short side is longer than ``short_side``; None leaves all as they are.

    (H, W, 3) -> (H', W', 3).
    """
    height, width = shrunk_size(frame.shape[0], frame.shape[1], short_side)
    if frame.shape[:2] == (height, width):
        return frame
    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def shrunk_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return the height and width that :func:`shrink` gives."""
    if short_side is None or min(height, width) <= short_side:
        return height, width
    return short_side_size(height, width, short_side)


def grey(frame: Frame) -> Grey:
    """RGB (H, W, 3) -> brightness (H, W)."""
    picture = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(picture, dtype=np.uint8)  # DIS takes no views


class FlowVideo:
    """The optical flow of a video, as :class:`praxiscope.types.FrameSource` of (H, W, 2) frames.

    Frame i is the flow from frame i of the video to frame i + 1, so there is one less than the
    video has, as in folders of stored flow. Only the frames that are asked for, and those after
    them, are decoded.

    Args:
        source: The video; closed with this.
        path: Names it in messages.
        method: One of :data:`METHODS`.
        bound: Motion in pixels that becomes 0 or 255.
        short_side: Larger frames are resized to it first; None computes at the video's own size.

    Raises:
        DataError: The video has one frame only.
    """

    def __init__(
        self,
        source: FrameSource,
        path: Path,
        *,
        method: str = "tvl1",
        bound: float = BOUND,
        short_side: int | None = SHORT_SIDE,
    ) -> None:
        self.path = path
        self._source, self._method = source, flow_method(method)
        self._bound, self._short_side = bound, short_side
        if source.num_frames < 2:
            raise DataError(f"{path} has one frame: optical flow needs two; leave the video out.")
        self._size = shrunk_size(source.height, source.width, short_side)

    @property
    def num_frames(self) -> int:
        """Pairs of frames that follow each other."""
        return self._source.num_frames - 1

    @property
    def height(self) -> int:
        """Height of the flow in pixels."""
        return self._size[0]

    @property
    def width(self) -> int:
        """Width of the flow in pixels."""
        return self._size[1]

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return the flow (N, H, W, 2) uint8 at ``indices``, or the results of ``each``.

        Raises:
            IndexError: An index is negative or not below ``num_frames``.
            DataError: A frame cannot be decoded.
        """
        shape = (*self._size, 2)
        return gather(indices, each, self._flows, self.path, self.num_frames, shape)

    def close(self) -> None:
        """Release the video."""
        self._source.close()

    def _flows(self, wanted: set[int]) -> Iterator[tuple[int, Frame]]:
        """Yield the number and the flow of each wanted frame, in order."""
        numbers = sorted(wanted)
        for start in range(0, len(numbers), _FRAMES_AT_A_TIME):
            part = numbers[start : start + _FRAMES_AT_A_TIME]
            needed = sorted({frame for number in part for frame in (number, number + 1)})
            pictures = self._source.frames_at(needed, each=self._grey)
            place = {frame: i for i, frame in enumerate(needed)}
            for number in part:
                first, second = pictures[place[number]], pictures[place[number + 1]]
                yield number, quantise(self._method(first, second), self._bound)

    def _grey(self, frame: Frame) -> Frame:
        return grey(shrink(frame, self._short_side))


def open_flow(
    videos: VideoList, record: Record, threads: int, *, method: str = "tvl1"
) -> FrameSource:
    """Open the flow images that a record names, or compute the flow of its video file.

    Raises:
        DataError: The video or folder cannot be used.
    """
    source = open_record(videos, record, threads)
    if videos.kind == "flow":
        return source
    try:
        return FlowVideo(source, Path(videos.root) / record.path, method=method)
    except BaseException:
        source.close()
        raise


def _calculate(algorithm: cv2.DenseOpticalFlow, first: Grey, second: Grey) -> Flow:
    # An array of ours to write into: OpenCV's stubs do not take None.
    flow = np.zeros((*first.shape, 2), np.float32)
    return np.asarray(algorithm.calc(first, second, flow), dtype=np.float32)


def _farneback(first: Grey, second: Grey) -> Flow:
    # The settings of the published script: half-size pyramid of 3 levels, windows of 15 pixels,
    # 3 iterations, polynomials over 5 pixels smoothed by 1.2.
    flow = np.zeros((*first.shape, 2), np.float32)
    found = cv2.calcOpticalFlowFarneback(first, second, flow, 0.5, 3, 15, 3, 5, 1.2, 0)
    return np.asarray(found, dtype=np.float32)
