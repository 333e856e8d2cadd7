"""Time the loading of a list's videos, in one process and without a network."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from praxiscope.apps.options import add_cfg_options
from praxiscope.checks import check_whole
from praxiscope.data.batch import collate
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import OpenSource, RecognitionDataset
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.errors import DataError
from praxiscope.progress import progress_bar
from praxiscope.recipe import Recipe, load_recipe
from praxiscope.types import Broken, Frame, Frames, FrameSource, Indices, ItemKey, Sample

WARM_UP = 5  # batches that are not counted, as published
NUM_VIDEOS = 256  # as published


@dataclass
class Clock:
    """Seconds that each step of loading took, added up."""

    open: float = 0.0
    decode: float = 0.0  # seeking included
    transform: float = 0.0  # resize, crop, flip, colour
    load: float = 0.0  # all of a sample, these three included
    collate: float = 0.0

    def timed(self, open_source: OpenSource) -> OpenSource:
        """Return ``open_source`` whose sources report to this clock."""

        def open_timed(videos: VideoList, record: Record, threads: int) -> FrameSource:
            start = time.perf_counter()
            source = open_source(videos, record, threads)
            self.open += time.perf_counter() - start
            return TimedSource(source, self)

        return open_timed


class TimedSource:
    """A :class:`praxiscope.types.FrameSource` that tells a clock where the time goes."""

    def __init__(self, source: FrameSource, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self.num_frames, self.height, self.width = source.num_frames, source.height, source.width

    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        """Return what the source returns."""
        inside = 0.0

        def each_timed(frame: Frame) -> Frame:
            nonlocal inside
            start = time.perf_counter()
            result = each(frame) if each else frame
            inside += time.perf_counter() - start
            return result

        start = time.perf_counter()
        frames = self._source.frames_at(indices, each=each_timed)
        self._clock.decode += time.perf_counter() - start - inside
        self._clock.transform += inside
        return frames

    def close(self) -> None:
        """Release the source."""
        self._source.close()


@dataclass(frozen=True)
class Loading:
    """What loading some videos took."""

    clock: Clock
    num_videos: int
    num_broken: int  # left out of the figures

    @property
    def videos_per_second(self) -> float:
        """Of one process."""
        return self.num_videos / (self.clock.load + self.clock.collate)

    @property
    def steps(self) -> dict[str, float]:
        """Seconds a video of every step; their sum is that of the whole."""
        clock = self.clock
        parts = {
            "open": clock.open,
            "decode (with seek)": clock.decode,
            "resize, crop, flip": clock.transform,
            "stack into clips, close": clock.load - clock.open - clock.decode - clock.transform,
            "collate": clock.collate,
        }
        return {name: seconds / self.num_videos for name, seconds in parts.items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flag, and ours."""
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("--split", default="train", choices=("train", "val", "test"), help="default: train")
    add("--num-videos", type=int, default=NUM_VIDEOS, help="videos to load (default: 256)")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Load the first videos of a list and print what that took."""
    check_whole(args.num_videos, "--num-videos")
    recipe = load_recipe(args.config, args.cfg_options, kind=Recipe)
    data = RecognitionData(recipe, seed=0)
    dataset = {
        "train": lambda: data.train_set,
        "val": lambda: data.val_set,
        "test": lambda: data.test_set,
    }[args.split]()
    dataset.threads = 1
    batch = recipe.loader.videos_per_device if args.split == "train" else 1
    loading = time_loading(dataset, args.num_videos, batch)
    console = Console()
    title = f"{loading.num_videos} videos of {dataset.videos.annotations or dataset.videos.root}"
    table = Table("step", "ms a video", "share", title=title, title_justify="left")
    whole = sum(loading.steps.values())
    for name, seconds in [*loading.steps.items(), ("all", whole)]:
        table.add_row(name, f"{1000 * seconds:.2f}", f"{seconds / whole:.1%}")
    console.print(table)
    print(f"{loading.videos_per_second:.4g} videos/s in one process")
    if loading.num_broken:
        print(f"{loading.num_broken} videos could not be used; check_videos lists them.")
    return 0


def time_loading(dataset: RecognitionDataset, num_videos: int, batch: int) -> Loading:
    """Load the first videos of a list one after the other, in batches.

    The first batches, at most a tenth of all, are not counted: they load libraries.

    Raises:
        DataError: No video could be used.
    """
    count = min(num_videos, len(dataset))
    starts = range(0, count, batch)
    skipped = min(WARM_UP, -(-len(starts) // 10) if len(starts) > 1 else 0)
    original, clock = dataset.open_source, Clock()
    loaded, broken = 0, 0
    try:
        with progress_bar(Console(stderr=True)) as bar:
            task = bar.add_task("videos", total=count, figures="")
            for number, start in enumerate(starts):
                if number <= skipped:
                    clock, loaded, broken = Clock(), 0, 0
                    dataset.open_source = clock.timed(original)
                samples: list[Sample | Broken] = []
                for index in range(start, min(start + batch, count)):
                    before, begin = replace(clock), time.perf_counter()
                    sample = dataset[ItemKey(0, index)]
                    if isinstance(sample, Sample):
                        clock.load += time.perf_counter() - begin
                        loaded += 1
                    else:
                        vars(clock).update(vars(before))  # as if it had not been opened
                        broken += 1
                    samples.append(sample)
                begin = time.perf_counter()
                collate(samples)
                clock.collate += time.perf_counter() - begin
                bar.update(task, advance=len(samples))
    finally:
        dataset.open_source = original
    if not loaded:
        raise DataError(
            f"{dataset.videos.annotations or dataset.videos.root}: none of its first {count} "
            "videos can be used; check_videos says why."
        )
    return Loading(clock, loaded, broken)
