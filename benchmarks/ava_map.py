"""An evaluation of AVA's size: files, and the loops that ours is timed beside."""

from pathlib import Path

import numpy as np

from praxiscope.label_map import read_label_map
from praxiscope.metrics.ava_csv import read_boxes
from tests.metrics.ava_by_hand import mean_precision_by_hand

NUM_PERSONS, NUM_ACTIONS = 3, 2  # in a frame, of a person
SECONDS = 900  # of a video that have a key frame


def write_files(folder: Path, num_frames: int, num_detections: int, num_classes: int = 80) -> None:
    """Write truth.csv, found.csv and labels.pbtxt: half of the detections have a right class."""
    random = np.random.default_rng(0)
    centres = random.uniform(0.2, 0.8, (num_frames * NUM_PERSONS, 2))
    halves = random.uniform(0.05, 0.2, centres.shape)
    persons = np.concatenate([centres - halves, centres + halves], axis=1)
    actions = 1 + random.permuted(
        np.tile(np.arange(num_classes), (len(persons), 1)), axis=1
    )[:, :NUM_ACTIONS]  # fmt: skip
    with (folder / "truth.csv").open("w") as file:
        for person, box in enumerate(persons):
            for action in actions[person]:
                file.write(f"{_place(person)},{_numbers(box, 3)},{action},{person}\n")
    chosen = np.sort(random.integers(0, len(persons), num_detections))  # frame by frame
    boxes = persons[chosen] + random.normal(0, 0.01, (num_detections, 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)
    labels = np.where(
        random.random(num_detections) < 0.5,
        actions[chosen, random.integers(0, NUM_ACTIONS, num_detections)],
        random.integers(1, num_classes + 1, num_detections),
    )
    scores = random.random(num_detections)
    with (folder / "found.csv").open("w") as file:
        for person, box, label, score in zip(chosen, boxes, labels, scores, strict=True):
            file.write(f"{_place(person)},{_numbers(box, 4)},{label},{score:.4f}\n")
    items = (f'item {{\n  name: "action{n}"\n  id: {n}\n}}\n' for n in range(1, num_classes + 1))
    (folder / "labels.pbtxt").write_text("".join(items))


def evaluate_by_hand(folder: Path) -> float:
    """Return the mAP under ``reference-1.x`` by loops over frames, classes and detections."""
    truth, found = read_boxes(folder / "truth.csv"), read_boxes(folder / "found.csv")
    return mean_precision_by_hand(found, truth, read_label_map(folder / "labels.pbtxt"))[0]


def _place(person: int) -> str:
    frame = person // NUM_PERSONS
    return f"video{frame // SECONDS:03d},{902 + frame % SECONDS:04d}"


def _numbers(box: np.ndarray, digits: int) -> str:
    return ",".join(f"{value:.{digits}f}" for value in box)
