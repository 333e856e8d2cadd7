"""Persons by a detector in an ONNX file, in the layouts that exporters commonly write.

The network has one input: RGB images from 0 to 1, (1, 3, H, W) or (3, H, W). Its outputs are one of

* three as torchvision exports them: boxes (n, 4) in pixels, labels (n,), scores (n,);
* one of (1, 4 + classes, N), as YOLOv8 and later: centre, width and height in pixels, then the
  score of every class; overlapping boxes are removed here;
* one of (1, N, 6), the same families with the removal of overlaps inside: box in pixels, score,
  class.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from praxiscope.apps.persons.provider import (
    Persons,
    cannot_import,
    first_sentence,
    persons_above,
    shares,
    without_overlaps,
)
from praxiscope.data.transforms import resize
from praxiscope.errors import CheckpointError
from praxiscope.types import Frame

MIN_SCORE = 0.5
_LONG_SIDE_PX = 640  # where the file leaves the size open
_LONGEST_SIDE_PX = 4096  # what a file may ask for
_MULTIPLE_PX = 32  # the stride of the coarsest features
_GREY = 114  # fills what a frame of another shape leaves free, as in the training of YOLO
_MAX_IOU = 0.5
_COCO_PERSON = {"torchvision": 1, "classes in columns": 0, "rows of six": 0}
_EXPECTED = (
    "Expected the outputs boxes (n, 4), labels (n,) and scores (n,) as torchvision exports them, "
    "or one of (1, 4 + classes, N) or (1, N, 6) as YOLO's exporters write it"
)

Layout = Literal["torchvision", "classes in columns", "rows of six"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class OnnxDetector:
    """Finds the persons that the network of an ONNX file finds."""

    session: Any  # onnxruntime.InferenceSession
    input_name: str
    input_shape: tuple[int | None, ...]  # (3, H, W) or (1, 3, H, W); None: left open
    half: bool  # the input is float16
    layout: Layout
    order: tuple[int, ...]  # where boxes, labels and scores are among three outputs
    person_class: int
    min_score: float
    name: str

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        """Return the persons of an RGB frame.

        The frame keeps its shape: it is scaled to fit the network's input, the rest of which stays
        grey. Where the file leaves the input's size open, the longer side becomes 640 pixels.
        """
        image, inner = fit(frame, *self.input_shape[-2:])
        pixels = _pixels(image, len(self.input_shape), self.half)
        outputs = _run(self.session, self.input_name, pixels, self.name)
        if self.layout == "torchvision" and len({len(one) for one in outputs}) > 1:
            sizes = ", ".join(str(one.shape) for one in outputs)
            raise CheckpointError(f"{self.name} gives {sizes} for a frame. {_EXPECTED}.")
        boxes, labels, scores = _read(outputs, self.layout, self.order, self.person_class)
        found = (labels == self.person_class) & (scores >= self.min_score)
        boxes, scores = boxes[found], scores[found]
        if self.layout == "classes in columns" and len(boxes):
            kept = without_overlaps(boxes, scores, _MAX_IOU)
            boxes, scores = boxes[kept], scores[kept]
        left, top, width, height = inner
        boxes = boxes - np.array([left, top, left, top])
        return persons_above(self.min_score, shares(boxes, height, width), scores)


def load_onnx(
    path: str | Path, *, min_score: float = MIN_SCORE, cuda: bool = False
) -> OnnxDetector:
    """Return the detector in an ONNX file. The layout is told from what it gives for a grey image.

    A person is the class that the file's own names call so, else the one it is in COCO: 1 as
    torchvision counts, 0 in YOLO's families.

    Raises:
        PraxiscopeError: onnxruntime is not installed.
        CheckpointError: The file is missing, damaged, or has other inputs and outputs than those
            at the top of this file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: check the path of the person detector.")
    try:
        import onnxruntime
    except Exception as error:
        raise cannot_import("onnxruntime", "onnx", error) from error
    wanted = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
    there = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        session: Any = onnxruntime.InferenceSession(str(path), providers=there)
    except Exception as error:  # onnxruntime has a class of its own for every kind of damage
        raise CheckpointError(
            f"{path} is no ONNX file that can be run: {first_sentence(error)}. Export it again."
        ) from error
    shape, half = _input(session.get_inputs(), path)
    name = session.get_inputs()[0].name
    blank, _ = fit(np.full((240, 320, 3), _GREY, np.uint8), *shape[-2:])
    outputs = _run(session, name, _pixels(blank, len(shape), half), path.name)
    layout, order = _layout([one.name for one in session.get_outputs()], outputs, path)
    names = session.get_modelmeta().custom_metadata_map.get("names", "")
    person = _person_class(names, path)
    return OnnxDetector(
        session=session,
        input_name=name,
        input_shape=shape,
        half=half,
        layout=layout,
        order=order,
        person_class=_COCO_PERSON[layout] if person is None else person,
        min_score=min_score,
        name=path.name,
    )


def fit(
    frame: Frame, height: int | None, width: int | None
) -> tuple[Frame, tuple[int, int, int, int]]:
    """Return a frame scaled into ``height`` x ``width``, and its left, top, width, height there."""
    longer = max(frame.shape[:2])
    scale = min(
        (height or _LONG_SIDE_PX) / (frame.shape[0] if height else longer),
        (width or _LONG_SIDE_PX) / (frame.shape[1] if width else longer),
    )
    rows, columns = (max(1, round(side * scale)) for side in frame.shape[:2])
    image = np.full(
        (height or _rounded_up(rows), width or _rounded_up(columns), 3), _GREY, np.uint8
    )
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    image[top : top + rows, left : left + columns] = resize(frame, rows, columns)
    return image, (left, top, columns, rows)


