"""UCF101: ``trainlist01.txt`` and ``testlist01.txt`` to 03, and the classes in ``classInd.txt``.

Lines are ``Archery/v_Archery_g08_c01.avi 3``, without the number in the lists to test on; the
number is that of ``3 Archery`` in the file of classes, one more than the label.
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
from praxiscope.errors import DataError, did_you_mean

NUM_CLASSES = 101
FOLDER = "ucfTrainTestlist"  # as the archive unpacks


def read_ucf101(folder: Path, split: Literal["train", "val"], number: int) -> Subset:
    """Return split ``number``, 1 to 3.

    Raises :class:`DataError` naming the file and the line that is not of the official form.
    """
    index = find_file(folder, ("classInd.txt", f"{FOLDER}/classInd.txt"), "file of classes")
    classes: dict[str, int] = {}
    for where, line in read_lines(index):
        count, _, name = line.partition(" ")
        name = check_name(name.strip(), where)
        if count != str(len(classes) + 1) or name in classes:
            raise DataError(
                f"{where}: expected '{len(classes) + 1}' and another class, not {line[:80]!r}."
            )
        classes[name] = len(classes)
    check_classes(classes, NUM_CLASSES, index)
    file = f"{'train' if split == 'train' else 'test'}list{number:02d}.txt"
    path = find_file(folder, (file, f"{FOLDER}/{file}"), f"{split} list")
    return Subset(unique(_read_list(path, classes), path), tuple(classes))


def _read_list(path: Path, classes: dict[str, int]) -> Iterator[Listed]:
    for where, line in read_lines(path):
        file, _, given = line.partition(" ")
        class_name, separator, name = file.partition("/")
        if not separator:
            raise DataError(f"{where}: expected 'class/video.avi', not {line[:80]!r}.")
        if class_name not in classes:
            guess = did_you_mean(class_name[:200], classes)
            raise DataError(f"{where}: there is no class '{class_name[:80]}'.{guess}")
        label, given = classes[class_name], given.strip()
        if given and given != str(label + 1):
            raise DataError(
                f"{where}: class {given[:40]!r} is not {label + 1}, the number of '{class_name}'."
            )
        yield Listed(where, f"{class_name}/{without_suffix(check_name(name, where))}", label)
