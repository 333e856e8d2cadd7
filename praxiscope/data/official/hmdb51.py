"""HMDB51: a file a class and split, ``brush_hair_test_split1.txt``, of ``video.avi 1``.

1 is a video to train on, 2 one to test on, 0 one that the split does without.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from praxiscope.data.official.reading import (
    Listed,
    Subset,
    check_classes,
    check_name,
    find_file,
    read_lines,
    unique,
    without_suffix,
)
from praxiscope.errors import DataError

NUM_CLASSES = 51
FOLDER = "testTrainMulti_7030_splits"  # as the archive unpacks


def read_hmdb51(folder: Path, split: Literal["train", "val"], number: int) -> Subset:
    """Return split ``number``, 1 to 3. Labels number the classes in alphabetical order.

    Raises:
        DataError: There are not the files of 51 classes, or a line is not of the official form.
    """
    end = f"_test_split{number}.txt"
    found = (folder, folder / FOLDER)
    files = {path.name.removesuffix(end): path for at in found for path in at.glob(f"*{end}")}
    if not files:
        find_file(folder, (f"brush_hair{end}", f"{FOLDER}/brush_hair{end}"), "list")
    check_classes(files, NUM_CLASSES, folder / f"*{end}")
    classes = tuple(sorted(files))
    wanted = "1" if split == "train" else "2"
    videos = (
        video
        for label, name in enumerate(classes)
        for video in _read_list(files[name], name, label, wanted)
    )
    return Subset(unique(videos, folder), classes)


def _read_list(path: Path, class_name: str, label: int, wanted: str) -> Iterator[Listed]:
    for where, line in read_lines(path):
        name, *use = line.rsplit(None, 1)
        if use not in (["0"], ["1"], ["2"]):
            raise DataError(f"{where}: expected 'video.avi 0', 1 or 2, not {line[:80]!r}.")
        if use == [wanted]:
            yield Listed(where, f"{class_name}/{without_suffix(check_name(name, where))}", label)
