"""``praxiscope data proposals``: persons at the key frames of videos, as lists read them."""

import argparse
import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from praxiscope.apps.persons import PersonProvider, find_provider
from praxiscope.apps.persons.find import PROPOSALS
from praxiscope.apps.printing import print_line
from praxiscope.checks import check_number
from praxiscope.data.ava_files import Moment, Source
from praxiscope.data.ava_lists import AvaList, open_source, read_key_frames, source_path
from praxiscope.data.batch import num_cores
from praxiscope.data.doctor.recall import best_overlaps
from praxiscope.data.frames import FrameFolder
from praxiscope.data.key_pictures import key_pictures, one_a_second
from praxiscope.data.proposal_files import (
    PROPOSAL_SUFFIXES,
    FloatArray,
    read_part,
    write_part,
    write_proposals,
)
from praxiscope.data.transcode.sources import videos_below
from praxiscope.data.video import Video
from praxiscope.errors import DataError, RecipeError
from praxiscope.files import check_folder
from praxiscope.progress import CountProgress
from praxiscope.recipe import DetectionRecipe, load_recipe

BROKEN = 1  # exit status: some videos could not be used
IOUS = (0.5, 0.9)


class Look(NamedTuple):
    """The key frames of a video that are looked at."""

    video: str  # as proposals name it
    source: Source
    timestamps: tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """What is looked at, in the order in which it is written."""

    looks: list[Look]
    open: Callable[[Source], Video | FrameFolder]
    path: Callable[[Source], Path]
    late: int = 0  # see AvaList
    broken: dict[str, str] = field(default_factory=dict)  # why, of each video


def proposals(args: argparse.Namespace) -> int:
    """Find the persons and write them; return 1 if some videos could not be used.

    Raises:
        PraxiscopeError: An option is wrong, a file is there or would be written over what is read,
            or the provider or the list cannot be used.
    """
    check_number(args.min_person_score, "--min-person-score", 0, 1)
    console, errors = Console(highlight=False), Console(stderr=True)
    ava = _list(args)
    _check_out(args, ava)
    search = _of_folder(args, errors) if ava is None else _of_list(ava)
    parts = Parts(args.out.with_name(f"{args.out.name}.parts"), args, search)
    if args.dry_run:
        return _show_plan(console, search, parts)
    recalls = [_recall(ava, args.compare)] if ava and args.compare else []  # bad ones end it now
    by_video = Path(args.persons).suffix.lower() in PROPOSALS
    everywhere = None if by_video else _provider(args, None)
    made_by = everywhere.name if everywhere else args.persons
    check_folder(parts.folder)
    num_videos = len(search.looks) + len(search.broken)
    there = ((look, parts.read(look, made_by)) for look in search.looks)
    found = {look: boxes for look, boxes in there if boxes is not None}
    num_there = len(found)
    left = [look for look in search.looks if look not in found]
    total = sum(len(look.timestamps) for look in left)
    with CountProgress("persons", total, unit="key frames", console=errors) as progress:
        for look in left:
            before = progress.done
            try:
                provider = everywhere or _provider(args, look)
                boxes = _find(search, look, provider, lambda: progress.advance(1))
            except DataError as error:
                search.broken[look.video] = str(error)
                print_line(errors, f"broken: {look.video}: {error}")
                progress.advance(len(look.timestamps) - (progress.done - before))
            else:
                parts.write(look, boxes, made_by)
                found[look] = boxes
    for video, problem in search.broken.items():
        print_line(console, f"broken: {video}: {problem}")
    print_line(
        console,
        f"{num_videos} videos by {made_by}: {len(found) - num_there} looked at, {num_there} "
        f"there already, {len(search.broken)} broken.",
    )
    if not found or (search.broken and not args.skip_broken):
        advice = "" if not found else " give --skip-broken to write it without them, or"
        print_line(
            console,
            f"{args.out} is not written:{advice} mend them and run again; what is finished is kept "
            f"in {parts.folder}.",
        )
        return BROKEN
    joined: dict[Moment, FloatArray] = {}
    for look in search.looks:
        for time, boxes_then in zip(look.timestamps, found.get(look, ()), strict=False):
            # Parts of one untrimmed video may share a moment.
            joined.setdefault((look.video, time), boxes_then)
    write_proposals(args.out, joined)
    peopled = sum(len(boxes) > 0 for boxes in joined.values())
    print_line(
        console,
        f"{args.out}: {sum(map(len, joined.values())):,} boxes in {peopled:,} of {len(joined):,} "
        f"key frames. {parts.folder} is no longer needed.",
    )
    if ava is not None and peopled:
        _show_recall(console, ava, [_recall(ava, args.out), *recalls])
    return BROKEN if search.broken else 0