def _rounded_up(length: int) -> int:
    return -(-length // _MULTIPLE_PX) * _MULTIPLE_PX


def _pixels(image: Frame, dimensions: int, half: bool) -> Array:
    """Return an image (H, W, 3) as (3, H, W) or (1, 3, H, W), from 0 to 1."""
    pixels = np.divide(image.transpose(2, 0, 1), 255, dtype=np.float32)
    pixels = pixels.astype(np.float16) if half else pixels
    return pixels if dimensions == 3 else pixels[None]


def _run(session: Any, name: str, pixels: Array, file: str) -> list[Array]:
    try:
        outputs: list[Array] = session.run(None, {name: pixels})
    except Exception as error:
        raise CheckpointError(
            f"{file} cannot be run on an image of {pixels.shape}: {first_sentence(error)}. "
            "Expected a detector of RGB images: export it again."
        ) from error
    if any(not isinstance(one, np.ndarray) or one.dtype.kind not in "fiu" for one in outputs):
        raise CheckpointError(f"{file} gives outputs that are no numbers. {_EXPECTED}.")
    return outputs


def _input(inputs: Sequence[Any], path: Path) -> tuple[tuple[int | None, ...], bool]:
    """Return the shape of the one input, and whether it is of float16."""
    shapes = ", ".join(f"{one.name} {one.type} {tuple(one.shape)}" for one in inputs)
    first = inputs[0] if len(inputs) == 1 else None
    known = {"tensor(float)": False, "tensor(float16)": True}
    if first is not None and first.type in known and len(first.shape) in (3, 4):
        shape = tuple(side if isinstance(side, int) and side > 0 else None for side in first.shape)
        small = all((side or 0) <= _LONGEST_SIDE_PX for side in shape[-2:])
        if small and shape[-3] in (3, None) and (len(shape) == 3 or shape[0] in (1, None)):
            return shape, known[first.type]
    raise CheckpointError(
        f"{path} has the inputs {shapes or 'none'}, and one was expected: float images of "
        f"(1, 3, H, W) or (3, H, W) of at most {_LONGEST_SIDE_PX} pixels a side, RGB from 0 to 1. "
        "Export it so."
    )


def _layout(
    names: Sequence[str], outputs: Sequence[Array], path: Path
) -> tuple[Layout, tuple[int, ...]]:
    """Return which of the layouts the outputs are of, and where boxes, labels, scores are."""
    if len(outputs) == 1 and outputs[0].ndim == 3 and outputs[0].shape[0] == 1:
        _, rows, columns = outputs[0].shape
        if columns == 6 and rows != 6:
            return "rows of six", ()
        if 5 <= rows < columns:
            return "classes in columns", ()
    if len(outputs) == 3:
        kinds = [_kind(one) for one in outputs]
        if sorted(kinds) == ["boxes", "labels", "scores"]:
            return "torchvision", tuple(map(kinds.index, ("boxes", "labels", "scores")))
    found = ", ".join(f"{name} {one.shape}" for name, one in zip(names, outputs, strict=True))
    raise CheckpointError(f"{path} has the outputs {found}. {_EXPECTED}: export it so.")


def _kind(output: Array) -> str:
    """Return what one of torchvision's outputs is; they are often named by numbers alone."""
    if output.ndim == 2 and output.shape[1] == 4:
        return "boxes"
    if output.ndim == 1:
        return "labels" if output.dtype.kind in "iu" else "scores"
    return ""


def _read(
    outputs: Sequence[Array], layout: Layout, order: tuple[int, ...], person: int
) -> tuple[Array, Array, Array]:
    """Return boxes (n, 4) x1, y1, x2, y2 in pixels of the input, labels (n,) and scores (n,)."""
    if layout == "torchvision":
        boxes, labels, scores = (outputs[place] for place in order)
        return boxes.astype(np.float64), labels, scores
    rows = outputs[0][0].astype(np.float64)
    if layout == "rows of six":
        return rows[:, :4], rows[:, 5].round(), rows[:, 4]
    centre, half, scores = rows[:2].T, rows[2:4].T / 2, rows[4:]
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    if person >= len(scores):
        return boxes[:0], np.zeros(0), np.zeros(0)
    return boxes, np.full(len(boxes), person), scores[person]


def _person_class(names: str, path: Path) -> int | None:
    """Return the person among the class names that Ultralytics notes in its files; None: no names.

    They are written as Python prints them: ``{0: 'person', 1: 'bicycle'}``.
    """
    if not names:
        return None
    try:
        classes = ast.literal_eval(names)
        persons = [int(n) for n, name in classes.items() if str(name).strip().lower() == "person"]
    except (ArithmeticError, AttributeError, MemoryError, RecursionError, SyntaxError, TypeError,
            ValueError):  # fmt: skip
        return None
    if not persons:
        raise CheckpointError(
            f"{path} finds {', '.join(map(str, list(classes.values())[:5]))}, but no 'person': "
            "choose a detector of persons."
        )
    return persons[0]
