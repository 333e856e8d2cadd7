"""Persons by an object detection model of Hugging Face's transformers."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from praxiscope.apps.persons.provider import (
    Persons,
    cannot_import,
    first_sentence,
    persons_above,
    shares,
)
from praxiscope.errors import CheckpointError
from praxiscope.types import Frame

MIN_SCORE = 0.5


@dataclass(frozen=True)
class HuggingFace:
    """Finds what a model of transformers calls a person."""

    model: Any  # of AutoModelForObjectDetection
    processor: Any  # of AutoImageProcessor
    person_labels: tuple[int, ...]
    device: torch.device
    min_score: float
    name: str

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of an RGB frame, at the size the model's processor makes it."""
        height, width = frame.shape[:2]
        try:
            inputs = self.processor(
                images=frame,
                input_data_format="channels_last",  # not to be told of a frame 3 pixels high
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                outputs = self.model(**inputs)
        except (RuntimeError, ValueError) as error:  # a strip of a frame, for one
            raise CheckpointError(
                f"{self.name} cannot be run on a frame of {width} x {height} pixels: "
                f"{first_sentence(error)}. Choose another source of persons."
            ) from error
        (found,) = self.processor.post_process_object_detection(
            outputs, threshold=self.min_score, target_sizes=[(height, width)]
        )
        labels = found["labels"].cpu()
        person = torch.isin(labels, torch.tensor(self.person_labels, dtype=labels.dtype))
        boxes, scores = found["boxes"].cpu()[person], found["scores"].cpu()[person]
        return persons_above(
            self.min_score, shares(boxes.float().numpy(), height, width), scores.float().numpy()
        )


def load_hugging_face(
    model: str, *, min_score: float = MIN_SCORE, device: torch.device
) -> HuggingFace:
    """Return a detection model: a local folder, or ``ORG/NAME``, cached or downloaded once.

    Weights are read from safetensors files, and code that a model brings along is not run.

    Raises:
        PraxiscopeError: transformers is not installed or cannot be loaded.
        CheckpointError: There is no such model, it is none that transformers knows for object
            detection, or it finds no persons.
    """
    local = bool(model) and Path(model).is_dir()
    if not local and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise CheckpointError(
            f"there is no folder {model}, and it is no name of a model of Hugging Face either. "
            "Expected --persons hf:FOLDER or hf:ORG/NAME."
        )
    try:
        from transformers import (
            AutoImageProcessor,
            AutoModelForObjectDetection,
            PretrainedConfig,
        )
    except Exception as error:  # where another library of a wrong version stands in its way
        raise cannot_import("transformers", "hf", error) from error
    try:
        settings, _ = PretrainedConfig.get_config_dict(model, local_files_only=local)
        _check_no_code(settings)
        processor = AutoImageProcessor.from_pretrained(
            model, local_files_only=local, trust_remote_code=False
        )
        network = AutoModelForObjectDetection.from_pretrained(
            model, local_files_only=local, trust_remote_code=False, use_safetensors=True
        )
    except CheckpointError as error:
        raise CheckpointError(f"the model {model} is refused: {error}") from None
    except Exception as error:  # anything: of the network, the file, or the model's own libraries
        raise CheckpointError(
            f"the model {model} cannot be had from Hugging Face's transformers for the detection "
            f"of persons: {first_sentence(error)}. Expected an object detection model with a "
            "config.json, a preprocessor_config.json and a model.safetensors."
        ) from error
    names = {int(label): str(name) for label, name in network.config.id2label.items()}
    persons = tuple(label for label, name in names.items() if name.strip().lower() == "person")
    if not persons:
        known = ", ".join(list(names.values())[:5])
        raise CheckpointError(
            f"the model {model} has no class 'person' among its {len(names)}, such as {known}: "
            "choose one that was trained on COCO, for instance."
        )
    return HuggingFace(network.eval().to(device), processor, persons, device, min_score, model)


def _check_no_code(settings: object) -> None:
    """Refuse a configuration that names a repository whose code transformers would run.

    An implementation of attention may be ``ORG/NAME``; ``trust_remote_code=False`` does not keep
    the library from loading such kernels.
    """
    if isinstance(settings, list):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        if "implementation" in str(key) and "/" in str(value):
            raise CheckpointError(
                f"its config.json has '{key}': {str(value)[:80]!r}, which is code from elsewhere; "
                "expected 'eager' or 'sdpa', or none: remove it or choose another model."
            )
        _check_no_code(value)
