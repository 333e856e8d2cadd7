"""Write the features, or the scores, that a network has of videos."""

import argparse
import hashlib
import json
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.predict import find_device
from praxiscope.checks import check_whole
from praxiscope.data.list_formats import read_text
from praxiscope.data.lists import Record, VideoList, each_file, find_list, read_list
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import Views
from praxiscope.engine.features import Extractor, along_videos, of_videos
from praxiscope.engine.results import check_writable
from praxiscope.engine.testing import fuse_conv_bn
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import check_folder, write_atomically
from praxiscope.models.features import PooledFeatures
from praxiscope.progress import progress_bar
from praxiscope.recipe import Recipe, load_recipe
from praxiscope.zoo.create import find_checkpoint, load_model

SETTINGS = "extraction.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the published flags, and ours."""
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("checkpoint", help="a file, a published checkpoint's name, or 'published'")
    add("output_prefix", nargs="?", type=Path, help="a folder for one .pkl a video")
    add("--out", type=Path, help="instead, one file for all, in list order: .pkl or .json")
    add("--video-list", type=Path, help="one video a line (default: the recipe's test list)")
    add("--video-root", type=Path, help="the folder its paths are below (default: the recipe's)")
    for axis in ("spatial", "temporal"):
        add(
            f"--{axis}-type",
            default="avg",
            choices=("avg", "max", "keep"),
            help=f"pooling of the {axis} dimension (default: avg)",
        )
    add("--multi-view", action="store_true", help="all views of the recipe's test, one row each")
    add("--dump-score", action="store_true", help="scores of the classes instead of features")
    add("--long-video-mode", action="store_true", help="clips along the video, one row each")
    add("--clip-interval", type=int, help="frames between these clips' centres")
    add("--frame-interval", type=int, help="frames between a clip's frames (default: recipe's)")
    add("--fuse-conv-bn", action="store_true", help="fold norms into convolutions")
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write what is not there yet; a broken video does not stop the others."""
    recipe = load_recipe(args.config, args.cfg_options, kind=Recipe)
    clip = _clip(args, recipe)
    views = recipe.test_views
    if args.long_video_mode or not (args.out or args.multi_view):
        views = replace(views, clips=1, twice=False)
    if args.out:
        check_writable(args.out, (".pkl", ".json"))
        folder, suffix = args.out.with_name(f"{args.out.name}.parts"), ".npy"
    else:
        folder, suffix = args.output_prefix, ".pkl"
    videos, records = find_records(recipe, args.video_list, args.video_root)
    files = {record: _file(folder, record, suffix) for record in records}
    device = find_device(args.device)
    checkpoint = find_checkpoint(args.checkpoint, args.config)
    _same_settings(folder, _settings(args, recipe, checkpoint, clip, views))
    left = [record for record in files if not files[record].exists()]
    model, report = load_model(recipe.model, checkpoint, clip=recipe.clip)
    print(report)
    model.eval()
    if args.fuse_conv_bn:
        fuse_conv_bn(model)
    model.to(device)
    pooled = PooledFeatures(model, spatial=args.spatial_type, temporal=args.temporal_type)
    extractor = Extractor(model, None if args.dump_score else pooled, recipe, args.multi_view)
    if args.long_video_mode:
        found = along_videos(extractor, videos, left, clip, views, args.clip_interval)
    else:
        found = of_videos(extractor, videos, left, clip, views)
    console, failed = Console(stderr=True), 0
    with progress_bar(console) as bar:
        task = bar.add_task("videos", total=len(left), figures="")
        for record, rows in found:
            bar.advance(task)
            if isinstance(rows, str):
                failed += 1
                console.print(f"error: {rows}", soft_wrap=True, highlight=False, markup=False)
            else:
                _write(files[record], rows)
    print(
        f"{len(left) - failed} videos done, {len(files) - len(left)} were there already, "
        f"{failed} could not be used."
    )
    if failed:
        return 2
    if args.out:
        _join(args.out, [files[record] for record in records])
        shutil.rmtree(folder)
    return 0


def find_records(
    recipe: Recipe, video_list: Path | None, root: Path | None
) -> tuple[VideoList, Sequence[Record]]:
    """Return the videos of a list, which may have labels or not, or of the recipe's test list.

    Of an untrimmed video these are its parts.

    Raises:
        DataError: The list cannot be read, or names nothing.
    """
    videos = recipe.test or recipe.val
    if video_list is None:
        videos = find_list(videos)
        records = tuple(each_file(videos, read_list(videos)))
        return replace(videos, root=root or videos.root, alternative=None), records
    root = root or videos.root
    lines = [line for line in read_text(video_list, "list of videos").splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{video_list} names no video: expected one a line.")
    names = [_name(line.strip(), root) for line in lines]
    if videos.kind == "video" or (root / names[0]).is_file():
        given = VideoList(root=root, num_classes=recipe.model.num_classes)
        return given, [Record(name, ()) for name in names]
    given = replace(videos, root=root, annotations=video_list, alternative=None)
    return given, tuple(each_file(given, read_list(given)))


def _name(line: str, root: Path) -> str:
    """Return a line without the labels at its end, if there are any."""
    fields = line
    while not (root / fields).exists() and fields.rpartition(" ")[2].isdecimal():
        fields = fields.rpartition(" ")[0].rstrip() or line
        if fields == line:
            break
    return fields


def _clip(args: argparse.Namespace, recipe: Recipe) -> Clip:
    """Return the clip, after checks of options that belong together."""
    if (args.out is None) == (args.output_prefix is None):
        raise PraxiscopeError("name either a folder for one file a video, or one file with --out.")
    if args.long_video_mode:
        if args.clip_interval is None:
            raise PraxiscopeError("--long-video-mode needs --clip-interval: frames between clips.")
        if args.multi_view:
            raise PraxiscopeError("--long-video-mode and --multi-view choose clips: give one.")
        check_whole(args.clip_interval, "--clip-interval")
    elif args.clip_interval is not None or args.frame_interval is not None:
        raise PraxiscopeError("--clip-interval and --frame-interval are for --long-video-mode.")
    if args.frame_interval is None:
        return recipe.clip
    check_whole(args.frame_interval, "--frame-interval")
    return replace(recipe.clip, stride=args.frame_interval)


def _file(folder: Path, record: Record, suffix: str) -> Path:
    """Return the file of a video's features: its path in the list and a suffix, in the folder."""
    name = Path(record.path)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(
            f"{record.path} must be a path below --video-root, as its features go to the same path "
            f"below {folder}."
        )
    name = name / str(record.start) if record.start else name
    return folder / name.with_name(name.name + suffix)


