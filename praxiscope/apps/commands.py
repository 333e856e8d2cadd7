"""What the commands of the command line do with their options."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from praxiscope.apps.printing import print_error, print_line, print_metrics, print_table
from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.recipe import BankRecipe, DetectionRecipe, Recipe, find_recipe, load_recipe

if TYPE_CHECKING:
    from praxiscope.data.ava_lists import AvaList
    from praxiscope.data.lists import VideoList
    from praxiscope.engine.testing import DetectionTested, Tested


def train(args: argparse.Namespace) -> int:
    """Train, and test afterwards if asked to."""
    recipe = load_recipe(args.config, args.cfg_options)  # before what takes seconds to import
    if isinstance(recipe, BankRecipe):
        raise PraxiscopeError(
            f"{args.config} fills a feature bank and trains nothing: run it with 'praxiscope test' "
            "or 'praxiscope bank build'."
        )
    from praxiscope.engine.checkpoints import LATEST
    from praxiscope.engine.testing import ScoreOptions, run_detection_test, run_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.engine.training import TrainOptions, run_training
    from praxiscope.zoo.create import load_model

    work_dir = args.work_dir or Path("work_dirs") / find_recipe(args.config).stem
    resume = Path(args.resume) if args.resume else None
    if args.resume in ("latest", "auto"):  # the second is the published spelling
        latest = work_dir / LATEST
        resume = latest if latest.is_file() else None
        print(f"resuming from {latest}" if resume else f"{latest} does not exist: a new run begins")
    if args.test_best and not args.validate:
        raise PraxiscopeError("--test-best needs --validate: without it no epoch is the best one.")
    devices = Devices(count=args.gpus, ids=tuple(args.gpu_ids), launcher=args.launcher)
    options = TrainOptions(
        validate=args.validate,
        seed=args.seed,
        diff_rank_seed=args.diff_seed,
        deterministic=args.deterministic,
        amp=args.amp,
        auto_scale_lr=args.auto_scale_lr,
        resume=resume,
        skip_broken=args.skip_broken,
        devices=devices,
    )
    trained = run_training(recipe, work_dir, options)
    console = Console()
    if trained.is_main_process:
        for name, file in (("last", trained.latest), ("best", trained.best)):
            if file:
                print_line(console, f"{name} checkpoint: {file}")
    for wanted, name, file in (
        (args.test_last, "last", trained.latest),
        (args.test_best, "best", trained.best),
    ):
        if wanted and file:
            test_options = ScoreOptions(
                seed=args.seed,
                skip_broken=args.skip_broken,
                work_dir=work_dir / f"test_{name}",  # its broken.txt is not that of the training
                devices=devices,
            )
            title = f"test {name}"
            tested: Tested | DetectionTested
            if isinstance(recipe, Recipe):
                network, _ = load_model(recipe.model, file)
                tested = run_test(network, recipe, test_options, name=title)
            else:
                detector, _ = load_model(recipe.model, file)
                tested = run_detection_test(detector, recipe, test_options, name=title)
            if tested.is_main_process:
                print_metrics(console, f"test of the {name} checkpoint", tested.metrics)
    return 0


def test(args: argparse.Namespace) -> int:
    """Test a checkpoint and write what it gave."""
    recipe = load_recipe(args.config, args.cfg_options)
    tested = recipe.list if isinstance(recipe, BankRecipe) else recipe.test or recipe.val
    _check_inputs_stay(args, tested)
    if isinstance(recipe, BankRecipe):
        from praxiscope.apps.bank_build import test_bank

        return test_bank(args, recipe)
    if isinstance(recipe, DetectionRecipe):
        return _test_detection(args, recipe)
    return _test_recognition(args, recipe)


def _check_inputs_stay(args: argparse.Namespace, tested: "VideoList | AvaList") -> None:
    """Raise unless --out and --dump replace nothing that the test reads."""
    files = [getattr(tested, field.name) for field in fields(tested)]
    files = [Path(args.config), Path(args.checkpoint), *(f for f in files if isinstance(f, Path))]
    inputs = {file.resolve() for file in files}
    for option, target in (("--out", args.out), ("--dump", args.dump)):
        if target and Path(target).resolve() in inputs:
            raise PraxiscopeError(
                f"{option} {target}: it is read by the test; name another place for results."
            )


def _test_detection(args: argparse.Namespace, recipe: DetectionRecipe) -> int:
    from praxiscope.apps.bank_clips import warn_of_other_maker
    from praxiscope.apps.test_outputs import check_outputs, show_detections
    from praxiscope.banks.bank import Bank
    from praxiscope.engine.testing import ScoreOptions, run_detection_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.zoo.create import find_checkpoint, load_model

    check_outputs(args.out, args.dump)
    options = ScoreOptions(
        average=args.average_clips,
        metrics=tuple(args.eval) if args.eval else None,
        fuse_conv_bn=args.fuse_conv_bn,
        skip_broken=args.skip_broken,
        work_dir=args.work_dir,
        devices=Devices(count=args.gpus, launcher=args.launcher),
    )
    file = find_checkpoint(args.checkpoint, args.config)
    model, report = load_model(recipe.model, file, clip=recipe.clip)
    if recipe.bank is not None and recipe.bank.val.is_file():
        bank = Bank(recipe.bank.val)
        warn_of_other_maker(file, bank.path, bank.metadata.get("checkpoint"))
    tested = run_detection_test(model, recipe, options)
    if not tested.is_main_process:
        return 0
    console = Console()
    print_line(console, str(report))
    show_detections(
        console,
        tested.frames,
        recipe.test or recipe.val,
        min_score=recipe.min_score,
        protocol=recipe.protocol,
        out=args.out,
        dump=args.dump,
    )
    return 0


def _test_recognition(args: argparse.Namespace, recipe: Recipe) -> int:
    from praxiscope.engine.results import (
        DUMP_SUFFIXES,
        check_writable,
        dump_predictions,
        write_results,
    )
    from praxiscope.engine.testing import ScoreOptions, run_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.zoo.create import find_checkpoint, load_model

    average = args.average_clips or recipe.average
    if args.out:
        check_writable(args.out, per_view=average == "none")
    if args.dump:
        check_writable(args.dump, DUMP_SUFFIXES)
        if average == "none":
            raise PraxiscopeError(
                f"--dump {args.dump} holds one score vector for each video: average the views with "
                "--average-clips prob or score, or write every view with --out."
            )
    file = find_checkpoint(args.checkpoint, args.config)
    model, report = load_model(recipe.model, file, clip=recipe.clip)
    console = Console()
    options = ScoreOptions(
        average=average,
        metrics=tuple(args.eval) if args.eval else None,
        fuse_conv_bn=args.fuse_conv_bn,
        skip_broken=args.skip_broken,
        work_dir=args.work_dir,
        devices=Devices(count=args.gpus, launcher=args.launcher),
    )
    tested = run_test(model, recipe, options)
    if not tested.is_main_process:
        return 0
    print_line(console, str(report))
    scored = tested.scored
    if args.out:
        write_results(args.out, scored.scores)
    if args.dump:
        dump_predictions(args.dump, scored.scores, scored.labels, scored.videos)
    print_metrics(console, f"{len(scored.videos)} videos", tested.metrics)
    return 0


def predict(args: argparse.Namespace) -> int:
    """Print the five best classes of every video; a broken one does not stop the others."""
    from praxiscope.apps.predict import find_videos, load_predictor
    from praxiscope.apps.render import annotate_video, top_lines
    from praxiscope.engine.results import check_writable

    videos = find_videos(args.videos)
    copies = _copies(args.render, videos) if args.render else {}
    if args.out:
        check_writable(args.out, (".json",))
    predictor = load_predictor(
        args.model,
        args.checkpoint,
        labels=args.labels,
        overrides=args.cfg_options,
        device=args.device,
        flow_method=args.flow_method,
    )
    console, errors = Console(), Console(stderr=True)
    found, failed = [], 0
    for number, video in enumerate(videos, 1):
        with console.status(escape(f"{number}/{len(videos)} {video}")):
            try:
                prediction = predictor(video)
            except DataError as error:
                print_error(errors, error)
                failed += 1
                continue
            found.append(prediction)
            print_line(console, str(video))
            print_table(console, ("class", "probability"), prediction.top())
            if video in copies:
                try:
                    annotate_video(video, copies[video], top_lines(prediction.scores))
                except PraxiscopeError as error:  # the scores are worth having without the copy
                    print_error(errors, error)
                    failed += 1
    if args.out:
        content = {
            "model": find_recipe(args.model).stem,
            "checkpoint": str(predictor.checkpoint),
            "predictions": [
                {
                    "video": str(p.video),
                    "top5": [{"class": name, "score": score} for name, score in p.top()],
                    "scores": p.scores,
                }
                for p in found
            ],
        }
        write_atomically(args.out, lambda file: file.write(json.dumps(content, indent=1).encode()))
    if failed:
        print_line(errors, f"{failed} of {len(videos)} videos could not be used, or not copied.")
    return 2 if failed else 0


def _copies(target: Path, videos: list[Path]) -> dict[Path, Path]:
    """Return where the annotated copy of each video goes; folders of frames have none."""
    files = [video for video in videos if video.is_file()]
    if target.suffix.lower() in VIDEO_SUFFIXES - {".mp4"} and not target.is_dir():
        raise PraxiscopeError(
            f"--render {target}: annotated videos are written as .mp4; name one, or a folder."
        )
    if target.suffix.lower() == ".mp4":
        if len(videos) != 1 or not files:
            raise PraxiscopeError(
                f"--render {target}: one file takes one video, and {len(videos)} were given: "
                "name a folder."
            )
        return _not_onto_themselves({files[0]: target})
    names = [f"{video.stem}.mp4" for video in files]
    if len(set(names)) < len(names):  # a/x.mp4 and b/x.avi must not overwrite each other
        names = [f"{number:04d}_{name}" for number, name in enumerate(names, 1)]
    return _not_onto_themselves(
        {video: target / name for video, name in zip(files, names, strict=True)}
    )


def _not_onto_themselves(copies: dict[Path, Path]) -> dict[Path, Path]:
    for video, copy in copies.items():
        if copy.resolve() == video.resolve():
            raise PraxiscopeError(f"--render would replace {video} itself: name another place.")
    return copies
