"""Time a network on the test views of one video, without input or preprocessing."""

import argparse
import resource
import time
from dataclasses import dataclass
from statistics import fmean, median

import torch
from rich.console import Console

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.predict import find_device
from praxiscope.checks import check_whole
from praxiscope.engine.testing import fuse_conv_bn
from praxiscope.errors import PraxiscopeError
from praxiscope.models.complexity import complexity
from praxiscope.models.recognizer import Recognizer, score_views
from praxiscope.progress import progress_bar
from praxiscope.recipe import Recipe, load_recipe
from praxiscope.zoo.cards import view_shape
from praxiscope.zoo.create import find_checkpoint, load_model

WARM_UP = {"cuda": 5, "cpu": 1}  # videos
NUM_VIDEOS = {"cuda": 200, "cpu": 10}  # 200 as published
MIB = 2**20


@dataclass(frozen=True)
class Speed:
    """How long videos took, one at a time."""

    seconds: tuple[float, ...]
    peak_bytes: int  # of the GPU's memory in torch's hands; on a CPU of the process

    @property
    def mean(self) -> float:
        """Videos per second, over all."""
        return 1 / fmean(self.seconds)

    @property
    def median(self) -> float:
        """Videos per second of the middle one."""
        return 1 / median(self.seconds)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("weights", nargs="?", metavar="checkpoint", help="a file, a published name, 'published'")
    add("--checkpoint", help="the same (default: fresh weights, which are as fast)")
    add("--log-interval", type=int, default=10, help="videos between lines (default: 10)")
    add("--fuse-conv-bn", action="store_true", help="fold norms into convolutions")
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add("--num-videos", type=int, help="videos that are timed (default: 200; on a CPU 10)")
    add("--max-testing-views", type=int, help="views in the model at a time (default: recipe's)")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Time the network and print videos per second, peak memory and the multiply-adds."""
    device = find_device(args.device)
    count = NUM_VIDEOS.get(device.type, 10) if args.num_videos is None else args.num_videos
    check_whole(count, "--num-videos")
    check_whole(args.log_interval, "--log-interval")
    if args.max_testing_views is not None:
        check_whole(args.max_testing_views, "--max-testing-views")
    if args.weights and args.checkpoint:
        raise PraxiscopeError("two checkpoints were given: name one, with or without --checkpoint.")
    recipe = load_recipe(args.config, args.cfg_options, kind=Recipe)
    chosen = args.weights or args.checkpoint
    if chosen:
        file = find_checkpoint(chosen, args.config)
        model, report = load_model(recipe.model, file, clip=recipe.clip)
        print(report)
    else:
        model = recipe.model.build()
    one_view = view_shape(recipe)
    cost = complexity(model, (1, *one_view))  # before norms are folded away
    model.eval()
    if args.fuse_conv_bn:
        fuse_conv_bn(model)
    model.to(device)
    views = recipe.test_views
    print(
        f"{views.num_views} views a video ({views.num_clips} clips x {views.crops} crops) of "
        f"{'x'.join(map(str, one_view))} on {_device_name(device)}"
    )
    speed = time_videos(
        model,
        recipe,
        device,
        count=count,
        max_views=args.max_testing_views or recipe.max_testing_views,
        log_interval=args.log_interval,
    )
    print(f"Overall: {speed.mean:.4g} video/s (mean), {speed.median:.4g} video/s (median)")
    owner = "of the GPU" if device.type == "cuda" else "of the process"
    print(f"Peak memory {owner}: {speed.peak_bytes / MIB:.0f} MiB")
    print(f"{cost.gmacs:.2f} GMACs a view, {cost.gmacs * views.num_views:.1f} GMACs a video")
    return 0


def time_videos(
    model: Recognizer,
    recipe: Recipe,
    device: torch.device,
    *,
    count: int,
    max_views: int | None = None,
    log_interval: int = 10,
) -> Speed:
    """Score ``count`` made-up videos, one at a time, after a few that are not counted.

    The clips are random, as uint8 on the device already: only the network is timed, with its
    normalisation and the average over the views.

    Raises:
        PraxiscopeError: The views do not fit into the device's memory.
    """
    on_gpu = device.type == "cuda"
    shape = (1, recipe.test_views.num_views, *view_shape(recipe))
    clips = torch.randint(256, shape, dtype=torch.uint8, device=device)
    seconds: list[float] = []
    warm_up = WARM_UP.get(device.type, 1)
    console = Console(stderr=True)
    with torch.inference_mode(), progress_bar(console) as bar:
        task = bar.add_task("videos", total=warm_up + count, figures="warming up")
        for number in range(warm_up + count):
            if on_gpu and number == warm_up:
                torch.cuda.reset_peak_memory_stats(device)
            start = _now(device)
            try:
                score_views(model, clips, average=recipe.average, max_views=max_views)
            except torch.OutOfMemoryError as error:
                raise PraxiscopeError(
                    f"{max_views or shape[1]} views do not fit into the memory of {device}: "
                    "give a smaller --max-testing-views."
                ) from error
            elapsed = _now(device) - start
            bar.update(task, advance=1)
            if number < warm_up:
                continue
            seconds.append(elapsed)
            done = len(seconds)
            rate = 1 / fmean(seconds)
            bar.update(task, figures=f"{rate:.3g} video/s")
            if done % log_interval == 0:
                console.print(
                    f"Done video [{done}/{count}], {rate:.4g} video/s",
                    highlight=False,
                    markup=False,
                )
    if on_gpu:
        return Speed(tuple(seconds), torch.cuda.max_memory_allocated(device))
    return Speed(tuple(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _now(device: torch.device) -> float:
    """Return the time in seconds once the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({torch.get_num_threads()} threads)"
