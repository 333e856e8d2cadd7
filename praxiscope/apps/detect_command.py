"""What ``praxiscope detect`` does with its options."""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from praxiscope.apps.action_detector import DetectOptions, load_detector
from praxiscope.apps.actors import Moment
from praxiscope.apps.detect_outputs import Outputs, detect_video
from praxiscope.apps.persons import PersonProvider, find_provider
from praxiscope.apps.persons.find import PROPOSALS
from praxiscope.apps.predict import find_videos
from praxiscope.apps.streams import FrameStream, TimedFrame, is_live
from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.errors import DataError, PraxiscopeError

_SECONDS_BETWEEN_FIGURES = 0.5
_ROWS = 8


def detect(args: argparse.Namespace) -> int:
    """Look at every video; a broken one does not stop the others."""
    options = DetectOptions(
        rate=args.rate,
        smooth=args.smooth,
        threshold=args.threshold,
        top=args.top,
        seconds=args.seconds,
        fps=args.fps,
        first_timestamp=args.first_timestamp,
        only_past=args.only_past or None,
    )
    videos = _videos(args.videos)
    copies = _copies(args.out, videos)
    weights = (args.checkpoint, args.bank_checkpoint, args.persons_weights)
    files = (args.model, *weights, args.labels, args.persons)
    given = [*videos, *(file for file in files if file is not None)]
    _check_inputs_stay(given, [*copies.values(), args.json, args.csv])
    detector = load_detector(
        args.model,
        args.checkpoint,
        bank_checkpoint=args.bank_checkpoint,
        labels=args.labels,
        overrides=args.cfg_options,
        device=args.device,
    )
    by_video = Path(args.persons).suffix.lower() in PROPOSALS
    everywhere = None if by_video else _persons(args, None)
    console, errors = Console(), Console(stderr=True)
    failed = 0
    with Outputs(detector, options, args.json, args.csv) as outputs, _interrupts() as stopped:
        for video in videos:
            if stopped():
                break
            summary = _Summary(options.threshold)
            try:
                stream = detector.open(video, options)
                provider = everywhere or _persons(args, stream.video)
                with _Bar(stream, errors) as bar:
                    detect_video(
                        detector,
                        stream,
                        provider,
                        options,
                        outputs,
                        out=copies.get(video),
                        each=summary.add,
                        progress=bar.advance,
                        stop=stopped,
                    )
            except DataError as error:
                _print(errors, f"error: {error}")
                failed += 1
                continue
            summary.show(console, stream, provider)
    for path in (*copies.values(), args.json, args.csv):
        if path is not None and path.exists():
            _print(console, f"written: {path}")
    if failed:
        _print(errors, f"{failed} of {len(videos)} videos could not be used.")
    if stopped():
        _print(errors, "stopped: the files end where the video was stopped.")
        return 130
    return 2 if failed else 0


def _persons(args: argparse.Namespace, video: str | None) -> PersonProvider:
    return find_provider(
        args.persons,
        weights=args.persons_weights,
        min_score=args.min_person_score,
        device=args.device,
        video_name=video,
        first_timestamp=args.first_timestamp,
    )


def _videos(inputs: list[str]) -> list[str | Path]:
    """Return cameras and addresses as they are, files and folders as ``predict`` finds them."""
    found: list[str | Path] = []
    for given in inputs:
        found += [given] if is_live(given) else find_videos([given])
    return found


def _copies(target: Path | None, videos: list[str | Path]) -> dict[str | Path, Path]:
    """Return where the annotated copy of each video goes."""
    if target is None:
        return {}
    if target.suffix.lower() in VIDEO_SUFFIXES and not target.is_dir():
        if len(videos) > 1:
            raise PraxiscopeError(
                f"--out {target}: one file takes one video, and {len(videos)} were given: name a "
                "folder."
            )
        return {videos[0]: target}
    if len(videos) == 1 and target.suffix and not target.is_dir():
        raise PraxiscopeError(
            f"--out {target}: annotated copies are written as .mp4, not '{target.suffix}'; for a "
            "folder of this name make it first."
        )
    names = [f"{Path(video).stem or 'stream'}.mp4" for video in map(str, videos)]
    if len(set(names)) < len(names):  # a/x.mp4 and b/x.avi must not overwrite each other
        names = [f"{number:04d}_{name}" for number, name in enumerate(names, 1)]
    return {video: target / name for video, name in zip(videos, names, strict=True)}


