"""Persons by torchvision's Faster R-CNN, trained on COCO.

Source: Ren et al., Faster R-CNN, NeurIPS 2015; torchvision's weights "COCO_V1", box AP 46.7 (v2),
37.0 (v1) and 32.8 (MobileNet).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from praxiscope.apps.persons.provider import Persons, cannot_import, persons_above, shares
from praxiscope.errors import CheckpointError, PraxiscopeError
from praxiscope.types import Frame
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.download import cached_checkpoint, fetch_checkpoint
from praxiscope.zoo.openmmlab import published_state

MIN_SCORE = 0.8
RANDOM = "random"
PERSON = 1  # COCO's first category; 0 is the background
_LONGEST_STRIP = 1000  # times the other side: the network would scale the other to nothing
_RANDOM_PERSONS = 8  # at most, in a frame, where weights are random
_CLASSIFIER = "roi_heads.box_predictor.cls_score.weight"  # (classes, features)
_FEATURES = 1024  # of all three networks
_FROZEN_WITHOUT_EPSILON = "258fb6c6"  # SHA-256 of the v1 weights, trained with norms of epsilon 0


class _Kind(NamedTuple):
    """One of torchvision's networks."""

    builder: str  # in torchvision.models.detection
    url: str
    mark: str  # a weight that the others do not have


_KINDS = (  # the best first
    _Kind(
        "fasterrcnn_resnet50_fpn_v2",
        "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        "roi_heads.box_head.0.0.weight",
    ),
    _Kind(
        "fasterrcnn_resnet50_fpn",
        "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        "backbone.body.layer4.2.conv3.weight",
    ),
    _Kind(
        "fasterrcnn_mobilenet_v3_large_fpn",
        "https://download.pytorch.org/models/fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        "backbone.body.0.0.weight",
    ),
)


@dataclass(frozen=True)
class FasterRcnn:
    """Finds the persons that a network of torchvision's form finds."""

    model: nn.Module  # [(3, H, W) from 0 to 1] -> [{"boxes": (n, 4) pixels, "labels", "scores"}]
    device: torch.device
    min_score: float
    name: str

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of an RGB frame; the network enlarges it to 800 pixels itself."""
        height, width = frame.shape[:2]
        if max(height, width) > _LONGEST_STRIP * min(height, width):
            return persons_above(self.min_score, [], [])
        image = (
            torch.tensor(np.ascontiguousarray(frame)).to(self.device).permute(2, 0, 1).float() / 255
        )
        with torch.inference_mode():
            found = self.model([image])[0]
        person = found["labels"] == PERSON
        boxes, scores = found["boxes"][person].cpu().numpy(), found["scores"][person].cpu().numpy()
        return persons_above(self.min_score, shares(boxes, height, width), scores)


def load_faster_rcnn(
    weights: str | Path | None, *, min_score: float | None, device: torch.device
) -> FasterRcnn:
    """Return torchvision's Faster R-CNN.

    Args:
        weights: A local file of one of torchvision's three networks, told apart by its content, of
            any number of classes whose first is the person; "random" for a trial without any;
            None for the best that is cached, or else a download (167 MB) that is checked.
        min_score: Persons below are left out; None: 0.8, or 0 for random weights.
        device: Where it runs.

    Raises:
        PraxiscopeError: torchvision is not installed, or not the one of this build of torch.
        CheckpointError: The file is damaged or of another network, or the download fails.
    """
    builders = import_torchvision()
    if str(weights) == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _build(builders, _KINDS[-1], 2, min_score or 0.0, most=_RANDOM_PERSONS)
        model.eval().to(device)
        return FasterRcnn(model, device, min_score or 0.0, "torchvision, random weights")
    path = Path(weights) if weights else cached_weights() or fetch_checkpoint(_KINDS[0].url)
    least = MIN_SCORE if min_score is None else min_score
    state = published_state(read_checkpoint_file(path), str(path)).tensors
    kind = next((kind for kind in _KINDS if kind.mark in state), None)
    classifier = tuple(state[_CLASSIFIER].shape) if _CLASSIFIER in state else ()
    if kind is None or len(classifier) != 2 or classifier[1] != _FEATURES:
        known = ", ".join(kind.builder for kind in _KINDS)
        raise CheckpointError(
            f"{path} has no weights of a Faster R-CNN of torchvision ({known}): choose another "
            "file, or leave it out to have the published one downloaded."
        )
    if classifier[0] <= PERSON:
        raise CheckpointError(
            f"{path} is of {classifier[0]} classes, the background included: expected 2 or more, "
            f"of which number {PERSON} is the person; choose another file."
        )
    model = _build(builders, kind, classifier[0], least)
    _load(model, state, path)
    if kind is _KINDS[1] and _sha256(path).startswith(_FROZEN_WITHOUT_EPSILON):
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eps = 0.0
    return FasterRcnn(model.eval().to(device), device, least, f"torchvision, {path.name}")


def cached_weights() -> Path | None:
    """Return the best published weights on this machine: in torch.hub's cache, or in our own."""
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    found = (cached_checkpoint(kind.url, folder) for kind in _KINDS for folder in (hub, None))
    return next((path for path in found if path), None)


def import_torchvision() -> Any:
    """Return the module ``torchvision.models.detection``.

    Raises:
        PraxiscopeError: It is not installed, or was built for another torch and fails to load.
    """
    try:
        from torchvision.models import detection
    except ModuleNotFoundError as error:
        raise cannot_import("torchvision", "persons", error) from error
    except Exception as error:  # "operator torchvision::nms does not exist", for one
        raise PraxiscopeError(
            f"the torchvision that is installed does not belong to torch {torch.__version__}, so "
            "that it cannot be loaded: run pip install --upgrade torch torchvision, which gives "
            "two that fit, or let something else find the persons with --persons."
        ) from error
    return detection


def _build(
    builders: Any, kind: _Kind, num_classes: int, min_score: float, most: int = 100
) -> nn.Module:
    model: nn.Module = getattr(builders, kind.builder)(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes,
        box_score_thresh=min_score,
        box_detections_per_img=most,
    )
    return model


def _load(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load ``state`` whole. Norms that were frozen in training do not count their batches."""
    try:
        missing, unexpected = model.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:  # shapes
        raise CheckpointError(f"{path} does not fit: {_shape(error)}: choose another.") from error
    missing = [name for name in missing if not name.endswith(".num_batches_tracked")]
    if missing or unexpected:
        raise CheckpointError(
            f"{path} is not a whole Faster R-CNN of torchvision: {len(missing)} weights are "
            f"missing and {len(unexpected)} are of something else, such as "
            f"'{[*missing, *unexpected][0]}': download it again or choose another."
        )


def _shape(error: RuntimeError) -> str:
    """Return the first misfit that torch names, on the line after its heading."""
    return str(error).strip().splitlines()[-1].strip().rstrip(".")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
