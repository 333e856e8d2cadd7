"""Find the missing and damaged videos of a list."""

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console

from praxiscope.apps.journal import open_journal
from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.checks import check_whole
from praxiscope.data.batch import num_cores
from praxiscope.data.integrity import find_damage, is_readable
from praxiscope.data.lists import Record, VideoList, each_file, find_list, read_list
from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.progress import progress_bar
from praxiscope.recipe import Recipe, load_recipe

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("--split", default="train", choices=("train", "val", "test"), help="default: train")
    add(
        "--output-file",
        type=Path,
        default=Path("invalid-video.txt"),
        help="where the broken videos are listed (default: %(default)s)",
    )
    add(
        "--decoder",
        choices=("decord", "opencv", "pyav"),
        help="taken for compatibility: PyAV reads the videos, as in training",
    )
    add(
        *("--num-processes", "--nproc"),
        type=int,
        default=num_cores(),
        help="default: one a core",
    )
    add("--every-frame", action="store_true", help="decode all frames, not five of each video")
    add(
        "--remove-corrupted-videos",
        action="store_true",
        help="DELETE the damaged video files once all are checked",
    )
    add(
        *("--cfg-options", "--options"),
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change the recipe",
    )


def run(args: argparse.Namespace) -> int:
    """Check the videos, write the list of broken ones, and remove these if asked to."""
    check_whole(args.num_processes, "--num-processes")
    recipe = load_recipe(args.config, args.cfg_options, kind=Recipe)
    given = {"train": recipe.train, "val": recipe.val, "test": recipe.test or recipe.val}
    videos = find_list(given[args.split])
    if args.remove_corrupted_videos and videos.kind in ("frames", "flow"):
        raise PraxiscopeError(
            f"--remove-corrupted-videos deletes video files, but the {args.split} list holds "
            "folders of images: remove these by hand."
        )
    if args.decoder not in (None, "pyav"):
        log.warning("--decoder %s is not used: PyAV reads the videos.", args.decoder)
    records = list(dict.fromkeys(each_file(videos, read_list(videos))))
    check_writable(args.output_file, (args.output_file.suffix,))
    journal = args.output_file.with_name(f"{args.output_file.name}.sound")
    run_of = f"{videos.annotations or videos.root} {videos.root} every_frame={args.every_frame}"
    with open_journal(journal, run_of) as (lines_before, note):
        sound = set(lines_before)
        left = [record for record in records if _path(videos, record) not in sound]
        if len(left) < len(records):
            before = len(records) - len(left)
            print(f"{before} videos were found sound before; {journal} lists them.")
        broken = _check(videos, left, args, note)
    # in the order of the list
    lines = [_path(videos, record) for record in records if record in broken]
    text = "".join(f"{line}\n" for line in lines)
    write_atomically(args.output_file, lambda file: file.write(text.encode()))
    journal.unlink()
    print(
        f"Checked {len(records)} videos: {len(lines)} are damaged or missing. "
        f"{args.output_file} lists them."
    )
    if args.remove_corrupted_videos:
        files = [Path(line) for line in lines if is_readable(Path(line))]
        for path in files:
            path.unlink()
        print(f"Deleted {len(files)} damaged videos.")
    return 0


def _check(
    videos: VideoList,
    records: Sequence[Record],
    args: argparse.Namespace,
    note: Callable[[str], None],
) -> set[Record]:
    """Return the broken ones, noting the sound ones in the journal as they are found."""
    console = Console(stderr=True)
    broken: set[Record] = set()
    work = partial(find_damage, videos, every_frame=args.every_frame)
    with (
        progress_bar(console) as bar,
        closing(in_processes(work, records, args.num_processes)) as results,
    ):
        task = bar.add_task("videos", total=len(records), figures="")
        for record, problem in results:
            if isinstance(problem, Crashed):
                problem = f"{_path(videos, record)} crashed the process that read it."
            if problem is None:
                note(_path(videos, record))
            else:
                broken.add(record)
                console.print(problem, soft_wrap=True, highlight=False, markup=False)
            bar.update(task, advance=1, figures=f"{len(broken)} broken")
    return broken


def _path(videos: VideoList, record: Record) -> str:
    return str(Path(videos.root) / record.path)
