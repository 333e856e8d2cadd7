"""``praxiscope data proposals``: persons at the key frames of videos, as lists read them."""

import argparse
import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console

from praxiscope.apps.persons import PersonProvider, find_provider
from praxiscope.apps.persons.find import PROPOSALS
from praxiscope.apps.printing import print_line
from praxiscope.apps.proposal_recall import recall_of, show_recalls
from praxiscope.apps.proposal_search import Look, Search, search_of_folder, search_of_list
from praxiscope.checks import check_number
from praxiscope.data.ava_files import Moment
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.key_pictures import key_pictures
from praxiscope.data.proposal_files import (
    PROPOSAL_SUFFIXES,
    FloatArray,
    read_part,
    write_part,
    write_proposals,
)
from praxiscope.errors import DataError, RecipeError
from praxiscope.files import check_folder
from praxiscope.progress import CountProgress
from praxiscope.recipe import DetectionRecipe, load_recipe

BROKEN = 1  # exit status: some videos could not be used


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
    if ava is not None:
        search = search_of_list(ava)
    else:
        first = args.first_timestamp or 0.0
        search = search_of_folder(args.videos, fps=args.fps, first_timestamp=first, console=errors)
    parts = Parts(args.out.with_name(f"{args.out.name}.parts"), args, search)
    if args.dry_run:
        return _show_plan(console, search, parts)
    compared = [recall_of(ava, args.compare)] if ava and args.compare else []  # a bad one ends it
    num_videos = len(search.looks) + len(search.broken)
    found, num_there = _find_all(args, search, parts, errors)
    _show_broken(console, search)
    print_line(
        console,
        f"{num_videos} videos: {len(found) - num_there} looked at, {num_there} there already, "
        f"{len(search.broken)} broken.",
    )
    if not found or (search.broken and not args.skip_broken):
        without = "give --skip-broken to write it without them, or " if found else ""
        print_line(
            console,
            f"{args.out} is not written: {without}mend them and run again; what is finished is "
            f"kept in {parts.folder}.",
        )
        return BROKEN
    joined: dict[Moment, FloatArray] = {}
    for look in found:
        for time, persons in zip(look.timestamps, found[look], strict=True):
            joined.setdefault((look.video, time), persons)  # cuts of one video may share a moment
    write_proposals(args.out, joined)
    peopled = sum(len(persons) > 0 for persons in joined.values())
    print_line(
        console,
        f"{args.out}: {sum(map(len, joined.values())):,} boxes in {peopled:,} of {len(joined):,} "
        f"key frames. {parts.folder} is no longer needed.",
    )
    if ava is not None and peopled:
        show_recalls(console, [recall_of(ava, args.out), *compared])
    return BROKEN if search.broken else 0


class Parts:
    """The finished videos of a search, a file each.

    Its name tells the options, the key frames and the video it was made for, so that others, also a
    video that has changed since, find no part of it.
    """

    def __init__(self, folder: Path, args: argparse.Namespace, search: Search) -> None:
        self.folder, self._search = folder, search
        self._options = (args.persons, args.persons_weights, args.min_person_score, search.late)

    def read(self, look: Look, made_by: str | None = None) -> list[FloatArray] | None:
        """Return the persons at every timestamp, (n, 5), or None if they are not there."""
        return read_part(self._path(look), len(look.timestamps), made_by)

    def write(self, look: Look, boxes: list[FloatArray], made_by: str) -> None:
        """Keep the persons of a video."""
        write_part(self._path(look), boxes, made_by)

    def _path(self, look: Look) -> Path:
        path = self._search.path(look.source).absolute()
        try:
            state = path.stat()
        except OSError:
            version = None
        else:
            version = [state.st_size, state.st_mtime_ns]
        what = json.dumps([*self._options, *look, str(path), version]).encode()
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


def _provider(args: argparse.Namespace, look: Look | None) -> PersonProvider:
    return find_provider(
        args.persons,
        weights=args.persons_weights,
        min_score=args.min_person_score,
        device=args.device,
        video_name=look.video if look else None,
        first_timestamp=look.source.first_timestamp if look else 0,
    )


def _find_all(
    args: argparse.Namespace, search: Search, parts: Parts, console: Console
) -> tuple[dict[Look, list[FloatArray]], int]:
    """Return the persons of the videos that are not broken, and how many of these were there."""
    by_video = Path(args.persons).suffix.lower() in PROPOSALS
    everywhere = None if by_video else _provider(args, None)
    made_by = everywhere.name if everywhere else args.persons
    check_folder(parts.folder)
    found = {look: parts.read(look, made_by) for look in search.looks}
    left = [look for look, persons in found.items() if persons is None]
    total = sum(len(look.timestamps) for look in left)
    with CountProgress(made_by, total, unit="key frames", console=console) as progress:
        for look in left:
            before = progress.done
            try:
                provider = everywhere or _provider(args, look)
                persons = _find(search, look, provider, lambda: progress.advance(1))
            except DataError as error:
                search.broken[look.video] = str(error)
                print_line(console, f"broken: {look.video}: {error}")
                progress.advance(len(look.timestamps) - (progress.done - before))
            else:
                parts.write(look, persons, made_by)
                found[look] = persons
    whole = {look: persons for look, persons in found.items() if persons is not None}
    return whole, len(found) - len(left)


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


def _show_plan(console: Console, search: Search, parts: Parts) -> int:
    """Print what would be looked at; return the exit status."""
    there, num_videos = 0, len(search.looks) + len(search.broken)
    for look in search.looks:
        path = search.path(look.source)
        if parts.read(look) is not None:
            there += 1
        elif not path.exists():
            search.broken[look.video] = f"there is no {path}"
        else:
            print_line(console, f"{look.video}: {len(look.timestamps)} key frames of {path}")
    _show_broken(console, search)
    total = sum(len(look.timestamps) for look in search.looks)
    print_line(
        console,
        f"{num_videos} videos, {total:,} key frames: {there} videos there already, "
        f"{len(search.broken)} broken.",
    )
    return BROKEN if search.broken else 0


def _show_broken(console: Console, search: Search) -> None:
    for video, problem in search.broken.items():
        print_line(console, f"broken: {video}: {problem}")
