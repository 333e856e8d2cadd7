"""Video files: any frame by its number, exact, and decoding no more than needed.

The packets of a file are listed once without decoding them (:mod:`praxiscope.data.video_index`).
For some files that list cannot tell the order in which frames are shown; these are decoded once
when they are opened.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from praxiscope.data.frames import FrameFolder, gather, open_frames
from praxiscope.data.video_file import moving_pictures, open_container, unreadable
from praxiscope.data.video_index import FrameIndex, Layout, Packet
from praxiscope.errors import VideoError
from praxiscope.types import Frame, Frames, Indices

# A packet of these codecs is one frame. (One of VP8 may be none, one of other codecs is untested.)
_CODECS = {"h264", "hevc", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg"}
# These formats store when a frame is shown. Others, as AVI, leave FFmpeg to guess it.
_TIMED_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "flv", "nut"}
_HEADER_BYTES = 10  # a packet of MPEG-4 that is shorter may be a header alone


def open_video(
    path: str | Path, *, threads: int = 1, layout: Layout | None = None
) -> "Video | FrameFolder":
    """Open a video file, or a folder of images named as :func:`open_frames` expects.

    Args:
        path: a local mp4, mov, mkv, webm, avi, MPEG-TS, MPEG-PS, flv, asf, ogg or nut file.
        threads: how many threads decode.
        layout: the :attr:`Video.layout` of the file from an earlier time, which then is not read
            through once more.

    Raises:
        VideoError: the file is missing, empty, damaged, or holds no moving pictures.
        DataError: the folder holds no images.
    """
    path = Path(path)
    return open_frames(path) if path.is_dir() else Video(path, threads=threads, layout=layout)


class Video:
    """An open video file, as :class:`praxiscope.types.FrameSource`.

    Frame ``i`` is the ``i``-th picture that FFmpeg gives when it decodes the file from beginning to
    end, turned upright as the file's rotation says. Height and width are in pixels as stored: a
    pixel shape other than square is not corrected, a mirrored display matrix not followed.

    A damaged frame is refused, and so are those after it up to the next key frame, because FFmpeg
    fills the gaps by guessing. Damage that FFmpeg does not notice stays unnoticed.

    Not for several threads at once.
    """

    def __init__(self, path: Path, *, threads: int = 1, layout: Layout | None = None) -> None:
        self.path = path
        self._threads = threads
        self._to_rgb = VideoReformatter()
        self._file = open_container(path, threads)
        try:
            self.layout = layout or self._read_layout()
        except BaseException:
            self._file.close()
            raise

    @property
    def num_frames(self) -> int:
        """Frames in the file, counted; what headers claim is not trusted."""
        return self.layout.num_frames

    @property
    def fps(self) -> float:
        """Frames per second, on average."""
        return self.layout.fps

    @property
    def height(self) -> int:
        """Height in pixels, after rotation."""
        return self.layout.height

    @property
    def width(self) -> int:
        """Width in pixels, after rotation."""
        return self.layout.width

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return the frames (N, H, W, 3) in the order asked for, or the results of ``each``.

        Every frame is decoded once, however often it is asked for, and given to ``each`` at once:
        beside the result, memory holds one picture and what the decoder keeps (about 20 at most).

        Raises:
            IndexError: an index is negative or not below ``num_frames``.
            VideoError: a frame cannot be decoded, or is damaged.
        """
        return gather(indices, each, self.pictures, self.path, self.num_frames, self._shape)

    def pictures(self, wanted: Collection[int]) -> Iterator[tuple[int, Frame]]:
        """Yield the number and the RGB picture (H, W, 3) of each wanted frame, once.

        Their numbers rise, but where the file's list of packets is wrong: what was not found by it
        comes at the end. Memory holds one picture and what the decoder keeps.

        Raises:
            VideoError: See :meth:`frames_at`.
        """
        index, missing = self.layout.index, set(wanted)
        if index:
            for first, times in index.by_key_frame(wanted).items():
                for frame in self._from_key_frame(index, first, times):
                    number = index.frame_at(frame.pts)
                    if number is not None and number in missing:
                        missing.remove(number)
                        yield number, self._upright(frame, number)
        if not missing:
            return
        # No index, no way to seek, or a key frame that is none: one pass finds what there is.
        for count, (frame, is_sound) in enumerate(self._from_the_start()):
            number = index.frame_at(frame.pts) if index else count
            if number is not None and number in missing:
                if not is_sound:
                    raise self._undecodable(number)
                missing.remove(number)
                yield number, self._upright(frame, number)
                if not missing:
                    return
        raise self._undecodable(min(missing))

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.height, self.width, 3

    def times(self) -> tuple[list[int], Fraction]:
        """Return when each frame is shown, and the unit of these times in seconds.

        They rise from 0, the first frame's. Where the file does not tell them (AVI with B-frames),
        the frames follow each other at :attr:`fps`, or at 25 if nothing says that either. Files
        whose packets do not tell the order of the frames are decoded once more.
        """
        index = self.layout.index
        shown = index.times.tolist() if index else [f.pts for f, _ in self._from_the_start()]
        tick = self._stream().time_base
        times = [time for time in shown if time is not None]
        told = index or self._file.format.name != "avi"  # there FFmpeg guesses them
        if tick and told and len(times) == len(shown) and all(a < b for a, b in pairwise(times)):
            return [time - times[0] for time in times], tick
        return list(range(self.num_frames)), 1 / Fraction(self.fps or 25).limit_denominator(100_000)

    def close(self) -> None:
        """Release the file and the decoder. Closing twice is harmless."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Opening

    def _read_layout(self) -> Layout:
        """List the packets, decoding only until the first frame shows size and rotation."""
        packets: list[Packet] = []

        def listed() -> Iterator["av.Packet[av.VideoStream]"]:
            for p in self._packets():
                packets.append(Packet(p.pts, p.dts, p.is_keyframe, p.is_discard, p.size))
                yield p

        unread = listed()
        first, _ = next(self._decode(unread), (None, False))
        if first is None:
            raise unreadable(self.path, "holds no frame that can be decoded")
        deque(unread, maxlen=0)
        upright = _quarter_turns(first) % 2 == 0
        size = (first.height, first.width) if upright else (first.width, first.height)
        one_each = self._packets_are_frames(first, min(packet.num_bytes for packet in packets))
        index = FrameIndex.of(packets) if one_each else None
        times: Sequence[int | None]
        times = index.times.tolist() if index else [f.pts for f, _ in self._from_the_start()]
        if len(times) == 1 and cv2.haveImageReader(str(self.path)):
            raise unreadable(self.path, "is a still image")  # avif and heic are a kind of mp4
        return Layout(len(times), *size, _average_rate(times, self._stream()), index)

    def _packets_are_frames(self, first: av.VideoFrame, smallest: int) -> bool:
        """Whether each packet is one frame and carries the time at which that frame is shown."""
        context = self._stream().codec_context
        if context.name not in _CODECS or first.interlaced_frame:  # a packet may be half a frame
            return False
        # DivX and Xvid put a B-frame into the packet of another frame and then add a packet without
        # a frame, a header alone. There is one as well where nothing moved.
        if context.name == "mpeg4" and smallest < _HEADER_BYTES:
            return False
        return not context.has_b_frames or self._file.format.name in _TIMED_FORMATS

    # Decoding

    def _stream(self) -> av.VideoStream:
        assert len(self._file.streams), f"{self.path} is closed"
        return moving_pictures(self._file)[0]

    def _packets(self) -> Iterator["av.Packet[av.VideoStream]"]:
        """Yield the packets from here to the end of the file, or to where it is cut off."""
        packets = self._file.demux(self._stream())
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                return
            if packet is None:
                return
            if packet.size:  # an empty packet would tell the decoder that the video ends
                yield packet

    def _decode(
        self, packets: Iterable["av.Packet[av.VideoStream]"]
    ) -> Iterator[tuple[av.VideoFrame, bool]]:
        """Yield the frames of the packets in the order shown, and whether each is sound.

        After damage none is, up to the next key frame: each repeats what it finds in others. But a
        picture that is shown before its key frame harms none after that; where a video was cut, it
        lacks what it refers to.
        """
        context = self._stream().codec_context
        damaged = False
        key: int | None = None  # when the latest key frame is shown
        sound_from: int | None = None  # when the first key frame after the damage is

        def harms(time: int | None) -> bool:
            return key is None or time is None or time >= key

        for packet in chain(packets, [None]):
            try:
                frames, failed = context.decode(packet), packet is not None and packet.is_corrupt
            except av.FFmpegError:
                frames, failed = [], True
            time = None if packet is None else packet.pts
            if packet is not None and packet.is_keyframe:
                key = time
                sound_from = time if sound_from is None else sound_from
            if failed and harms(time):
                damaged, sound_from = True, None
            for frame in frames:
                if frame.is_corrupt and harms(frame.pts):
                    damaged, sound_from = True, None
                elif sound_from is not None and frame.pts == sound_from:
                    damaged = False
                yield frame, not damaged and not frame.is_corrupt

    def _from_the_start(self) -> Iterator[tuple[av.VideoFrame, bool]]:
        """Open the file anew and yield all frames in the order shown, and whether each is sound."""
        self._file.close()
        self._file = open_container(self.path, self._threads)
        return self._decode(self._packets())

    def _packets_for(
        self, index: FrameIndex, first: int, times: set[int]
    ) -> Iterator["av.Packet[av.VideoStream]"]:
        """Yield the packets from number ``first`` to the last that a frame at ``times`` needs.

        None come where seeking does not find them. The decoder is told to leave out frames at other
        times that no frame refers to.
        """
        context, start = self._stream().codec_context, index.keys[first]
        # MPEG-TS is searched by decoding time.
        target = start.decode_time if self._file.format.name == "mpegts" else start.time
        last = max(index.packet_at(time) or 0 for time in times)
        try:
            self._file.seek(target or 0, stream=self._stream())
        except av.FFmpegError:
            return
        number = None
        for packet in self._packets():
            number = index.packet_at(packet.pts) if number is None else number + 1
            if number is None or number > last or index.packet_times[number] != packet.pts:
                return
            if number >= first:
                context.skip_frame = "DEFAULT" if packet.pts in times else "NONREF"
                yield packet
            if number == last:
                return

    def _from_key_frame(
        self, index: FrameIndex, first: int, times: set[int]
    ) -> Iterator[av.VideoFrame]:
        """Yield the sound frames at ``times``, if packet ``first`` is a key frame as it claims.

        It may be the begin of a gradual refresh, after which pictures are only nearly right. So the
        first frame must be a whole picture; one that an edit list hides cannot be seen.
        """
        start = index.keys[first]
        is_key = start.is_hidden
        for frame, is_sound in self._decode(self._packets_for(index, first, times)):
            is_key |= frame.pts == start.time and frame.pict_type == PictureType.I
            if frame.pts in times and is_key and is_sound:
                yield frame

    def _upright(self, frame: av.VideoFrame, number: int) -> Frame:
        rgb = self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
        picture: Frame = np.ascontiguousarray(np.rot90(rgb, _quarter_turns(frame)))
        if picture.shape != self._shape:
            height, width = picture.shape[:2]
            raise VideoError(
                f"{self.path}: frame {number} is {width}x{height}, but the first is "
                f"{self.width}x{self.height}: re-encode the video to one size, or leave it out."
            )
        return picture

    def _undecodable(self, number: int) -> VideoError:
        return VideoError(
            f"{self.path}: frame {number} of {self.num_frames} is damaged and cannot be decoded: "
            "get the file again, or leave it out."
        )


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Return how often to turn a frame anticlockwise by 90 degrees."""
    return round(frame.rotation / 90)


def _average_rate(shown: Sequence[int | None], stream: av.VideoStream) -> float:
    """Return frames per second, from the times of the frames where these are known."""
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    times = [time for time in shown if time is not None]
    if len(times) < max(len(shown), 2) or max(times) == min(times) or not stream.time_base:
        return stated
    measured = (len(times) - 1) / float((max(times) - min(times)) * stream.time_base)
    # Times are rounded (mkv: 1 ms). Where the file agrees, its own figure (30000/1001) is exact.
    return stated if abs(stated - measured) < 0.01 * measured else measured
