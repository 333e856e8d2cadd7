"""What a test leaves on disk: scores in list order (0.x layout) or one dict a video (1.x layout).

Letters: N videos in the order of the list, V views, K classes.
"""

import json
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically

SCORE_SUFFIXES = (".json", ".pkl", ".csv")  # --out
DETECTION_SUFFIXES = (".csv",)  # --out of detections
DUMP_SUFFIXES = (".pkl",)  # --dump


def check_writable(
    path: str | Path, suffixes: Sequence[str] = SCORE_SUFFIXES, *, per_view: bool = False
) -> None:
    """Make the parent folder and prove that ``path`` can be written, before a long test starts.

    ``per_view`` says that the scores will be (N, V, K), which csv can't hold.

    Raises:
        PraxiscopeError: the suffix is none of ``suffixes``, or the folder refuses a file.
    """
    path = Path(path)
    check_suffix(path, suffixes, per_view=per_view)
    if path.is_dir():
        raise PraxiscopeError(f"{path} is a folder: give the name of a file to write results to.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:  # permission bits tell root nothing
            file.write(b"room for a byte")
    except OSError as error:
        raise PraxiscopeError(
            f"Results cannot be written to {path}: {error.strerror}: {error.filename}. "
            "Choose another place."
        ) from error


def write_results(path: str | Path, scores: Tensor | npt.NDArray[np.floating]) -> None:
    """Write the scores of a test, complete or not at all: the published ``--out``.

    ======= ============================== =================================
    suffix  scores (N, K)                  scores (N, V, K)
    ======= ============================== =================================
    .json   list of N lists of K numbers   list of N lists of V lists
    .pkl    list of N float32 arrays (K,)  list of N float32 arrays (V, K)
    .csv    N rows of K numbers, no header refused
    ======= ============================== =================================

    Raises:
        PraxiscopeError: another suffix, views in a csv, scores that are no numbers, or a folder or
            disk that refuses.
    """
    path = Path(path)
    array = torch.as_tensor(scores).detach().to("cpu", torch.float32).numpy()
    assert array.ndim in (2, 3), f"scores of shape {array.shape}"
    check_suffix(path, SCORE_SUFFIXES, per_view=array.ndim == 3)
    if not np.isfinite(array).all():  # which JSON has no words for
        raise PraxiscopeError(
            f"{path} is not written: some scores are no numbers, because the weights hold NaN or "
            "are far too large; test an earlier checkpoint of the run."
        )

    def write(file: BinaryIO) -> None:
        match path.suffix:
            case ".json":
                file.write(json.dumps(array.tolist()).encode())
            case ".pkl":
                pickle.dump(list(array), file, protocol=pickle.HIGHEST_PROTOCOL)
            case ".csv":
                np.savetxt(file, array, fmt="%.9g", delimiter=",")  # 9 digits are all of a float32

    write_atomically(path, write)


def dump_predictions(
    path: str | Path, scores: Tensor, labels: Tensor, filenames: Sequence[str]
) -> None:
    """Write one dict a video, complete or not at all: the published ``--dump``.

    ``scores`` (N, K); ``labels`` (N,) int64, or (N, K) zeros and ones where a video has several.
    Each dict holds ``pred_score`` float32 (K,), ``pred_label`` int64 (1,), ``gt_label`` int64 (1,)
    or the numbers of all its labels, and ``filename`` as the list spells it.

    Raises:
        PraxiscopeError: the suffix is not .pkl, or the scores still have views.
    """
    path = Path(path)
    check_suffix(path, DUMP_SUFFIXES)
    if scores.ndim != 2:
        raise PraxiscopeError(
            f"{path} holds one score vector for each video: average the views with "
            "--average-clips prob or score."
        )
    assert len(scores) == len(labels) == len(filenames)
    scores, labels = scores.detach().to("cpu", torch.float32), labels.detach().cpu()
    predictions = [
        {
            # A clone, because pickle writes the whole storage behind a view.
            "pred_score": score.clone(),
            "pred_label": score.argmax().reshape(1),
            "gt_label": label.nonzero().flatten() if label.ndim else label.reshape(1).clone(),
            "filename": filename,
        }
        for score, label, filename in zip(scores, labels, filenames, strict=True)
    ]

    write_atomically(
        path, lambda file: pickle.dump(predictions, file, protocol=pickle.HIGHEST_PROTOCOL)
    )


def check_suffix(path: Path, suffixes: Sequence[str], *, per_view: bool = False) -> None:
    """Refuse a file name whose layout is unknown, or can't hold one score vector a view.

    Raises:
        PraxiscopeError: One of these.
    """
    if path.suffix not in suffixes:
        raise PraxiscopeError(
            f"{path}: results are written as {', '.join(suffixes)}, not '{path.suffix}'."
        )
    if per_view and path.suffix == ".csv":
        raise PraxiscopeError(
            f"{path}: a csv holds one score vector for each video, but the views are not averaged: "
            "choose .json or .pkl, or --average-clips prob or score."
        )
