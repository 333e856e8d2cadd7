"""Write the optical flow of videos as images, in the published layout."""

import argparse
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
from rich.console import Console

from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.apps.predict import find_videos
from praxiscope.checks import check_number, check_whole
from praxiscope.data.batch import num_cores
from praxiscope.data.flow import BOUND, METHODS, SHORT_SIDE
from praxiscope.data.flow_images import Chunk, Images, write_chunk
from praxiscope.data.list_formats import read_text
from praxiscope.data.video import open_video
from praxiscope.engine.progress import progress_bar
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import check_folder

CHUNK_FRAMES = 128
CHUNK_BYTES = 2**28  # of decoded frames in one process


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
        target = self.targets[video]
        return target.with_name(f".{target.name}.{self.token}.part")

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
            folder.mkdir(parents=True)
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
            chunk.folder.rename(self.targets[video])

    def clean(self) -> None:
        """Remove the folders that were not finished."""
        for video in self.missing:
            shutil.rmtree(self.folder(video), ignore_errors=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("--input", required=True, help="a video, a folder of videos, or a .txt list of videos")
    add("--prefix", type=Path, default=Path(), help="the folder that the paths of a list are below")
    add("--dest", type=Path, required=True, help="where the images go")
    add("--save-rgb", action="store_true", help="also write the frames")
    add("--rgb-tmpl", default="img_{:05d}.jpg", help="names of frames (default: %(default)s)")
    add("--flow-tmpl", default="{}_{:05d}.jpg", help="names of flow images (default: %(default)s)")
    add("--start-idx", type=int, default=1, help="number of the first image (default: 1)")
    add("--method", default="tvl1", choices=METHODS, help="default: tvl1, as published; slow")
    add("--bound", type=float, default=BOUND, help="pixels that become 0 or 255 (default: 20)")
    add(
        "--new-short",
        type=int,
        default=SHORT_SIDE,
        help="resize frames whose short side is longer (default: 256; 0: leave them as they are)",
    )
    add(
        *("--num-processes", "--num-worker"),
        type=int,
        default=num_cores(),
        help="default: one a core",
    )


def run(args: argparse.Namespace) -> int:
    """Write the images of every video that has none yet."""
    check_whole(args.num_processes, "--num-processes")
    check_whole(args.start_idx, "--start-idx", least=0)
    check_whole(args.new_short, "--new-short", least=0)
    check_number(args.bound, "--bound", 1e-3, 1e6)
    _check_template(args.flow_tmpl, "--flow-tmpl", [("x",), ("y",)])
    _check_template(args.rgb_tmpl, "--rgb-tmpl", [()])
    images = Images(
        method=args.method,
        bound=args.bound,
        short_side=args.new_short or None,
        flow_template=args.flow_tmpl,
        rgb_template=args.rgb_tmpl if args.save_rgb else None,
        first=args.start_idx,
    )
    targets = find_targets(args.input, args.prefix, args.dest)
    check_folder(args.dest.resolve().parent)
    left = {video: target for video, target in targets.items() if not _is_done(target, images)}
    extraction = Extraction(left, images)
    console = Console(stderr=True)
    try:
        _extract(extraction, args.num_processes, console)
    finally:
        extraction.clean()
    failed = len(extraction.failed)
    print(
        f"{len(left) - failed} videos extracted to {args.dest}, "
        f"{len(targets) - len(left)} were there already, {failed} could not be used."
    )
    return 2 if failed else 0


def find_targets(given: str, prefix: Path, dest: Path) -> dict[Path, Path]:
    """Return the videos that ``--input`` stands for, each with the folder for its images.

    A single video fills ``dest`` itself; those of a list or folder get a folder each below it, with
    the video's path without its suffix.

    Raises:
        DataError: There is no such video, two would share a folder, or one would leave ``dest``.
    """
    path, dest = Path(given), dest.resolve()
    if path.suffix == ".txt":
        lines = read_text(path, "list of videos").splitlines()
        names = [_named(line.strip(), prefix) for line in lines if line.strip()]
        videos = [prefix / name for name in names]
    else:
        videos = find_videos([path])
        if videos == [path]:
            return {path: dest}
        names = [video.relative_to(path) for video in videos]
    targets: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for name, video in zip(names, videos, strict=True):
        if name.is_absolute() or ".." in name.parts:
            raise DataError(
                f"{given}: {name} must be a path below --prefix, as its images go to "
                "the same path below --dest."
            )
        target = dest / (name if video.is_dir() else name.with_suffix(""))
        if taken.setdefault(target, video) != video:
            raise DataError(
                f"{video} and {taken[target]} would both go to {target}: extract them to "
                "different folders."
            )
        targets[video] = target
    if not targets:
        raise DataError(f"{given} names no video: expected one a line.")
    return targets


def _named(line: str, prefix: Path) -> Path:
    """Return the path in a line, also of a training list, where numbers follow it."""
    return Path(line if (prefix / line).exists() else re.sub(r"(\s+\d+)+$", "", line))


def _extract(extraction: Extraction, processes: int, console: Console) -> None:
    if not extraction.targets:
        return
    work = partial(write_chunk, images=extraction.images)
    with (
        progress_bar(console) as bar,
        closing(in_processes(work, extraction.chunks(), processes)) as results,
    ):
        task = bar.add_task("flow", total=len(extraction.targets), figures="videos")
        shown: set[Path] = set()
        for chunk, outcome in results:
            if isinstance(outcome, Crashed):
                outcome = f"{chunk.video} crashed the process that read it: leave it out."
            extraction.note(chunk, outcome)
            bar.advance(task, 1 / chunk.num_chunks)
            _show(console, extraction, shown)
        bar.update(task, completed=len(extraction.targets))
        _show(console, extraction, shown)


def _show(console: Console, extraction: Extraction, shown: set[Path]) -> None:
    for video in extraction.failed.keys() - shown:
        problem = f"error: {extraction.failed[video]}"
        console.print(problem, soft_wrap=True, highlight=False, markup=False)
        shown.add(video)


def _is_done(target: Path, images: Images) -> bool:
    """Whether a folder holds the images of an earlier run; folders are complete or absent."""
    if (target / images.flow_template.format("x", images.first)).exists():
        return True
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PraxiscopeError(
            f"{target} holds other files: name another folder with --dest, or move them away."
        )
    return False


def _check_template(template: str, option: str, parts: Sequence[Sequence[str]]) -> None:
    try:
        names = {template.format(*part, number) for number in (1, 2) for part in parts}
        fits = len(names) == 2 * len(parts)
        fits = fits and all(Path(name).name == name for name in names)
        fits = fits and all(cv2.haveImageWriter(name) for name in names)
    except (AttributeError, IndexError, KeyError, ValueError, cv2.error):
        fits = False
    if not fits:
        example = "{}_{:05d}.jpg" if parts[0] else "img_{:05d}.jpg"
        raise PraxiscopeError(f"{option} '{template}' names no images: expected one as {example}.")