def _check_inputs_stay(given: list[str | Path], outputs: list[Path | None]) -> None:
    """Raise unless no output is an input or another output."""
    inputs = {Path(path).resolve() for path in given}
    taken: set[Path] = set()
    for path in (path.resolve() for path in outputs if path is not None):
        if path in inputs:
            raise PraxiscopeError(f"{path} is an input: name another place for results.")
        if path in taken:
            raise PraxiscopeError(f"{path} is named for two results: give each a name of its own.")
        taken.add(path)


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into an answer to "stopped?"; the second one is as always."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class _Bar:
    """A progress bar in seconds of video; of a stream without end what is done, and how fast."""

    def __init__(self, stream: FrameStream, console: Console) -> None:
        known = stream.seconds is not None
        left = (BarColumn(bar_width=20), TextColumn("{task.fields[figures]}"), TextColumn("left"))
        live = (TextColumn("{task.fields[figures]}"), TextColumn("after"), TimeElapsedColumn())
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            *((*left, TimeRemainingColumn()) if known else live),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            shortened(Path(stream.name).name), total=stream.seconds, figures=""
        )
        self._total = stream.seconds
        self._started = self._shown = time.monotonic()

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, frame: TimedFrame) -> None:
        """Show how far the video is, and how much faster than it plays."""
        now = time.monotonic()
        if now - self._shown < _SECONDS_BETWEEN_FIGURES:
            return
        self._shown = now
        speed = frame.seconds / max(now - self._started, 1e-9)
        whole = f" of {clock(self._total)}" if self._total is not None else ""
        figures = f"{clock(frame.seconds)}{whole}  {speed:.2f}x"
        self._bar.update(self._task, completed=frame.seconds, figures=figures)


def shortened(name: str) -> str:
    """Return a name of at most 24 characters, without its middle where it has more."""
    return name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"


def clock(seconds: float) -> str:
    """Return a length as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Summary:
    """What was seen in a video altogether; its size does not grow with the video's length."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._moments = self._peopled = self._last_track = 0
        self._found: dict[str, tuple[int, float]] = {}  # key frames, best probability

    def add(self, moment: Moment) -> None:
        """Count one key frame."""
        self._moments += 1
        self._peopled += bool(moment.actors)
        best: dict[str, float] = {}
        for actor in moment.actors:
            self._last_track = max(self._last_track, actor.track)
            for name, probability in actor.top(len(actor.class_names), self._threshold):
                best[name] = max(best.get(name, 0.0), probability)
        for name, probability in best.items():
            count, before = self._found.get(name, (0, 0.0))
            self._found[name] = count + 1, max(before, probability)

    def show(self, console: Console, stream: FrameStream, persons: PersonProvider) -> None:
        """Print the counts and the most frequent actions."""
        people = f"persons in {self._peopled}, {self._last_track} tracks" if self._peopled else (
            f"nobody was found by {persons.name}"
        )  # fmt: skip
        _print(console, f"{stream.name}: {self._moments} key frames, {people}")
        if not self._peopled:
            return
        if not self._found:
            _print(console, f"no action has a probability of {self._threshold:g} or more.")
            return
        table = Table("action", "key frames", "best")
        rows = sorted(self._found.items(), key=lambda item: (-item[1][0], -item[1][1]))
        for name, (count, probability) in rows[:_ROWS]:
            table.add_row(escape(name), str(count), f"{probability:.3f}")
        console.print(table)
        if len(rows) > _ROWS:
            _print(console, f"and {len(rows) - _ROWS} more actions.")


def _print(console: Console, line: str) -> None:
    """Print a line as it is: unbroken and uncoloured, so that it can be searched for."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)
