"""What a detection test leaves on disk: boxes with actions as csv, probabilities as a pickle.

The mAP of a test is that of the csv file it writes: both are made of the same rounded numbers.
Letters: m boxes of a key frame, A outputs of the network (0 is the background).
"""

import csv
import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.data.ava_lists import AvaList
from praxiscope.engine.results import DETECTION_SUFFIXES, DUMP_SUFFIXES, check_suffix
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.label_map import read_label_map
from praxiscope.metrics.ava import PROTOCOLS, MeanPrecision, check_protocol, evaluate
from praxiscope.metrics.ava_csv import (
    ActionBoxes,
    frame_key,
    read_boxes,
    read_excluded,
    read_truth,
)
from praxiscope.pickles.unpickle import plain, unpickle
from praxiscope.types import ScoredFrame

Floats = npt.NDArray[np.float32]

_DUMPED = (
    "Expected what a detection test writes with --dump: dicts with 'video_id', 'timestamp' and "
    "'pred_instances', which holds 'bboxes' (m, 4) and 'scores' (m, outputs)"
)


@dataclass(frozen=True)
class Truth:
    """What detections are held against."""

    boxes: ActionBoxes
    names: dict[int, str]  # of the classes that count, by their labels in the files
    excluded: frozenset[str]  # keys of the frames that do not count


def as_action_boxes(
    frames: Sequence[ScoredFrame],
    min_score: float,
    *,
    labels: Sequence[int] | None = None,
    digits: int = 4,
) -> ActionBoxes:
    """Return the detections of key frames, as numbers of so many decimals.

    A box is a detection of every class with a probability above ``min_score``; where that is
    negative, of its best class alone, as published for actors with one label. They come frame by
    frame, and in a frame class by class, as published.

    Args:
        frames: Key frames with probabilities.
        min_score: Compared in single precision, as the reference does.
        labels: The labels of outputs 1 to A - 1; None numbers them so.
        digits: Decimals of boxes and scores.

    Raises:
        DataError: There are more or fewer labels than outputs.
        PraxiscopeError: A box or a probability is no number.
    """
    keys: list[str] = []
    boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
    classes = [np.empty(0, np.int64)]
    for frame in frames:
        key = frame_key(frame.video, frame.timestamp)
        own = np.asarray(frame.boxes, np.float32)
        found = np.asarray(frame.scores, np.float32)[:, 1:]
        numbers = np.arange(1, found.shape[1] + 1) if labels is None else np.asarray(labels)
        if len(numbers) != found.shape[1]:
            raise DataError(
                f"Frame {key} has scores of {found.shape[1] + 1} outputs, the background among "
                f"them, but the list has {len(numbers) + 1}: give the recipe of that test."
            )
        if not (np.isfinite(own).all() and np.isfinite(found).all()):
            raise PraxiscopeError(
                f"Frame {key} has scores or boxes that are no numbers, because the weights hold "
                "NaN or are far too large; test an earlier checkpoint of the run."
            )
        if min_score < 0 and found.shape[1]:
            above = np.arange(found.shape[1]) == found.argmax(axis=1)[:, np.newaxis]
        else:
            above = found > np.float32(min_score)
        columns, rows = np.nonzero(above.T)  # class by class
        keys.extend([key] * len(rows))
        boxes.append(own[rows])
        classes.append(numbers[columns].astype(np.int64))
        scores.append(found[rows, columns])
    return ActionBoxes(
        keys,
        np.concatenate(boxes).astype(np.float64).round(digits),
        np.concatenate(classes),
        np.concatenate(scores).astype(np.float64).round(digits),
    )


def list_detections(
    frames: Sequence[ScoredFrame],
    ava: AvaList,
    *,
    min_score: float,
    protocol: str = "reference-1.x",
) -> ActionBoxes:
    """Return the detections of a test on ``ava``: by the labels of its files, as rounded there.

    Raises:
        DataError: The scores are of another number of outputs.
        RecipeError: There is no such protocol.
        PraxiscopeError: A score is no number.
    """
    check_protocol(protocol)
    digits = PROTOCOLS[protocol].digits
    return as_action_boxes(frames, min_score, labels=ava.labels, digits=digits)


def evaluate_frames(
    frames: Sequence[ScoredFrame],
    ava: AvaList,
    *,
    min_score: float,
    protocol: str = "reference-1.x",
) -> MeanPrecision:
    """Return the mAP and the AP of every class of a test on ``ava``.

    It is that of :func:`praxiscope.metrics.ava.evaluate_files` on the csv file of
    :func:`list_detections`, with the list's annotations, excluded timestamps and classes.

    Raises:
        DataError: A file of the list is missing or malformed, or the scores are of other outputs.
        RecipeError: There is no such protocol.
        PraxiscopeError: A score is no number.
    """
    found = list_detections(frames, ava, min_score=min_score, protocol=protocol)
    truth = truth_of(ava)
    return evaluate(found, truth.boxes, truth.names, truth.excluded, protocol)


