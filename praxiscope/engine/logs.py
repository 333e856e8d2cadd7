"""The curves of training runs, as OpenMMLab 0.x and 1.x and our own runs log them, read back."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from praxiscope.errors import DataError, unknown_name

_EXPECTED = (
    "Expected a log of a run: .log.json (0.x), vis_data/scalars.json (1.x), metrics.csv or "
    "a work dir (Praxiscope)"
)
_PLACES = {"epoch", "iter", "step"}  # when something was logged, not what


@dataclass(frozen=True)
class Point:
    """What was logged at one moment."""

    mode: Literal["train", "val"]
    epoch: int  # counted from 1
    step: int  # iterations since the run began
    values: Mapping[str, float]  # by the published names: loss, top1_acc, lr, time (s/iteration)


@dataclass(frozen=True)
class Log:
    """A run's log, in the order of time."""

    path: Path
    points: tuple[Point, ...]

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Return the steps and values of ``key``: of training, else of validation.

        ``train/key`` and ``val/key`` choose one of the two.

        Raises:
            RecipeError: Nothing was logged under that name.
        """
        mode, _, name = key.partition("/")
        chosen = ((mode, name),) if mode in ("train", "val") else (("train", key), ("val", key))
        for mode, name in chosen:
            name = name.removesuffix("_step")  # as the columns of our files say it
            found = [p for p in self.points if p.mode == mode and name in p.values]
            if found:
                return [p.step for p in found], [p.values[name] for p in found]
        known = {f"val/{k}" for p in self.points if p.mode == "val" for k in p.values}
        known |= {k for p in self.points if p.mode == "train" for k in p.values}
        raise unknown_name("key", key, known, str(self.path))

    def times(self, *, with_first: bool) -> dict[int, list[float]]:
        """Return seconds per iteration of each epoch that has some, without its first unless asked.

        The first value of an epoch holds the start of loaders and, in our logs, the validation
        before it.
        """
        epochs: dict[int, list[Point]] = {}
        for point in self.points:
            if point.mode == "train":
                epochs.setdefault(point.epoch, []).append(point)
        chosen = {e: points if with_first else points[1:] for e, points in epochs.items()}
        times = {e: [p.values["time"] for p in points if "time" in p.values]
                 for e, points in chosen.items()}  # fmt: skip
        return {epoch: values for epoch, values in times.items() if values}


def read_log(path: str | Path) -> Log:
    """Read a log; a folder is a work dir or a folder of logs of ours.

    Raises:
        DataError: It is missing, of another kind, damaged, or empty.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / "metrics.csv"] if (path / "metrics.csv").is_file() else []
        files = files or sorted(path.glob("logs/*/metrics.csv"))
        points = _joined(_read_csv(_text(file), file) for file in files)
    elif path.suffix == ".csv":
        points = _read_csv(_text(path), path)
    elif path.suffix in (".json", ".jsonl"):
        points = list(_read_json(_text(path), path))
    else:
        found = "is no log by its name" if path.exists() else "does not exist"
        raise DataError(f"{path} {found}. {_EXPECTED}.")
    if not points:
        raise DataError(f"{path} holds nothing that was logged. {_EXPECTED}.")
    return Log(path, tuple(points))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. {_EXPECTED}.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as text: {error}. {_EXPECTED}.") from error


def _read_json(text: str, path: Path) -> Iterator[Point]:
    """Yield the points of a file with one JSON object a line."""
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line, parse_int=_whole_number)
        except (ValueError, RecursionError) as error:
            if text.endswith(line):  # the last one, without its end: the run is writing it
                break
            raise DataError(f"{path}:{number} is no JSON object. {_EXPECTED}.") from error
        if not isinstance(entry, dict):
            raise DataError(f"{path}:{number} is no JSON object. {_EXPECTED}.")
        for name in _PLACES & entry.keys():
            if type(entry[name]) is not int:
                raise DataError(f"{path}:{number}: '{name}' is no whole number. {_EXPECTED}.")
        entries.append(entry)
    # 0.x counts iterations within an epoch; how many there are, only the log itself says.
    iterations = [e["iter"] for e in entries if e.get("mode") == "train" and "iter" in e]
    per_epoch = max(iterations, default=1)
    epoch, step = 0, 0
    for entry in entries:
        if "mode" not in entry and "step" not in entry:
            continue  # 0.x begins with a line on the machine
        if "mode" in entry:
            training = entry["mode"] == "train"
            epoch = entry.get("epoch", epoch)
            iteration = entry.get("iter", 0) if training else per_epoch
            step = (epoch - 1) * per_epoch + iteration
        else:
            training = "epoch" in entry or "lr" in entry
            if training:  # validations count epochs in "step"
                epoch, step = entry.get("epoch", epoch), entry["step"]
        values = {
            name: float(value)
            for name, value in entry.items()
            if type(value) in (int, float) and name not in _PLACES
        }
        yield Point("train" if training else "val", epoch, step, values)


def _whole_number(text: str) -> int | float:
    return int(text) if len(text) < 20 else float(text)  # no int is too large to become a float


def _read_csv(text: str, path: Path) -> list[Point]:
    """Return the points of a metrics.csv; the events beside it say how long the steps took."""
    try:
        return _rows(csv.DictReader(io.StringIO(text)), path)
    except csv.Error as error:
        raise DataError(f"{path} is damaged: {error}. {_EXPECTED}.") from error


def _rows(rows: "csv.DictReader[str]", path: Path) -> list[Point]:
    if not {"epoch", "step"} <= set(rows.fieldnames or ()):
        raise DataError(f"{path} has no columns 'epoch' and 'step'. {_EXPECTED}.")
    times = _step_times(path.parent)
    points = []
    for number, row in enumerate(rows, start=2):
        values: dict[str, dict[str, float]] = {"train": {}, "val": {}}
        try:
            epoch, step = int(row.pop("epoch")) + 1, int(row.pop("step"))
            for column, value in row.items():
                mode, slash, name = column.partition("/")
                if slash and value:
                    own = values["val" if mode in ("val", "test") else "train"]
                    own[name.removesuffix("_step")] = float(value)
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{path}:{number} is damaged: {error}. {_EXPECTED}.") from error
        if values["train"].keys() & {"loss", "lr"} and step in times:
            values["train"]["time"] = times[step]
        points += [Point("train", epoch, step + 1, values["train"])] if values["train"] else []
        points += [Point("val", epoch, step + 1, values["val"])] if values["val"] else []
    return points


def _step_times(folder: Path) -> dict[int, float]:
    """Return seconds per iteration by step, from when the TensorBoard events were written."""
    if not any(folder.glob("events.out.tfevents.*")):
        return {}
    from tensorboard.backend.event_processing import (  # type: ignore[import-untyped]
        event_accumulator,
    )

    events = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    if "train/lr" not in events.Tags()["scalars"]:
        return {}
    marks = [(event.step, event.wall_time) for event in events.Scalars("train/lr")]
    return {
        step: (time - before) / (step - first)
        for (first, before), (step, time) in pairwise(marks)
        if step > first
    }


def _joined(logs: Iterable[list[Point]]) -> list[Point]:
    """Join the logs of a run and those it was resumed in: each ends where the next begins."""
    points: list[Point] = []
    for later in logs:
        begin = min((point.step for point in later), default=None)
        points = [p for p in points if begin is None or p.step < begin] + later
    return points
