"""Write the optical flow of videos as images, in the published layout."""

import argparse
from pathlib import Path

from rich.console import Console

from praxiscope.apps.data_convert import extract
from praxiscope.checks import check_number, check_whole
from praxiscope.data.batch import num_cores
from praxiscope.data.flow import BOUND, METHODS, SHORT_SIDE
from praxiscope.data.transcode.flow_images import Extraction, Images
from praxiscope.data.transcode.image_folder import check_template
from praxiscope.data.transcode.sources import find_targets
from praxiscope.errors import PraxiscopeError
from praxiscope.files import check_folder


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
    check_template(args.flow_tmpl, "--flow-tmpl", [("x",), ("y",)])
    check_template(args.rgb_tmpl, "--rgb-tmpl")
    images = Images(
        method=args.method,
        bound=args.bound,
        short_side=args.new_short or None,
        flow_template=args.flow_tmpl,
        rgb_template=args.rgb_tmpl if args.save_rgb else None,
        first=args.start_idx,
    )
    targets = find_targets(args.input, args.dest, prefix=args.prefix)
    if list(targets) == [Path(args.input)]:
        targets = {Path(args.input): args.dest.resolve()}
    check_folder(args.dest.resolve().parent)
    left = {video: target for video, target in targets.items() if not _is_done(target, images)}
    extraction, console = Extraction(left, images), Console(stderr=True)

    def tell(problem: str) -> None:
        console.print(f"error: {problem}", soft_wrap=True, highlight=False, markup=False)

    extract(extraction, args.num_processes, console, tell)
    failed = len(extraction.failed)
    print(
        f"{len(left) - failed} videos extracted to {args.dest}, "
        f"{len(targets) - len(left)} were there already, {failed} could not be used."
    )
    return 2 if failed else 0


def _is_done(target: Path, images: Images) -> bool:
    """Whether a folder holds the images of an earlier run; folders are complete or absent."""
    if (target / images.flow_template.format("x", images.first)).exists():
        return True
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PraxiscopeError(
            f"{target} holds other files: name another folder with --dest, or move them away."
        )
    return False