def truth_of(ava: AvaList) -> Truth:
    """Return what detections on a list are held against.

    The classes that count are those that its label map names (60 of AVA's 80 in the official one),
    without a label map all, under their numbers; of those, the list's ``classes`` if it has some.

    Raises:
        DataError: A file of the list is missing or malformed, or lacks a class.
    """
    if ava.label_map is None:
        names = {label: str(label) for label in ava.labels}
    else:
        names = read_label_map(ava.label_map)
        for label in ava.classes or ():
            if label not in names:
                raise DataError(f"{ava.label_map} has no class {label} of AvaList.classes.")
        names = {label: names[label] for label in ava.classes or names}
    excluded = frozenset[str]() if ava.excluded is None else read_excluded(ava.excluded)
    return Truth(read_truth(ava.annotations), names, excluded)


def write_detections(path: str | Path, boxes: ActionBoxes) -> None:
    """Write the published ``--out`` of detections, complete or not at all.

    A row a detection, no header: ``video,second,x1,y1,x2,y2,label,score``, whole seconds in four
    digits, boxes and scores with four decimals.

    Raises:
        PraxiscopeError: The suffix is not .csv, or the folder or the disk refuses.
    """
    path = Path(path)
    check_suffix(path, DETECTION_SUFFIXES)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    places = {key: key.rpartition(",")[::2] for key in set(boxes.frames)}
    for key, box, label, score in zip(
        boxes.frames,
        boxes.boxes.tolist(),
        boxes.classes.tolist(),
        boxes.scores.tolist(),
        strict=True,
    ):
        writer.writerow((*places[key], *(f"{x:.4f}" for x in box), label, f"{score:.4f}"))
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def dump_detections(path: str | Path, frames: Sequence[ScoredFrame]) -> None:
    """Write one dict a key frame, complete or not at all: the published ``--dump``.

    Each holds ``video_id``; ``timestamp``, a whole number of seconds where it is one; ``img_key``,
    as in ``"video,0902"``; and ``pred_instances``: ``bboxes`` (m, 4) as shares of the frame and
    ``scores`` (m, A), float32 tensors.

    Raises:
        PraxiscopeError: The suffix is not .pkl, or the folder or the disk refuses.
    """
    path = Path(path)
    check_suffix(path, DUMP_SUFFIXES)
    dicts = [
        {
            "video_id": frame.video,
            "timestamp": int(seconds) if (seconds := float(frame.timestamp)).is_integer()
            else seconds,
            "img_key": frame_key(frame.video, frame.timestamp),
            "pred_instances": {
                # A copy, because pickle writes the whole storage behind a view.
                "bboxes": torch.tensor(np.array(frame.boxes, np.float32)),
                "scores": torch.tensor(np.array(frame.scores, np.float32)),
            },
        }
        for frame in frames
    ]  # fmt: skip
    write_atomically(path, lambda file: pickle.dump(dicts, file, protocol=pickle.HIGHEST_PROTOCOL))


def read_detections(
    path: str | Path,
    *,
    min_score: float = 0.002,
    labels: Sequence[int] | None = None,
    digits: int = 4,
) -> ActionBoxes:
    """Return the detections of a test from its ``--out`` (.csv) or its ``--dump`` (.pkl).

    The arguments are those of :func:`as_action_boxes`, for a dump; a csv file has all of it.

    Raises:
        DataError: The file is missing, damaged or refused, or holds something else.
    """
    path = Path(path)
    if path.suffix not in (".pkl", ".pickle"):
        return read_boxes(path)
    return as_action_boxes(read_dump(path), min_score, labels=labels, digits=digits)


def read_dump(path: str | Path) -> tuple[ScoredFrame, ...]:
    """Return the key frames of a ``--dump``, ours or OpenMMLab's, with nobody as the truth.

    Nothing in the file is executed.

    Raises:
        DataError: The file is missing, damaged or refused, or holds something else.
    """
    path = Path(path)
    try:
        content = plain(unpickle(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. {_DUMPED}.") from error
    except Exception as error:  # a hostile pickle can raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{path} is damaged or refused: {reason}. {_DUMPED}.") from error
    if not isinstance(content, list):
        raise DataError(f"{path} holds no list of key frames. {_DUMPED}.")
    return tuple(_dumped_frame(item, number, path) for number, item in enumerate(content))


def _dumped_frame(item: object, number: int, path: Path) -> ScoredFrame:
    where = f"{path}, key frame {number}"
    fields = item if isinstance(item, dict) else {}
    video, seconds = fields.get("video_id"), fields.get("timestamp")
    found = fields.get("pred_instances")
    if not isinstance(video, str) or not isinstance(found, dict):
        raise DataError(f"{where}: no 'video_id' or no 'pred_instances'. {_DUMPED}.")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        raise DataError(f"{where}: 'timestamp' is no number of seconds. {_DUMPED}.")
    boxes, scores = (_numbers(found.get(name)) for name in ("bboxes", "scores"))
    if boxes is None or scores is None or boxes.ndim != 2 or scores.ndim != 2:
        raise DataError(f"{where}: its boxes or scores are no arrays of numbers. {_DUMPED}.")
    if boxes.shape[1] != 4 or len(boxes) != len(scores) or scores.shape[1] < 2:
        raise DataError(
            f"{where}: boxes of shape {boxes.shape}, scores of shape {scores.shape}. {_DUMPED}."
        )
    nobody = np.empty((0, 4), np.float32), np.empty((0, scores.shape[1]), np.float32)
    return ScoredFrame(video, float(seconds), boxes, scores, *nobody)


def _numbers(value: object) -> Floats | None:
    if isinstance(value, Tensor) and not value.is_complex():
        return value.detach().to("cpu", torch.float32).numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return value.astype(np.float32)
    return None
