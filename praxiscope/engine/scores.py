"""The score files of a test, of both published layouts, read back as numbers and labels.

Letters: N videos in the order of the list, K classes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.data.lists import find_list, read_list
from praxiscope.errors import DataError
from praxiscope.pickles.unpickle import plain, unpickle
from praxiscope.recipe import Recipe

SUFFIXES = (".pkl", ".pickle", ".json", ".csv")
_WRITTEN_BY = "Expected what a test writes with --out (.json, .pkl, .csv) or --dump (.pkl)"
_DUMPED = "Expected a dict with 'pred_score' and 'gt_label'"

Labels = tuple[tuple[int, ...], ...]  # of N videos: one each, but in lists with several


@dataclass(frozen=True)
class ScoreFile:
    """What a test left on disk."""

    path: Path
    scores: npt.NDArray[np.floating]  # (N, K), all finite
    labels: Labels | None = None  # of the 1.x layout only
    videos: tuple[str, ...] | None = None  # of the 1.x layout, where the file names them


def read_scores(path: str | Path) -> ScoreFile:
    """Read a score file; what it holds is told from its content.

    - 0.x: a list of N score vectors (K,), as .pkl of arrays, .json or .csv without header;
    - 1.x: a .pkl with a list of N dicts: ``pred_score`` (K,), ``gt_label`` (1,), or several
      numbers, or (K,) zeros and ones; and, if it is ours, ``filename``. The layout of its release
      candidates (``pred_scores.item``, ``gt_labels.item``) is read too.

    Nothing in a pickle is executed.

    Raises:
        DataError: The file is missing, no score file, has vectors of different lengths, unaveraged
            views, or scores that are not finite.
    """
    path = Path(path)
    content = _content(path)
    if isinstance(content, np.ndarray):
        return ScoreFile(path, _matrix(list(content), path))
    if not isinstance(content, list):
        raise DataError(f"{path} holds no list of scores. {_WRITTEN_BY}.")
    if not content:
        raise DataError(f"{path} holds no scores: the list is empty. {_WRITTEN_BY}.")
    if not isinstance(content[0], dict):
        return ScoreFile(path, _matrix(content, path))
    scores, labels, videos = [], [], []
    for number, item in enumerate(content):
        fields = item if isinstance(item, dict) else {}
        scores.append(_item(fields, "pred_score"))
        labels.append(_item(fields, "gt_label"))
        videos.append(fields.get("filename"))
        if scores[-1] is None:
            raise DataError(f"{path}, video {number}: no scores. {_DUMPED}.")
    matrix = _matrix(scores, path)
    known = None
    if any(label is not None for label in labels):
        known = tuple(_classes(x, matrix.shape[1], n, path) for n, x in enumerate(labels))
    named = tuple(v for v in videos if isinstance(v, str))
    return ScoreFile(path, matrix, known, named if len(named) == len(videos) else None)


def read_test(path: str | Path, recipe: Recipe) -> tuple[ScoreFile, Labels]:
    """Read the scores of a test of ``recipe``, and labels: the file's, else those of the test list.

    Raises:
        DataError: The file cannot be read, or does not belong to the recipe or its list; or the
            list is missing where it is needed.
    """
    file = read_scores(path)
    if file.scores.shape[1] != recipe.model.num_classes:
        raise DataError(
            f"{path} has scores of {file.scores.shape[1]} classes, but the recipe has "
            f"{recipe.model.num_classes}: give the recipe of that test."
        )
    if file.labels:
        return file, file.labels
    videos = find_list(recipe.test or recipe.val)
    labels = tuple(record.labels for record in read_list(videos))
    check_length(file, labels, str(videos.annotations or videos.root))
    return file, labels


def check_length(file: ScoreFile, labels: Labels, source: str) -> None:
    """Raise :class:`DataError` unless there are as many labels, those of ``source``, as scores."""
    if len(file.scores) != len(labels):
        raise DataError(
            f"{file.path} has scores of {len(file.scores)} videos, but {source} has {len(labels)} "
            "labels: they do not belong together. (A test with --skip-broken leaves videos out; "
            "its --dump holds the labels of the others.)"
        )


def as_truth(labels: Labels, num_classes: int, *, several: bool) -> npt.NDArray[np.int64]:
    """Return labels as metrics take them: (N,) classes, or (N, K) zeros and ones if ``several``.

    Raises:
        DataError: A video has no label or several where one is expected, or one beyond the classes.
    """
    for number, classes in enumerate(labels):
        wrong = [label for label in classes if not 0 <= label < num_classes]
        if wrong:
            raise DataError(
                f"Video {number} (counting from 0) has label {wrong[0]}, but there are scores of "
                f"{num_classes} classes: check the list."
            )
        if len(classes) != 1 and not several:
            raise DataError(
                f"Video {number} (counting from 0) has {len(classes)} labels where one is "
                "expected: use metrics for several labels."
            )
    if not several:
        return np.array([classes[0] for classes in labels], dtype=np.int64)
    truth = np.zeros((len(labels), num_classes), dtype=np.int64)
    for row, classes in zip(truth, labels, strict=True):
        row[list(classes)] = 1
    return truth


def _content(path: Path) -> object:
    """Return what the file holds, whatever that is; a csv as an array."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path} is no score file by its name. {_WRITTEN_BY}.")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. {_WRITTEN_BY}: check the path.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        if path.suffix == ".json":
            return json.loads(data)
        if path.suffix == ".csv":
            rows = [line.split(",") for line in data.decode().splitlines() if line.strip()]
            return [np.array(row, dtype=np.float64) for row in rows]
        return plain(unpickle(data))
    except Exception as error:  # a hostile pickle can raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path} is damaged or no score file: {reason}. {_WRITTEN_BY}: write it again."
        ) from error