def _settings(
    args: argparse.Namespace, recipe: Recipe, checkpoint: Path, clip: Clip, views: Views
) -> dict[str, str]:
    """Return what features depend on."""
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "checkpoint": digest,
        "model": repr(recipe.model),
        "clip": repr(clip),
        "views": repr(views),
        "average": recipe.average,
        "spatial_type": args.spatial_type,
        "temporal_type": args.temporal_type,
        "multi_view": str(args.multi_view),
        "dump_score": str(args.dump_score),
        "clip_interval": str(args.clip_interval),
    }


def _same_settings(folder: Path, settings: dict[str, str]) -> None:
    """Note what the features in a folder are, or find that those in it are others.

    Raises:
        PraxiscopeError: The folder holds features of another network or of other clips.
    """
    check_folder(folder)
    note = folder / SETTINGS
    try:
        known = json.loads(note.read_text(encoding="utf-8")) if note.exists() else settings
    except ValueError:
        known = None
    if known != settings:
        known = known if isinstance(known, dict) else {}
        other = ", ".join(name for name in settings if known.get(name) != settings[name])
        raise PraxiscopeError(
            f"{folder} holds features of another run ({other} differ): name another place, or "
            "delete the folder."
        )
    write_atomically(note, lambda file: file.write(json.dumps(settings, indent=1).encode()))


def _write(path: Path, rows: npt.NDArray[np.float32]) -> None:
    if path.suffix == ".npy":
        write_atomically(path, lambda file: np.save(file, rows))
    else:
        write_atomically(path, lambda file: pickle.dump(rows, file))


def _join(out: Path, files: Sequence[Path]) -> None:
    """Write the features of all videos as one list."""
    rows = [np.load(path, allow_pickle=False) for path in files]
    if out.suffix == ".json":
        text = json.dumps([one.tolist() for one in rows])
        write_atomically(out, lambda file: file.write(text.encode()))
    else:
        write_atomically(out, lambda file: pickle.dump(rows, file))
