"""Tiny datasets as their authors publish them: official annotation files, and few of the videos."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from tests.data.make_videos import write_video

FRAMES = 4  # images in a folder
EVENT = "A0xAXXysHUo_E_002184_002237"
UCF = [f"Class{number:03d}" for number in (5, 3, 4, 1, 2, *range(6, 102))]  # in no order


def put(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


def videos(root: Path, *names: str) -> None:
    """The same few frames under each of these names."""
    first = None
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if first is None:
            first = write_video(path, 4, codec="mpeg4", gop=4, b_frames=0, container="mp4")
        else:
            shutil.copy(first, path)


def images(root: Path, *folders: str, templates: Iterable[str] = ("img_{:05d}.jpg",)) -> None:
    """The same few images in each of these folders, one fewer of flow."""
    picture = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for template in templates:
            flow = template.startswith(("x", "y", "flow"))
            data = cv2.imencode(".jpg", picture[..., 0] if flow else picture)[1].tobytes()
            for number in range(1, FRAMES + 1 - flow):
                (root / folder / template.format(number)).write_bytes(data)


FLOW = ("x_{:05d}.jpg", "y_{:05d}.jpg")
RGB_AND_FLOW = ("img_{:05d}.jpg", *FLOW)


def kinetics(root: Path, num_classes: int) -> None:
    """Two classes have videos: 1 in underscores, 2 as the crawler writes it; and one clip each."""
    names = [f"doing thing {number:03d}" for number in range(num_classes - 1)]
    names = ["Zorbing (sport)", *names]  # a capital comes first
    head = "label,youtube_id,time_start,time_end,split"
    for split, said in (("train", "train"), ("val", "validate" if num_classes > 400 else "val")):
        rows = [
            f'"{name}",-a_{index:08d},{index},{index + 10},{said}'
            for index, name in enumerate(names)
        ]
        cc = num_classes == 400
        lines = [f"{head},is_cc" if cc else head, *(f"{row},0" if cc else row for row in rows)]
        file = "train.csv" if split == "train" else "validate.csv"
        put(root / "annotations" / file, lines[0], *reversed(lines[1:]))
        videos(
            root / f"videos_{split}",
            "doing_thing_000/-a_00000001_000001_000011.mp4",
            "doing thing 001/-a_00000002_000002_000012.mkv",
        )


def gym99(root: Path) -> None:
    files = root / "annotations"
    names = [f"{EVENT}_A_0035_0036", f"{EVENT}_A_0040_0042", f"{EVENT}_A_0050_0051"]
    put(files / "gym99_train_element_v1.0.txt", f"{names[0]} 93", f"{names[1]} 7", f"{names[2]} 8")
    put(files / "gym99_val_element.txt", f"{names[0]} 93")
    lines = (f"Clabel: {n:3d}; set:  1; Glabel: {n + 1:3d}; (VT) element {n}  " for n in range(99))
    put(files / "gym99_categories.txt", *lines)
    elements = {
        name: {"stages": 1, "timestamps": [[35.1, 36.2]]} for name in ("A_0035_0036", "A_0040_0042")
    }
    events = {
        "E_002184_002237": {"event": 4, "segments": elements, "timestamps": [[2184.5, 2237.0]]},
        "E_003000_003010": {"event": 1, "segments": None, "timestamps": [[3000.0, 3010.5]]},
    }
    put(files / "finegym_annotation_info_v1.0.json", json.dumps({"A0xAXXysHUo": events}))
    images(root / "rawframes", *names[:2], templates=RGB_AND_FLOW)


def twentybn(root: Path, name: str, num_classes: int) -> None:
    files = root / "annotations"
    classes = [f"Class, {'really' * (n % 2)} {n}" for n in reversed(range(num_classes))]
    put(files / f"{name}-labels.csv", *classes)
    put(
        files / f"{name}-train.csv",
        f"34870;{classes[1]}",
        f"1;{classes[26]}",
        f"7;{classes[0]}",
        end="\r\n",
    )
    put(files / f"{name}-validation.csv", f"9;{classes[3]}")
    put(files / f"{name}-test.csv", "10")
    images(root / "rawframes", "34870", "1", "9", templates=("{:05d}.jpg",))


def hmdb51(root: Path) -> None:
    for number in (1, 2, 3):
        for index in reversed(range(51)):
            lines = [f"class_{index}_{n}#a (b).avi {(n + number) % 3} " for n in range(3)]
            put(root / f"annotations/class_{index:02d}_test_split{number}.txt", *lines)
    images(root / "rawframes", "class_03/class_3_0#a (b)", "class_03/class_3_1#a (b)")
    videos(root / "videos", "class_01/class_1_0#a (b).avi", "class_01/class_1_1#a (b).mp4")


def ucf101(root: Path) -> None:
    files = root / "annotations/ucfTrainTestlist"
    put(files / "classInd.txt", *(f"{n} {name}" for n, name in enumerate(UCF, start=1)), end="\r\n")
    for number in (1, 2, 3):
        lines = [f"Class003/v_Class003_g0{number}_c0{n}.avi" for n in range(3)]
        put(files / f"trainlist0{number}.txt", *(f"{line} 2" for line in lines[:2]))
        put(files / f"testlist0{number}.txt", lines[2])
    names = [f"Class003/v_Class003_g0{number}_c0{n}.avi" for number in (1, 2, 3) for n in range(3)]
    videos(root / "videos", *names)
