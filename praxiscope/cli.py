"""The command line: parse, call one function, print one line per error.

``tools/*.py`` call the same functions, with the flags of both published generations.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from praxiscope.apps.options import add_cfg_options
from praxiscope.errors import PraxiscopeError, unknown_name

USER_ERROR, STOPPED = 2, 130

# Threads of torch that wait for each other would otherwise spin, on the cores that loader processes
# need: an epoch on two busy cores then took up to ten times as long. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``praxiscope``; returns the exit status."""
    parser = _parser("praxiscope", "Recognise human actions in video.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_options, _) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text, formatter_class=parser.formatter_class
        )
        add_options(command)
    args = parser.parse_args(argv)
    return _run(_COMMANDS[args.command][2], args)


def train_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``tools/train.py``; returns the exit status."""
    return _script("train", argv)


def test_main(argv: Sequence[str] | None = None) -> int:  # noqa: PT028
    """Entry point of ``tools/test.py``; returns the exit status."""
    return _script("test", argv)


def tool_main(name: str, argv: Sequence[str] | None = None) -> int:
    """Entry point of ``tools/analysis/<name>.py`` and ``tools/misc/<name>.py``."""
    from praxiscope.apps.tools import load_tool

    tool = load_tool(name)
    parser = _parser(f"{name}.py", (tool.__doc__ or "").partition("\n")[0])
    tool.add_options(parser)
    return _run(tool.run, parser.parse_args(argv))


def _script(command: str, argv: Sequence[str] | None) -> int:
    text, add_options, run = _COMMANDS[command]
    parser = _parser(f"tools/{command}.py", text)
    add_options(parser)
    return _run(run, parser.parse_args(argv))


def _parser(prog: str, text: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog,
        description=text,
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,  # "--val" must not mean whatever begins like it today
    )


def _run(command: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    main_process = os.environ.get("RANK", "0") == "0"
    level = logging.WARNING if main_process else logging.ERROR  # once is enough
    logging.basicConfig(format="%(levelname)s: %(message)s", level=level)
    logging.getLogger("praxiscope").setLevel(logging.INFO if main_process else logging.ERROR)
    try:
        return command(args)
    except PraxiscopeError as error:
        _say(f"error: {error}")
        return STOPPED if type(error).__name__ == "StoppedError" else USER_ERROR
    except OSError as error:  # of a file or folder that nothing above has checked
        _say(f"error: {error.filename or 'the system'}: {error.strerror or error}.")
        return USER_ERROR
    except KeyboardInterrupt:
        _say("stopped.")
        return STOPPED


def _say(sentence: str) -> None:
    """Print a sentence, unless another process that torchrun started here has printed one."""
    report = os.environ.get("TORCHELASTIC_ERROR_FILE")  # in a folder for each process
    if report:
        try:
            Path(report).parents[1].joinpath("said").open("x").close()
        except FileExistsError:
            return
        except OSError:  # twice is better than never
            pass
    print(sentence, file=sys.stderr)


def _train_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("--work-dir", type=Path, help="where everything goes (default: work_dirs/<recipe>)")
    add(
        *("--resume", "--resume-from"),
        nargs="?",
        const="latest",
        metavar="CKPT",
        help="go on from a checkpoint (none, or auto: latest.pth of the work dir, if it exists)",
    )
    add(
        "--validate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="score the validation list every few epochs (default: yes)",
    )
    add("--test-last", action="store_true", help="test the last checkpoint at the end")
    add("--test-best", action="store_true", help="test the best checkpoint at the end")
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument("--gpus", type=int, help="devices of this machine (default: all GPUs)")
    devices.add_argument("--gpu-ids", type=int, nargs="+", default=[], help="certain GPUs")
    add("--seed", type=int, default=0, help="of everything random (default: 0)")
    add(
        *("--diff-seed", "--diff-rank-seed"),
        action="store_true",
        help="let processes differ in what their networks draw",
    )
    add("--deterministic", action="store_true", help="bit-identical when repeated; slower")
    add("--amp", action="store_true", help="mixed precision")
    add("--auto-scale-lr", action="store_true", help="scale the learning rate with the batch")
    _common_options(parser)


def _test_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("config", help="a recipe: a file, or the name of a published one")
    add("checkpoint", help="a file, a published checkpoint's name, or 'published'")
    add("--out", type=Path, help="scores in list order: .json, .pkl or .csv")
    add("--dump", type=Path, help="scores and labels, a list of dicts: .pkl")
    add("--eval", nargs="+", metavar="METRIC", help="top_k_accuracy, mean_class_accuracy ...")
    add(
        "--average-clips",
        choices=("prob", "score", "none"),
        help="how the scores of a video's views are joined (default: the recipe's)",
    )
    add("--fuse-conv-bn", action="store_true", help="fold norms into convolutions; a bit faster")
    add("--work-dir", type=Path, default=Path(), help="where broken.txt goes (default: here)")
    add("--gpus", type=int, help="devices of this machine (default: all GPUs)")
    _common_options(parser)


def _common_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--skip-broken", action="store_true", help="leave broken videos out; broken.txt lists them")
    _recipe_options(parser)
    add(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="who has started the processes: nobody, torchrun, or Slurm",
    )
    add("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)  # of old launchers


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    add_cfg_options(parser, "change the recipe, as schedule.epochs=1 test_views.clips=1")


def _predict_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("videos", nargs="+", help="video files, folders of videos or of frame images, patterns")
    add("--model", required=True, help="a recipe: the name of a published one, or a file")
    add("--checkpoint", help="a file or a published name (default: the recipe's published one)")
    add("--labels", type=Path, help="class names, one a line")
    add("--out", type=Path, help="write all scores as JSON")
    add("--render", type=Path, metavar="MP4", help="write annotated copies: a file, or a folder")
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add(
        "--flow-method",
        default="tvl1",
        choices=("tvl1", "farneback", "dis"),
        help="how a model of optical flow gets it from a video (default: tvl1, as published; slow)",
    )
    _recipe_options(parser)


def _detect_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "videos",
        nargs="+",
        help="video files, folders of videos or of frame images, patterns, a camera (0, "
        "/dev/video0), or addresses (rtsp://..., http://...)",
    )
    add("--model", required=True, help="a recipe of detection: a published one's name, or a file")
    add("--checkpoint", help="a file or a published name (default: the recipe's published one)")
    add(
        "--persons",
        default="auto",
        metavar="PROVIDER",
        help="what finds the persons: torchvision, hf:ORG/NAME, FILE.onnx, hog, a proposals file, "
        "frame, or auto: the best that is here (default)",
    )
    add("--persons-weights", metavar="FILE", help="of torchvision's detector; 'random' for a trial")
    add(
        "--bank-checkpoint",
        metavar="FILE",
        help="of a model with a feature bank: the weights that made it, to make that of each video "
        "(default: the recipe's bank.checkpoint)",
    )
    add(
        "--only-past",
        action="store_true",
        help="of a model with a feature bank: let it see no later seconds, so that results come at "
        "once (live streams: always)",
    )
    add("--min-person-score", type=float, metavar="P", help="(default: what suits the provider)")
    add("--rate", type=float, default=1.0, help="key frames a second (default: 1)")
    add(
        "--smooth",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="half-life of a track's earlier scores; 0 for none (default: 1)",
    )
    add(
        "--threshold",
        type=float,
        default=0.3,
        metavar="P",
        help="actions below this probability are not written beside persons and into --json "
        "(default: 0.3)",
    )
    add("--top", type=int, default=3, help="actions beside a person at most (default: 3)")
    add("--labels", type=Path, help="class names: a label map (.pbtxt), or a text, one a line")
    add("--out", type=Path, metavar="MP4", help="write annotated copies: a file, or a folder")
    add("--json", type=Path, metavar="JSONL", help="write one line of JSON a key frame")
    add("--csv", type=Path, help="write detections in AVA's layout")
    add("--seconds", type=float, metavar="N", help="stop after so many seconds of every video")
    add("--fps", type=float, help="of folders of frame images (default: the recipe's)")
    add(
        "--first-timestamp",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="what proposals and --csv call the time of the first frame (AVA: 900; default: 0)",
    )
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    _recipe_options(parser)


def _quickstart_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--task",
        choices=("recognition", "detection"),
        default="recognition",
        help="what a video shows, or what each of several actors in it does (default: recognition)",
    )
    add("--out", type=Path, help="where all files go (default: quickstart, quickstart_detection)")


def _tool_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="benchmark, get_flops, eval_metric ...; 'list' lists them")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="those of the tool")


def _zoo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="ACTION NAME",
        help="list [PATTERN ...], show NAME, download NAME, or convert IN OUT; a pattern alone is "
        "listed",
    )
    parser.add_argument(
        "--to",
        choices=("openmmlab", "pyslowfast", "pytorchvideo"),
        help="convert: whose names to write (default: .safetensors and .pth OpenMMLab's, which are "
        "ours; .pyth PySlowFast's)",
    )
    parser.add_argument(
        "--report", type=Path, help="convert: write what became of every tensor into this file"
    )


def _train(args: argparse.Namespace) -> int:
    from praxiscope.apps.commands import train

    return train(args)


def _test(args: argparse.Namespace) -> int:
    from praxiscope.apps.commands import test

    return test(args)


def _predict(args: argparse.Namespace) -> int:
    from praxiscope.apps.commands import predict

    return predict(args)


def _detect(args: argparse.Namespace) -> int:
    from praxiscope.apps.detect_command import detect

    return detect(args)


def _quickstart(args: argparse.Namespace) -> int:
    if args.task == "detection":
        from praxiscope.apps.quickstart_detection import quickstart_detection

        quickstart_detection(args.out or Path("quickstart_detection"))
    else:
        from praxiscope.apps.quickstart import quickstart

        quickstart(args.out or Path("quickstart"))
    return 0


def _tool(args: argparse.Namespace) -> int:
    from praxiscope.apps.tools import TOOLS, load_tool

    if args.name == "list":
        for name in TOOLS:
            print(f"{name}: {(load_tool(name).__doc__ or '').partition(chr(10))[0]}")
        return 0
    if args.name not in TOOLS:
        raise unknown_name("tool", args.name, TOOLS, "praxiscope tool")
    return tool_main(args.name, args.arguments)


def _zoo(args: argparse.Namespace) -> int:
    from praxiscope.apps.zoo import zoo

    return zoo(args)


def _data_options(parser: argparse.ArgumentParser) -> None:
    from praxiscope.apps.data import add_options

    add_options(parser)


def _data(args: argparse.Namespace) -> int:
    from praxiscope.apps.data import run

    return run(args)


def _bank_options(parser: argparse.ArgumentParser) -> None:
    from praxiscope.apps.bank import add_options

    add_options(parser)


def _bank(args: argparse.Namespace) -> int:
    from praxiscope.apps.bank import run

    return run(args)


_Command = tuple[
    str,
    Callable[[argparse.ArgumentParser], None],
    Callable[[argparse.Namespace], int],
]
_COMMANDS: dict[str, _Command] = {
    "quickstart": (
        "Generate videos, train, test, and write a report: five minutes.",
        _quickstart_options,
        _quickstart,
    ),
    "train": ("Train the run that a recipe describes.", _train_options, _train),
    "test": ("Test a checkpoint with a recipe's views.", _test_options, _test),
    "predict": ("Say what videos show.", _predict_options, _predict),
    "detect": ("Say who does what in videos, cameras or streams.", _detect_options, _detect),
    "data": ("Examine a dataset before training on it.", _data_options, _data),
    "bank": ("Fill feature banks, look into them, convert published ones.", _bank_options, _bank),
    "tool": ("Run one of the published analysis scripts.", _tool_options, _tool),
    "zoo": ("List, show, download or convert published models.", _zoo_options, _zoo),
}
