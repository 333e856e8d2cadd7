"""What finds the persons, by the name that ``--persons`` gives it."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from praxiscope.apps.persons.provider import PersonProvider
from praxiscope.checks import check_number
from praxiscope.errors import PraxiscopeError, did_you_mean

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

AUTO = "auto"
HUGGING_FACE = "hf:"
PROPOSALS = (".pkl", ".csv", ".npz")
PROPOSALS_MIN_SCORE = 0.9  # as in the published tests on AVA


def find_provider(
    name: str = AUTO,
    *,
    weights: str | Path | None = None,
    min_score: float | None = None,
    device: "torch.device | str | None" = None,
    video_name: str | None = None,
    first_timestamp: float = 0.0,
) -> PersonProvider:
    """Return what finds the persons of frames.

    Args:
        name: "torchvision" (its Faster R-CNN), "hf:ORG/NAME" or "hf:FOLDER" (any object detection
            model of transformers), "FILE.onnx", "hog" (OpenCV's people detector), a proposals file
            ("FILE.pkl", ".csv", ".npz"), "frame" (one person, as large as the frame), or "auto":
            torchvision where it is installed and its weights are given or cached, else "hog", with
            a warning that says why. It downloads nothing.
        weights: For torchvision: a local file, or "random" for a trial; None: cached ones, or the
            published ones, downloaded once and checked.
        min_score: Persons below are left out, from 0 to 1. None takes what suits the provider:
            0.8 for torchvision, 0.5 for hf: and ONNX, 0.6 for HOG, 0.9 for proposals.
        device: As in torch; None takes a GPU if there is one.
        video_name: For proposals: the video as the file names it; None where it has one video.
        first_timestamp: For proposals: what the file calls the video's beginning, in seconds.

    Raises:
        PraxiscopeError: There is no such provider, its library is missing, or its file or model
            cannot be used.
    """
    if min_score is not None:
        check_number(min_score, "the minimal score of a person", 0, 1)
    if weights is not None and name not in ("torchvision", AUTO):
        raise PraxiscopeError(
            f"the weights {weights} of a person detector are for torchvision's, not for "
            f"'{name}': leave them out, or choose --persons torchvision."
        )
    if name == AUTO:
        name = _best_here(weights)
    suffix = Path(name).suffix.lower()
    if name == "torchvision":
        from praxiscope.apps.persons.faster_rcnn import load_faster_rcnn

        return load_faster_rcnn(weights, min_score=min_score, device=_device(device))
    if name.startswith(HUGGING_FACE):
        from praxiscope.apps.persons import hugging_face

        least = hugging_face.MIN_SCORE if min_score is None else min_score
        model = name.removeprefix(HUGGING_FACE)
        return hugging_face.load_hugging_face(model, min_score=least, device=_device(device))
    if suffix == ".onnx":
        from praxiscope.apps.persons import onnx_file

        least = onnx_file.MIN_SCORE if min_score is None else min_score
        return onnx_file.load_onnx(name, min_score=least, cuda=_device(device).type == "cuda")
    if name == "hog":
        from praxiscope.apps.persons import hog

        return hog.Hog(hog.MIN_SCORE if min_score is None else min_score)
    from praxiscope.apps.persons.given import WholeFrame, from_file

    if suffix in PROPOSALS:
        least = PROPOSALS_MIN_SCORE if min_score is None else min_score
        return from_file(name, video_name, min_score=least, first_timestamp=first_timestamp)
    if name == "frame":
        return WholeFrame()
    known = ("auto", "torchvision", "hog", "frame")
    raise PraxiscopeError(
        f"nothing called '{name}' finds persons.{did_you_mean(name, known)} Expected "
        f"{', '.join(known)}, hf:ORG/NAME, hf:FOLDER, FILE.onnx, or a proposals file "
        f"({', '.join(PROPOSALS)})."
    )


def _best_here(weights: str | Path | None) -> str:
    """Return the best provider that needs no download, and say why if it is the last resort."""
    from praxiscope.apps.persons.faster_rcnn import cached_weights, import_torchvision

    if weights is not None:  # who names them wants them: what is missing is an error
        return "torchvision"
    try:
        import_torchvision()
    except PraxiscopeError as error:
        reason = f"{error}"
    else:
        if cached_weights():
            return "torchvision"
        reason = (
            "torchvision is installed, but its weights are not on this machine: --persons "
            "torchvision downloads them, --persons-weights names a file."
        )
    log.warning(
        "persons are found by OpenCV's HOG people detector, the last resort, which misses many and "
        "only finds upright ones, because %s",
        reason,
    )
    return "hog"


def _device(name: "torch.device | str | None") -> "torch.device":
    from praxiscope.apps.predict import find_device

    return find_device(None if name is None else str(name))
