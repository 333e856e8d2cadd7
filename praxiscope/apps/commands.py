"""What the commands of the command line do with their options."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.recipe import find_recipe, load_recipe
from praxiscope.zoo.files import write_atomically


def train(args: argparse.Namespace) -> int:
    """Train, and test afterwards if asked to."""
    from praxiscope.engine.checkpoints import LATEST
    from praxiscope.engine.testing import ScoreOptions, run_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.engine.training import TrainOptions, run_training
    from praxiscope.zoo.weights import load_checkpoint

    recipe = load_recipe(args.config, args.cfg_options)
    work_dir = args.work_dir or Path("work_dirs") / find_recipe(args.config).stem
    resume = Path(args.resume) if args.resume else None
    if args.resume == "latest":
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
        console.print(f"last checkpoint: {trained.latest}", soft_wrap=True, highlight=False)
        if trained.best:
            console.print(f"best checkpoint: {trained.best}", soft_wrap=True, highlight=False)
    for wanted, name, file in (
        (args.test_last, "last", trained.latest),
        (args.test_best, "best", trained.best),
    ):
        if wanted and file:
            model = recipe.model.build()
            load_checkpoint(model, file)
            test_options = ScoreOptions(
                seed=args.seed, skip_broken=args.skip_broken, work_dir=work_dir, devices=devices
            )
            tested = run_test(model, recipe, test_options, name=f"test {name}")
            if tested.is_main_process:
                _print_metrics(console, f"test of the {name} checkpoint", tested.metrics)
    return 0


def test(args: argparse.Namespace) -> int:
    """Test a checkpoint and write what it gave."""
    from praxiscope.engine.results import (
        DUMP_SUFFIXES,
        check_writable,
        dump_predictions,
        write_results,
    )
    from praxiscope.engine.testing import ScoreOptions, run_test
    from praxiscope.engine.trainer import Devices
    from praxiscope.zoo.create import find_checkpoint
    from praxiscope.zoo.weights import load_checkpoint

    recipe = load_recipe(args.config, args.cfg_options)
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
    model = recipe.model.build()
    report = load_checkpoint(model, find_checkpoint(args.checkpoint, args.config))
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
    console.print(str(report), soft_wrap=True, highlight=False)
    scored = tested.scored
    if not scored.videos:
        raise DataError("no video of the test list could be used: there is nothing to report.")
    if args.out:
        write_results(args.out, scored.scores)
    if args.dump:
        dump_predictions(args.dump, scored.scores, scored.labels, scored.videos)
    _print_metrics(console, f"{len(scored.videos)} videos", tested.metrics)
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
        try:
            with console.status(f"{number}/{len(videos)} {video}"):
                prediction = predictor(video)
                if video in copies:
                    annotate_video(video, copies[video], top_lines(prediction.scores))
        except DataError as error:
            errors.print(f"error: {error}", soft_wrap=True, highlight=False, markup=False)
            failed += 1
            continue
        found.append(prediction)
        table = Table("class", "probability", title=str(video), title_justify="left")
        for name, score in prediction.top():
            table.add_row(name, f"{score:.4f}")
        console.print(table)
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
        errors.print(f"{failed} of {len(videos)} videos could not be used.", highlight=False)
    return 2 if failed else 0


def _copies(target: Path, videos: list[Path]) -> dict[Path, Path]:
    """Return where the annotated copy of each video goes; folders of frames have none."""
    files = [video for video in videos if video.is_file()]
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


def _print_metrics(console: Console, title: str, metrics: dict[str, float]) -> None:
    table = Table("metric", "value", title=title, title_justify="left")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)