def _item(fields: dict[object, object], name: str) -> object:
    """Return an entry of a dumped dict; release candidates of 1.x kept it one level deeper."""
    value = fields.get(name, fields.get(f"{name}s"))
    return value.get("item") if isinstance(value, dict) else value


def _classes(label: object, num_classes: int, number: int, path: Path) -> tuple[int, ...]:
    """Return a video's classes from their numbers, or from zeros and ones for all classes."""
    array = _array(label)
    whole = array is not None and np.isfinite(array).all() and (array == np.round(array)).all()
    if array is None or array.ndim > 1 or not whole:
        raise DataError(f"{path}, video {number}: its labels are no whole numbers. {_DUMPED}.")
    array = array.reshape(-1)
    binary = array.shape == (num_classes,) and bool(np.isin(array, (0, 1)).all())
    # Numbers of classes are distinct, so among three or more they are never all zeros and ones.
    if binary and (num_classes > 2 or array.dtype.kind == "f"):
        array = np.flatnonzero(array)
    return tuple(int(value) for value in array)


def _array(value: object) -> npt.NDArray[Any] | None:
    """Return numbers of any kind as an array, else None."""
    if isinstance(value, Tensor):
        value = value.detach().to("cpu")
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def _matrix(vectors: Sequence[object], path: Path) -> npt.NDArray[np.floating]:
    """Return N score vectors as (N, K), float32 if they all are, else float64."""
    arrays: list[npt.NDArray[Any]] = []
    for number, vector in enumerate(vectors):
        array = _array(vector)
        if array is None or array.ndim == 0 or not array.size:
            kind = type(vector).__name__
            raise DataError(
                f"{path}, video {number}: no vector of numbers ({kind}). {_WRITTEN_BY}."
            )
        if array.ndim > 1:
            raise DataError(
                f"{path}, video {number}: scores of shape {array.shape}, one vector for each view. "
                "Average the views: test with --average-clips prob or score."
            )
        if arrays and array.shape != arrays[0].shape:
            raise DataError(
                f"{path}, video {number}: scores of {len(array)} classes, but of "
                f"{len(arrays[0])} before it. Expected as many for every video."
            )
        arrays.append(array)
    dtype = np.float32 if all(a.dtype in (np.float16, np.float32) for a in arrays) else np.float64
    matrix: npt.NDArray[np.floating] = np.stack(arrays).astype(dtype, copy=False)
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(broken):
        raise DataError(
            f"{path}: the scores of {len(broken)} of {len(matrix)} videos hold NaN or infinity "
            f"(first: video {broken[0]}). Test again with a network that has not diverged."
        )
    return matrix
