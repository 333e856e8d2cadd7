"""A generated action dataset of real h264 files, in which only motion tells the classes apart.

``write_motion_dataset`` lays it out like the published ones::

    root/dataset.json                  the settings the files were made with
    root/label_map.txt                 one class name per line
    root/train_list.txt                lines of "left/left_00000.mp4 0", relative to videos_train
    root/videos_train/left/left_00000.mp4
    root/test_list.txt, root/videos_test/...
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal

import av
import numpy as np

from praxiscope.data.generated import claim_folder, write_missing, write_text
from praxiscope.data.synthetic_scene import MOTIONS, Motion, Scene, random_scene
from praxiscope.errors import VideoError
from praxiscope.types import Frame

Split = Literal["train", "test"]

_SPLITS: tuple[Split, ...] = ("train", "test")
_GENERATOR = 3  # raise it when the same settings give other pictures: old files are then replaced


@dataclass(frozen=True, kw_only=True)
class MotionVideos:
    """How the videos look. The defaults: 1.6 seconds, enough for several clips of 16 frames."""

    frames: int = 48
    height: int = 96
    width: int = 128
    fps: int = 30
    seed: int = 0

    def scene(self, split: Split, motion: Motion, index: int) -> Scene:
        """Return the scene of one video, a pure function of the settings and of its place.

        The videos of one index differ in nothing but the motion. A network cannot learn by heart
        which texture goes with which class, and needs few videos to see what does tell them apart.
        """
        rng = np.random.default_rng((self.seed, _SPLITS.index(split), index))
        return random_scene([motion], rng, height=self.height, width=self.width)


@dataclass(frozen=True)
class MotionDataset:
    """Where the parts of a written dataset are."""

    root: Path

    @property
    def label_map(self) -> Path:
        """The file of class names, one per line."""
        return self.root / "label_map.txt"

    def list_file(self, split: Split) -> Path:
        """Return the file that names the videos of ``split`` and their labels."""
        return self.root / f"{split}_list.txt"

    def videos(self, split: Split) -> Path:
        """Return the folder that the list's paths are relative to."""
        return self.root / f"videos_{split}"


def write_motion_dataset(
    root: str | Path,
    *,
    train_per_class: int = 80,
    test_per_class: int = 30,
    videos: MotionVideos | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> MotionDataset:
    """Generate the videos and lists below ``root`` and return where they are.

    Videos that are there already, made with the same settings, are kept: an interrupted call goes
    on where it stopped. With other settings they are replaced. The files do not depend on
    ``workers``, which are threads: drawing and encoding happen outside the interpreter's lock.

    Args:
        root: A new or empty folder, or one that this function filled before.
        train_per_class: Training videos of each of the 8 motions.
        test_per_class: Test videos of each of the 8 motions.
        videos: How the videos look.
        workers: Videos written at the same time.
        progress: Called with (videos done, videos in all) at the start and after each video.

    Raises:
        DataError: ``root`` holds videos that this function did not write.
        VideoError: A video cannot be written.
    """
    videos = videos or MotionVideos()
    dataset = MotionDataset(Path(root))
    names = {
        split: [
            (motion, index, f"{motion}/{motion}_{index:05d}.mp4")
            for motion in MOTIONS
            for index in range(count)
        ]
        for split, count in zip(_SPLITS, (train_per_class, test_per_class), strict=True)
    }
    _claim(dataset, videos, {dataset.videos(s) / name for s in names for *_, name in names[s]})

    def write(path: Path, split: Split, motion: Motion, index: int) -> None:
        scene = videos.scene(split, motion, index)
        write_video(path, scene.frames(videos.frames), fps=videos.fps)

    paths = {
        dataset.videos(split) / name: (split, motion, index)
        for split in _SPLITS
        for motion, index, name in names[split]
    }
    write_missing(list(paths), lambda path: write(path, *paths[path]), workers, progress)

    # The lists come last, so that they never name a video that is not there.
    for split in _SPLITS:
        lines = [f"{name} {MOTIONS.index(motion)}\n" for motion, _, name in names[split]]
        write_text(dataset.list_file(split), "".join(lines))
    write_text(dataset.label_map, "".join(f"{motion}\n" for motion in MOTIONS))
    return dataset


def write_video(
    path: str | Path,
    frames: Iterable[Frame],
    *,
    fps: int | Fraction,
    gop: int = 12,
    crf: int = 18,
    preset: str = "veryfast",
) -> None:
    """Write RGB frames (H, W, 3) as an h264 mp4 that browsers play, frame i at i / fps seconds.

    The file appears under its name when it is complete: an interruption leaves an older file as it
    was. The same frames give the same bytes.

    Args:
        path: The file to write; its folder is made.
        frames: At least one frame; all of one size, with even sides.
        fps: Frames per second.
        gop: Largest distance of two key frames: how far a reader must decode for a random frame.
        crf: x264's quality, from 0 (lossless) to 51.
        preset: x264's speed, from ``ultrafast`` to ``veryslow``.

    Raises:
        VideoError: There are no frames, a size does not fit, or the disk refuses the file.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise VideoError(f"{path} cannot be written: there are no frames. Give at least one.")
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise VideoError(
            f"{path} cannot be written: h264 needs even sides, the frames are {width}x{height}."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(partial), "w", format="mp4") as container:
            # With AVX-512, x264's macroblock tree reads memory that nothing has written when frames
            # are tiny (48x32): the bytes would depend on what the process did before.
            options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
            stream = container.add_stream("libx264", rate=fps, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.gop_size = gop
            # x264 writes its number of threads into the file: fixed, so the bytes are too.
            stream.thread_count = 1
            for number, frame in enumerate(chain([first], remaining)):
                if frame.shape != first.shape:
                    raise VideoError(
                        f"{path} cannot be written: frame {number} has shape {frame.shape}, "
                        f"the first has {first.shape}."
                    )
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                # Left to the encoder, the conversion has a thread for each core, and its last bits
                # depend on them.
                picture = picture.reformat(format="yuv420p", threads=1)
                picture.pts, picture.time_base = number, 1 / Fraction(fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        partial.replace(path)
    except (OSError, av.FFmpegError) as error:
        raise VideoError(
            f"{path} cannot be written: {error}. Check the folder and the space on its disk."
        ) from error
    finally:
        if partial.exists():
            partial.unlink()


def _claim(dataset: MotionDataset, videos: MotionVideos, wanted: set[Path]) -> None:
    """Make ``root`` ready: its videos are then wanted ones with these settings, or not there."""
    folders = [dataset.videos(split) for split in _SPLITS]
    # Only names that this module gives: the folders may hold files of the user's.
    there = (
        path
        for folder in folders
        for motion in MOTIONS
        for path in (folder / motion).glob(f"{motion}_[0-9][0-9][0-9][0-9][0-9].mp4")
    )
    settings = {"generator": _GENERATOR, **asdict(videos)}
    claim_folder(dataset.root / "dataset.json", settings, folders, there, wanted)