class Parts:
    """The finished videos of a search, a file each.

    Its name tells the options and the key frames it was made for, so that other ones find others.
    """

    def __init__(self, folder: Path, args: argparse.Namespace, search: Search) -> None:
        self.folder = folder
        self._options = (args.persons, args.persons_weights, args.min_person_score, search.late)

    def read(self, look: Look, made_by: str | None) -> list[FloatArray] | None:
        """Return the persons at every timestamp, (n, 5), or None if they are not there."""
        return read_part(self._path(look), len(look.timestamps), made_by)

    def write(self, look: Look, boxes: list[FloatArray], made_by: str) -> None:
        """Keep the persons of a video."""
        write_part(self._path(look), boxes, made_by)

    def _path(self, look: Look) -> Path:
        what = json.dumps([*self._options, *look]).encode()
        return self.folder / f"{hashlib.sha256(what).hexdigest()[:32]}.npz"


def _list(args: argparse.Namespace) -> AvaList | None:
    """Return the list of a recipe, or None for a folder of videos."""
    if args.videos is not None:
        for flag, value in (
            ("a recipe", args.recipe),
            ("--split", args.split),
            ("--cfg-options", args.cfg_options),
            ("--compare", args.compare),
        ):
            if value:
                raise RecipeError(f"{flag} goes with a list that has annotations, not --videos.")
        if args.fps is not None:
            check_number(args.fps, "--fps", 1e-3, 1e4)
        if args.first_timestamp is not None:
            check_number(args.first_timestamp, "--first-timestamp", 0, 1e6)
        return None
    if args.recipe is None:
        raise RecipeError("give a detection recipe, or a folder with --videos.")
    if args.fps is not None or args.first_timestamp is not None:
        raise RecipeError(
            "--fps and --first-timestamp are for --videos; a recipe's list says both: change them "
            "with --cfg-options, as val.fps=25."
        )
    recipe = load_recipe(args.recipe, args.cfg_options, kind=DetectionRecipe)
    lists = {"train": recipe.train, "val": recipe.val, "test": recipe.test or recipe.val}
    return lists[args.split or "val"]


def _check_out(args: argparse.Namespace, ava: AvaList | None) -> None:
    """Refuse a file that is there, that is read, or that no list would read."""
    if args.out.suffix not in PROPOSAL_SUFFIXES:
        raise DataError(
            f"--out {args.out}: expected a file name that ends in {', '.join(PROPOSAL_SUFFIXES)}."
        )
    read = [args.compare, args.persons, args.persons_weights]
    if ava is not None:
        read += [ava.annotations, ava.excluded, ava.label_map, ava.sources]
    if any(path is not None and Path(path).resolve() == args.out.resolve() for path in read):
        raise DataError(f"--out {args.out} is read by this command: name another file.")
    if args.out.exists() and not (args.overwrite or args.dry_run):
        raise DataError(f"{args.out} is there already: give --overwrite, or another --out.")


def _of_list(ava: AvaList) -> Search:
    """Return every key frame of a list, whose own proposals need not be there yet."""
    key_frames = read_key_frames(replace(ava, proposals=None))
    sources = dict(zip(key_frames.by_video(), key_frames.sources, strict=True))
    looks = [
        Look(ava.span(video).of, sources[video], tuple(key_frames.timestamps[places].tolist()))
        for video, places in key_frames.by_video().items()
    ]
    return Search(
        looks,
        open=lambda source: open_source(ava, source, threads=num_cores()),
        path=lambda source: source_path(ava, source),
        late=ava.late,
    )


