"""``praxiscope data resize``, ``frames`` and ``flow``: videos in another form, many at a time."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console

from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.checks import check_number, check_whole
from praxiscope.data.batch import num_cores
from praxiscope.data.transcode import images, resize
from praxiscope.data.transcode.flow_images import Extraction, Images, Length, measure, write_chunk
from praxiscope.data.transcode.image_folder import check_template, remove_leftovers
from praxiscope.data.transcode.images import FrameImages
from praxiscope.data.transcode.job import Conversion, Done, Job
from praxiscope.data.transcode.resize import Encoding, PictureSize
from praxiscope.data.transcode.sources import find_targets
from praxiscope.errors import PraxiscopeError
from praxiscope.files import check_folder
from praxiscope.progress import CountProgress

FAILED = 1  # exit status: some videos could not be converted


def convert(args: argparse.Namespace) -> int:
    """Do the action; return the exit status."""
    match args.action:
        case "resize":
            return resize_videos(args)
        case "frames":
            return write_frames(args)
        case _:
            return write_flow(args)


def resize_videos(args: argparse.Namespace) -> int:
    """Write a smaller h264 copy of every video; return the exit status."""
    size = PictureSize(short_side=args.short_side, fixed=args.size, even=True)
    for side in (args.short_side, *(args.size or ())):
        if side is not None and (side < 2 or side % 2):
            raise PraxiscopeError(f"h264 needs even sides of at least 2 pixels, not {side}.")
    check_whole(args.crf, "--crf", least=0, most=51)
    if args.gop is not None:
        check_whole(args.gop, "--gop")
    encoding = Encoding(size=size, crf=args.crf, preset=args.preset, gop=args.gop)
    write = partial(resize.resize_video, encoding=encoding)
    return _convert(args, ".mp4", write, partial(resize.is_whole, size=size))


def write_frames(args: argparse.Namespace) -> int:
    """Write the frames of every video as images; return the exit status."""
    check_whole(args.quality, "--quality", least=0, most=100)
    check_template(args.template, "--template")
    if args.fps is not None:
        check_number(args.fps, "--fps", 1e-3, 1e6)
    for side in (args.short_side, *(args.size or ())):
        if side is not None:
            check_whole(side, "a side in pixels")
    wanted = FrameImages(
        size=PictureSize(short_side=args.short_side, fixed=args.size),
        template=args.template,
        quality=args.quality,
        fps=args.fps,
    )
    write = partial(images.write_frames, images=wanted)
    return _convert(args, "", write, partial(images.is_whole, images=wanted))


def write_flow(args: argparse.Namespace) -> int:
    """Write the optical flow of every video as images; return the exit status."""
    check_whole(_workers(args), "--workers")
    check_whole(args.short_side, "--short-side", least=0)
    check_number(args.bound, "--bound", 1e-3, 1e6)
    wanted = Images(
        method=args.method,
        bound=args.bound,
        short_side=args.short_side or None,
        flow_template="flow_{}_{:05d}.jpg" if args.layout == "flow_x" else "{}_{:05d}.jpg",
        rgb_template=None,
    )
    targets = find_targets(args.source, args.target, prefix=args.prefix)
    left = {
        video: target
        for video, target in targets.items()
        if args.overwrite or not wanted.are_in(target)
    }
    done = {video: Done("there") for video in targets if video not in left}
    if args.dry_run:
        return _summary(args, targets, done | dict.fromkeys(left, Done("to write")))
    check_folder(args.target)
    extraction = Extraction(left, wanted)
    try:
        extract(extraction, _workers(args), Console(stderr=True))
    finally:
        failed = {video: Done("failed", why) for video, why in extraction.failed.items()}
        written = {video: Done("written") for video in extraction.written}
        status = _summary(args, targets, done | written | failed)
    return status


def extract(
    extraction: Extraction,
    processes: int,
    console: Console,
    tell: Callable[[str], None] = lambda problem: None,
) -> None:
    """Compute the flow of all videos and write it, showing progress.

    A video is shared by the processes in chunks. ``tell`` is called with what is wrong with a video
    as soon as it is known.
    """
    videos = list(extraction.targets)
    if not videos:
        return
    found: dict[Path, Length] = {}

    # Not here: a file that crashes the library that reads it must not end the whole run.
    with closing(in_processes(measure, videos, processes)) as lengths:
        for video, length in lengths:
            if isinstance(length, Length):
                found[video] = length
            else:
                extraction.failed[video] = _in_words(video, length)
                tell(extraction.failed[video])
    extraction.lengths = {video: found[video] for video in videos if video in found}
    work = partial(write_chunk, images=extraction.images)
    try:
        with (
            CountProgress("flow", len(found), unit="videos", console=console) as progress,
            closing(in_processes(work, extraction.chunks(), processes)) as results,
        ):
            for chunk, outcome in results if found else ():
                problem = None if outcome is None else _in_words(chunk.video, outcome)
                if problem is not None and chunk.video not in extraction.failed:
                    tell(problem)
                progress.advance(extraction.note(chunk, problem))
    finally:
        extraction.clean()


def _in_words(video: Path, problem: str | Crashed) -> str:
    if isinstance(problem, Crashed):
        return f"{video} crashed the process that read it: leave it out."
    return problem


def _convert(
    args: argparse.Namespace,
    suffix: str,
    write: Callable[[Path, Path], bool | None],
    is_whole: Callable[[Path, Path], bool],
) -> int:
    """Convert every video in a process of its own time; return the exit status."""
    workers = _workers(args)
    check_whole(workers, "--workers")
    targets = find_targets(args.source, args.target, suffix=suffix, prefix=args.prefix)
    if not args.dry_run:
        check_folder(args.target)
    conversion = Conversion(
        write=write, is_whole=is_whole, overwrite=args.overwrite, dry_run=args.dry_run
    )
    done: dict[Path, Done] = {}
    begun: dict[Path, Path] = {}

    def jobs() -> Iterator[Job]:
        for source, target in targets.items():
            begun[source] = target
            yield Job(source, target)

    console = Console(stderr=True)
    try:
        with (
            CountProgress(args.action, len(targets), unit="videos", console=console) as progress,
            closing(in_processes(conversion, jobs(), workers)) as results,
        ):
            for job, outcome in results:
                if isinstance(outcome, Crashed):
                    outcome = Done("failed", _in_words(job.source, outcome))
                done[job.source] = outcome
                del begun[job.source]
                progress.advance(1)
    finally:
        if not args.dry_run:
            for target in begun.values():
                remove_leftovers(target)
        status = _summary(args, targets, done)
    return status


def _workers(args: argparse.Namespace) -> int:
    return num_cores() if args.workers is None else int(args.workers)


def _summary(
    args: argparse.Namespace, targets: Mapping[Path, Path], done: Mapping[Path, Done]
) -> int:
    """Print what was done to the videos and what failed; return the exit status."""
    ordered = {video: done[video] for video in targets if video in done}
    counts = Counter(outcome.how for outcome in ordered.values())
    for video, outcome in ordered.items():
        if outcome.how == "to write":
            print(f"{video} -> {targets[video]}")
    for outcome in ordered.values():
        if outcome.how == "failed":
            print(f"failed: {outcome.problem}")
    new = f"{counts['to write']} to write" if args.dry_run else f"{counts['written']} written"
    parts = [f"{new} to {args.target}", f"{counts['there']} there already"]
    parts += [f"{counts['failed']} failed"] if counts["failed"] else []
    left = len(targets) - len(ordered)
    parts += [f"{left} not looked at"] if left else []
    silent = sum(outcome.had_sound for outcome in ordered.values())
    sound = f" {silent} had sound, which is left out." if silent else ""
    print(f"{len(targets)} videos: {', '.join(parts)}.{sound}")
    return FAILED if counts["failed"] else 0
