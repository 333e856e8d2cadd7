"""What a detection on videos leaves behind: an annotated mp4, JSON lines, AVA's csv."""

import csv
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from praxiscope.apps.action_detector import ActionDetector, DetectOptions
from praxiscope.apps.actors import Moment
from praxiscope.apps.persons import PersonProvider
from praxiscope.apps.render_actions import Style, annotate_actions
from praxiscope.apps.streams import FrameStream, TimedFrame
from praxiscope.engine.detections import as_action_boxes
from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.types import ScoredFrame

log = logging.getLogger(__name__)

PARTIAL = ".part"


class Outputs:
    """Files that grow with every key frame, of any number of videos.

    While they grow they are called ``F.part`` and end with a whole line, so that they can be read
    at any time. They get their names when the ``with`` block ends without an error.

    JSON lines: ``{"video", "seconds", "frame", "persons": [{"box", "score", "track", "actions"}]}``
    with boxes xyxy as shares of the frame, and the actions of the options' threshold or more, best
    first. A key frame without persons has a line as well. csv: the published layout of detections,
    ``video,timestamp,x1,y1,x2,y2,label,score``, with every class above the recipe's ``min_score``,
    as a test writes them, by the labels of the recipe's list.

    Raises:
        PraxiscopeError: A file cannot be written.
    """

    def __init__(
        self,
        detector: ActionDetector,
        options: DetectOptions,
        json_file: str | Path | None = None,
        csv_file: str | Path | None = None,
    ) -> None:
        self._detector, self._options = detector, options
        self._json = None if json_file is None else Path(json_file)
        self._csv = None if csv_file is None else Path(csv_file)
        for path, suffixes in ((self._json, (".jsonl", ".json")), (self._csv, (".csv",))):
            if path is not None:
                check_writable(path, suffixes)
        self._open: dict[Path, TextIO] = {}

    def __enter__(self) -> Self:
        for path in (self._json, self._csv):
            if path is not None:
                self._open[path] = _partial(path).open(
                    "w",
                    encoding="utf-8",
                    errors="backslashreplace",  # file names may be no text at all
                    newline="",
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path, file in self._open.items():
            file.close()
            if error is None:
                _partial(path).replace(path)
            elif _partial(path).stat().st_size:
                log.warning("%s holds what was found until then.", _partial(path))
            else:
                _partial(path).unlink()

    def write(self, stream: FrameStream, moment: Moment) -> None:
        """Add a key frame of a video, and pass it on to whoever reads the files now."""
        try:
            if self._json is not None:
                self._open[self._json].write(self._line(stream, moment) + "\n")
            if self._csv is not None:
                csv.writer(self._open[self._csv], lineterminator="\n").writerows(
                    self._rows(stream, moment)
                )
            for file in self._open.values():
                file.flush()
        except OSError as error:
            raise PraxiscopeError(
                f"results cannot be written: {error.strerror}. The files that end in {PARTIAL} "
                "hold those until then; free some space or choose another folder."
            ) from error

    def _line(self, stream: FrameStream, moment: Moment) -> str:
        persons = [
            {
                "box": [round(share, 4) for share in actor.box.tolist()],
                "score": round(actor.score, 4),
                "track": actor.track,
                "actions": {
                    name: round(probability, 4)
                    for name, probability in actor.top(
                        len(actor.class_names), self._options.threshold
                    )
                },
            }
            for actor in moment.actors
        ]
        found = {"video": stream.name, "seconds": moment.seconds, "frame": moment.frame}
        return json.dumps({**found, "persons": persons}, ensure_ascii=False)

    def _rows(self, stream: FrameStream, moment: Moment) -> Iterator[tuple[object, ...]]:
        if not moment.actors:
            return
        recipe = self._detector.recipe
        background = np.zeros((len(moment.actors), 1), np.float32)
        scores = np.stack([actor.probabilities for actor in moment.actors])
        nobody = np.empty((0, 4), np.float32), np.empty((0, scores.shape[1] + 1), np.float32)
        frame = ScoredFrame(
            stream.video,
            moment.seconds + self._options.first_timestamp,
            np.stack([actor.box for actor in moment.actors]),
            np.concatenate([background, scores], axis=1),
            *nobody,
        )
        found = as_action_boxes([frame], recipe.min_score, labels=recipe.val.labels)
        numbers = zip(found.boxes, found.classes, found.scores, strict=True)
        for key, (box, label, score) in zip(found.frames, numbers, strict=True):
            video, _, seconds = key.rpartition(",")
            yield (video, seconds, *(f"{x:.4f}" for x in box), int(label), f"{score:.4f}")


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def detect_video(
    detector: ActionDetector,
    stream: FrameStream,
    persons: PersonProvider,
    options: DetectOptions,
    outputs: Outputs,
    *,
    out: str | Path | None = None,
    each: Callable[[Moment], None] | None = None,
    progress: Callable[[TimedFrame], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Look at one video from beginning to end and write what is found as it is found.

    A file that is drawn on is decoded twice, so that no picture has to wait for what is found in
    it; a live stream cannot be, and memory holds its pictures, as they are decoded, from one key
    frame until the clip around the next one is complete: 1 / rate seconds and half a clip's span,
    64 pictures at 30 a second and the usual clips (200 MB at 1920 x 1080). A detector with a
    feature bank sees the past of a live stream alone, unless ``options.only_past`` is False: then
    these pictures wait for the later half of its window as well.

    Args:
        out: An annotated mp4, complete or not written.
        each: Called with every moment, in order.
        progress: Called with every frame.
        stop: Asked before every frame; once it is true the video ends there, and so do the files.

    Raises:
        PraxiscopeError: The video cannot be read to its end, or a file not written.
    """
    target = None if out is None else Path(out)
    if target is not None:
        check_writable(target, (".mp4",))
        if target.resolve() == Path(stream.name).resolve():
            raise PraxiscopeError(f"{target} is the video itself: name another place for the copy.")
    last = -1

    def watched(frame: TimedFrame) -> bool:
        nonlocal last
        if stop():
            return False
        last = frame.number
        if progress is not None:
            progress(frame)
        return True

    def told(moments: Iterator[Moment]) -> Iterator[Moment]:
        for moment in moments:
            outputs.write(stream, moment)
            if each is not None:
                each(moment)
            yield moment

    with ExitStack() as stack:
        source = stack.enter_context(closing(stream.frames()))
        frames: Iterator[TimedFrame] = source
        drawn: Iterator[TimedFrame] = source
        if target is not None and stream.is_live:
            frames, drawn = _one_behind_the_other(source)
        elif target is not None:
            drawn = stack.enter_context(closing(stream.frames()))
        batch = 1 if stream.is_live else None  # for the next picture may be long in coming
        if options.only_past is None:
            options = replace(options, only_past=stream.is_live)
        seen = takewhile(watched, frames)
        moments = told(detector.moments(seen, stream.fps, persons, options, batch=batch))
        if target is None:
            for _ in moments:
                pass
            return
        style = Style(options.threshold, options.top)
        # A frame is drawn when the next key frame is known, so what was seen is ahead of it.
        until_stopped = takewhile(lambda frame: frame.number <= last, drawn)
        annotate_actions(target, until_stopped, moments, fps=stream.fps, style=style)


def _one_behind_the_other(
    frames: Iterator[TimedFrame],
) -> tuple[Iterator[TimedFrame], Iterator[TimedFrame]]:
    """Return two readers, of which the second ends wherever it catches up with the first.

    Only what lies between them is kept (:func:`itertools.tee` keeps up to 57 frames more).
    """
    waiting: deque[TimedFrame] = deque()

    def ahead() -> Iterator[TimedFrame]:
        for frame in frames:
            waiting.append(frame)
            yield frame

    def behind() -> Iterator[TimedFrame]:
        while waiting:
            yield waiting.popleft()

    return ahead(), behind()