def _of_folder(args: argparse.Namespace, console: Console) -> Search:
    """Return a key frame a second of every video below a folder."""
    root: Path = args.videos
    names = videos_below(root)
    if not names:
        raise DataError(f"{root} holds no video: expected a folder with video files below it.")
    search = Search(
        [],
        open=lambda source: Video(root / source.path, threads=num_cores()),
        path=lambda source: root / source.path,
    )
    first = args.first_timestamp or 0.0
    known: dict[str, Path] = {}
    with CountProgress("lengths", len(names), unit="videos", console=console) as progress:
        for name in names:
            video = name.with_suffix("").as_posix()
            if video in known:
                raise DataError(
                    f"{root / known[video]} and {root / name} would both be '{video}': rename one."
                )
            known[video] = name
            try:
                with closing(Video(root / name)) as opened:
                    fps = args.fps or opened.fps
                    if not fps:
                        raise DataError(f"{root / name} does not say its frame rate: give --fps.")
                    times = one_a_second(opened.num_frames, fps=fps, first_timestamp=first)
            except DataError as error:
                search.broken[video] = str(error)
            else:
                search.looks.append(Look(video, Source(name.as_posix(), fps, first), times))
            progress.advance(1)
    return search


def _provider(args: argparse.Namespace, look: Look | None) -> PersonProvider:
    return find_provider(
        args.persons,
        weights=args.persons_weights,
        min_score=args.min_person_score,
        device=args.device,
        video_name=look.video if look else None,
        first_timestamp=look.source.first_timestamp if look else 0,
    )


def _find(
    search: Search, look: Look, provider: PersonProvider, advance: Callable[[], None]
) -> list[FloatArray]:
    """Return the persons at every timestamp, (n, 5): boxes and scores."""
    found: dict[int, FloatArray] = {}
    _, fps, first = look.source
    with closing(search.open(look.source)) as opened:
        pictures = key_pictures(
            opened, look.timestamps, fps=fps, first_timestamp=first, late=search.late
        )
        for place, picture in pictures:
            persons = provider(picture, look.timestamps[place] - first)
            found[place] = np.column_stack((persons.boxes, persons.scores)).astype(np.float32)
            advance()
    return [found[place] for place in range(len(look.timestamps))]


class Recall(NamedTuple):
    """How well a proposals file meets a list's persons."""

    path: Path
    min_score: float
    per_frame: float  # boxes
    shares: tuple[float, ...]  # of the persons that are met at each of IOUS


def _recall(ava: AvaList, path: Path) -> list[Recall]:
    """Return the recall of a file's proposals as the list takes them, and of all of them."""
    return [_recall_above(ava, path, least) for least in sorted({ava.min_score, 0.0})][::-1]


def _recall_above(ava: AvaList, path: Path, min_score: float) -> Recall:
    key_frames = read_key_frames(replace(ava, proposals=path, min_score=min_score))
    truth, given = [], []
    for moment in key_frames:
        assert moment.proposals is not None
        truth.append(moment.boxes)
        given.append(moment.proposals)
    numbers = np.arange(len(truth))
    overlaps = best_overlaps(
        np.concatenate(truth).astype(np.float64),
        np.repeat(numbers, [len(boxes) for boxes in truth]),
        np.concatenate(given).astype(np.float64),
        np.repeat(numbers, [len(boxes) for boxes in given]),
    )
    per_frame = sum(map(len, given)) / len(given)
    shares = tuple(float((overlaps >= least).mean()) for least in IOUS)
    return Recall(path, min_score, per_frame, shares)


def _show_recall(console: Console, ava: AvaList, recalls: list[list[Recall]]) -> None:
    table = Table("proposals", "score from", "a key frame", *(f"at IoU {iou:g}" for iou in IOUS))
    table.title, table.title_justify = "true persons that a proposal meets", "left"
    for recall in (one for of_file in recalls for one in of_file):
        shares = (f"{share:.1%}" for share in recall.shares)
        figures = (f"{recall.min_score:g}", f"{recall.per_frame:.1f}", *shares)
        table.add_row(recall.path.name, *figures)
    console.print(table)


def _show_plan(console: Console, search: Search, parts: Parts) -> int:
    """Print what would be looked at; return the exit status."""
    there, num_videos = 0, len(search.looks) + len(search.broken)
    for look in search.looks:
        path = search.path(look.source)
        if parts.read(look, None) is not None:
            there += 1
        elif not path.exists():
            search.broken[look.video] = f"there is no {path}"
        else:
            print_line(console, f"{look.video}: {len(look.timestamps)} key frames of {path}")
    for video, problem in search.broken.items():
        print_line(console, f"broken: {video}: {problem}")
    total = sum(len(look.timestamps) for look in search.looks)
    print_line(
        console,
        f"{num_videos} videos, {total:,} key frames: {there} videos there already, "
        f"{len(search.broken)} broken.",
    )
    return BROKEN if search.broken else 0
