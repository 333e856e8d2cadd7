"""CVAT's format "CVAT for video 1.1": XML with a ``track`` for each person, a ``box`` a frame.

Read with the standard library's expat, event by event: it knows the line of everything, holds no
tree of elements, and a declaration of a document type, which an export never has, is refused where
it begins, so that there are no entities to expand and nothing else is ever opened.

Frames are those of the video, whatever step and start a task has. A person is in view from a box to
the next one with ``outside="1"``; between two boxes, if the export has gaps, the person moves
steadily.

Source: https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from praxiscope.data.imports.fields import check_size, number, text
from praxiscope.data.imports.tracks import (
    MAX_FRAME,
    Box,
    Clip,
    Found,
    Left,
    State,
    Stretch,
    Track,
    enclosing,
    nearest,
)
from praxiscope.data.imports.videos import Videos, shares
from praxiscope.errors import DataError

_CHUNK = 2**20
_OTHER_SHAPES = {"polygon", "polyline", "points", "ellipse", "cuboid", "skeleton", "mask"}
_TASKS = {"task", "job"}
_MAX_DEPTH = 50  # elements; an export has 8
_MAX_TEXT = 10_000  # characters of one element


def read_cvat(path: Path, videos: Videos) -> Iterator[Found]:
    """Yield the tracks of an export of a task, a job or a project.

    Attributes of boxes keep their names; ``occluded`` is one where a box has it.

    Raises:
        DataError: The file is no such XML, or a value is none; with the line.
    """
    check_size(path)
    reader = _Reader(path, videos)
    parser = reader.parser
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk, False)
                yield from reader.take()
            parser.Parse(b"", True)
        yield from reader.take()
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(f"{path}:{error.lineno}: this is no well-formed XML: {reason}.") from error
    except (UnicodeError, ValueError, LookupError) as error:  # an encoding nobody knows
        raise DataError(f"{path} cannot be read as XML: {error}.") from error
    if not reader.is_export:
        raise DataError(f"{path} is no export of CVAT: expected an element 'annotations'.")


class _Reader:
    """Follows the elements of one file."""

    def __init__(self, path: Path, videos: Videos) -> None:
        self.path, self.videos = path, videos
        self.is_export = False
        self._found: list[Found] = []
        self._open: list[str] = []  # the elements that are not closed
        self._texts: list[str] = []
        self._meta: dict[str, str] = {}  # of the file, for tasks that do not say it themselves
        self._task: dict[str, str] | None = None  # the one that is being described
        self._tasks: dict[str, dict[str, str]] = {}  # by their numbers
        self._track: dict[str, str] = {}
        self._boxes: list[tuple[dict[str, str], dict[str, tuple[str, ...]], int]] = []
        self._attribute = ""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._read
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def take(self) -> list[Found]:
        """Return what was found since the last time."""
        found, self._found = self._found, []
        return found

    @property
    def _where(self) -> str:
        return f"{self.path}:{self.parser.CurrentLineNumber}"

    def _refuse(self, *_: object) -> None:
        raise DataError(
            f"{self._where}: it declares a document type or an entity, which no export of CVAT "
            "does: refused."
        )

    def _start(self, tag: str, values: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else ""
        self._open.append(tag)
        self._texts = []
        if len(self._open) > _MAX_DEPTH:
            raise DataError(
                f"{self._where}: elements within more than {_MAX_DEPTH} others: refused."
            )
        if len(self._open) == 1:
            self.is_export = tag == "annotations"
        if not self.is_export:
            return
        if tag in _TASKS and "meta" in self._open:
            self._task = {}
        elif tag == "image":
            raise DataError(
                f"{self._where}: these are annotations of images; export them as 'CVAT for video "
                "1.1'."
            )
        elif tag == "track":
            self._track, self._boxes = values, []
            self._track["line"] = str(self.parser.CurrentLineNumber)
        elif parent == "track" and tag == "box":
            self._boxes.append((values, {}, self.parser.CurrentLineNumber))
        elif parent == "track" and tag in _OTHER_SHAPES and "other" not in self._track:
            self._track["other"] = tag
        elif tag == "attribute" and parent == "box":
            self._attribute = text(values.get("name", ""))

    def _read(self, data: str) -> None:
        if sum(map(len, self._texts)) < _MAX_TEXT:
            self._texts.append(data)

    def _end(self, tag: str) -> None:
        content = "".join(self._texts).strip()
        self._open.pop()
        self._texts = []
        parent = self._open[-1] if self._open else ""
        if "meta" in self._open:
            self._describe(tag, parent, content)
        elif tag == "attribute" and parent == "box" and self._boxes and self._attribute:
            self._boxes[-1][1][self._attribute] = (text(content),)
        elif tag == "track":
            self._add_track()

    def _describe(self, tag: str, parent: str, content: str) -> None:
        """Keep what is said about a task; of a project there are several."""
        if tag in _TASKS and self._task is not None:
            self._tasks[self._task.get("id", "")] = self._task
            self._task = None
        elif parent in _TASKS and self._task is not None:
            self._task[tag] = content
        elif parent == "original_size":
            (self._meta if self._task is None else self._task)[tag] = content
        elif parent == "meta":
            self._meta[tag] = content

    def _add_track(self) -> None:
        track, where = self._track, f"{self.path}:{self._track['line']}"
        if "other" in track:
            self._found.append(Left(f"tracks with shapes of the kind '{track['other']}'", where))
        if not self._boxes:
            return
        number_of = track.get("task_id", "")
        if number_of and number_of not in self._tasks:
            raise DataError(f"{where}: the file describes no task {number_of:.40}.")
        only = next(iter(self._tasks.values()), {}) if len(self._tasks) < 2 else {}
        task = self._meta | (self._tasks[number_of] if number_of else only)
        # The export of a job may name no video: the file then has to be called like it.
        called = task.get("source") or task.get("name") or self.path.stem
        clip = self.videos.clip(called, where, size=self._size(task))
        if clip is None:
            return
        person = int(number(track.get("id"), "id", where, least=0, most=2**53))
        label = (text(track.get("label", "")),)
        source = f"{self.path}, task {number_of}"
        for states, end in self._stretches(clip, _step(task)):
            self._found.append(Track(clip, person, states, where, label, end, source))

    def _size(self, task: dict[str, str]) -> tuple[float, float] | None:
        if "width" not in task or "height" not in task:
            return None
        where = f"{self.path}, original_size"
        return (
            number(task["width"], "width", where, least=1),
            number(task["height"], "height", where, least=1),
        )

    def _stretches(self, clip: Clip, step: int) -> Iterator[tuple[tuple[State, ...], float]]:
        """Yield the states from coming into view to leaving it, and the frame of that."""
        stretch = Stretch()
        boxes = [
            (number(values.get("frame"), "frame", self._at(line), least=0, most=MAX_FRAME), place)
            for place, (values, _, line) in enumerate(self._boxes)
        ]
        for frame, place in sorted(boxes):
            values, said, line = self._boxes[place]
            if values.get("outside") == "1":
                if stretch.states:
                    yield stretch.take(), frame
                continue
            if values.get("occluded") == "1":
                said = {**said, "occluded": ("true",)}
            stretch.add(
                State(frame, shares(_box(values, self._at(line)), clip, self._at(line)), said)
            )
        if stretch.states:
            last = nearest(stretch.states[-1].frame)
            yield stretch.take(), last + step

    def _at(self, line: int) -> str:
        return f"{self.path}:{line}"


def _box(values: dict[str, str], where: str) -> Box:
    x1, y1, x2, y2 = (number(values.get(n), n, where) for n in ("xtl", "ytl", "xbr", "ybr"))
    turn = number(values.get("rotation", 0), "rotation", where)
    return enclosing((x1, y1, x2, y2), turn, ((x1 + x2) / 2, (y1 + y2) / 2))


def _step(task: dict[str, str]) -> int:
    """Return how many frames of the video lie between two of the task."""
    step = re.fullmatch(r"step=([1-9][0-9]{0,6})", task.get("frame_filter", ""))
    return int(step[1]) if step else 1
