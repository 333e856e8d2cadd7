"""A tiny dataset in AVA's format, in order in every way, for tests that spoil it."""

import pickle
from pathlib import Path

import cv2
import numpy as np

from praxiscope.data.ava_lists import AvaList

LINES = """\
a,0011,0.1,0.2,0.3,0.4,1,1
a,0011,0.1,0.2,0.3,0.4,2,1
a,0012,0.5,0.5,0.9,0.9,3,2
b,0011,0.2,0.2,0.6,0.8,1,3
b,0013,0.2,0.2,0.6,0.8,2,4
"""
BOXES = ((0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.9, 0.9), (0.2, 0.2, 0.6, 0.8))
NAMES = {1: "sit", 2: "stand", 3: "run"}
FPS, FIRST, END = 4, 10, 15


def write_images(folder: Path, numbers: range = range(1, (END - FIRST) * FPS + 1)) -> None:
    """Write tiny black images of these numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    _, image = cv2.imencode(".jpg", np.zeros((6, 8, 3), np.uint8))
    for number in numbers:
        (folder / f"img_{number:05d}.jpg").write_bytes(image.tobytes())


def proposals() -> dict[str, np.ndarray]:
    """Every box of the dataset, at every moment of every video."""
    scored = np.array([[*box, 0.95] for box in BOXES], np.float32)
    return {f"{video},{second:04d}": scored for video in "abc" for second in range(FIRST, END)}


def write_tiny_ava(folder: Path, lines: str = LINES, videos: str = "ab") -> AvaList:
    """Write folders of images, annotations, label map, exclusions and proposals."""
    root = folder / "frames"
    for video in videos:
        write_images(root / video)
    files = {name: folder / name for name in ("ava.csv", "excluded.csv", "map.pbtxt", "p.pkl")}
    files["ava.csv"].write_text(lines)
    files["excluded.csv"].write_text(f"{videos[0]},0014\n")
    files["map.pbtxt"].write_text(
        "".join(f'item {{ name: "{name}" id: {label} }}\n' for label, name in NAMES.items())
    )
    of_videos = {key: boxes for key, boxes in proposals().items() if key[0] in videos}
    files["p.pkl"].write_bytes(pickle.dumps(of_videos))
    return AvaList(
        root=root,
        annotations=files["ava.csv"],
        excluded=files["excluded.csv"],
        label_map=files["map.pbtxt"],
        proposals=files["p.pkl"],
        num_classes=4,
        fps=FPS,
        first_timestamp=FIRST,
        last_timestamp=END,
    )
