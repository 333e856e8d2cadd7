"""Exports in which bytes were changed: each gives tracks or one sentence, never anything else."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from praxiscope.data.imports.classes import find_classes
from praxiscope.data.imports.cvat import read_cvat
from praxiscope.data.imports.key_frames import Sampled, sample
from praxiscope.data.imports.label_studio import read_label_studio
from praxiscope.data.imports.table import read_table
from praxiscope.data.imports.tracks import Found, Segment, Track
from praxiscope.data.imports.via import read_via
from praxiscope.data.imports.videos import Videos
from praxiscope.errors import PraxiscopeError
from tests.data.imports.exports import FPS, HEIGHT, WIDTH, write_exports

PIECES = [
    b"",
    b"-",
    b"9" * 20,
    b"\x00",
    b"\xff",
    b"<",
    b"&",
    b'"',
    b"null",
    b"[]",
    b"{}",
    b",",
    b"e9",
]
COLUMNS = {"video": "clip", "timestamp": "when", "x": "left", "y": "top", "label": "activity"}


def read_columns(path: Path, videos: Videos) -> Iterator[Found]:
    return read_table(path, videos, columns=COLUMNS, max_gap=1, first_timestamp=0)


def read_persons(path: Path, videos: Videos) -> Iterator[Found]:
    return read_via(path, videos, person_from="who", max_gap=1)


READERS: dict[str, Callable[[Path, Videos], Iterator[Found]]] = {
    "cvat": read_cvat,
    "label-studio": read_label_studio,
    "via": read_persons,
    "via-2": read_persons,
    "csv": read_columns,
}


def imported(kind: str, file: Path) -> Sampled:
    found = list(READERS[kind](file, Videos(None, fps=FPS, size=(WIDTH, HEIGHT))))
    tracks = [one for one in found if isinstance(one, Track)]
    parts = [one for one in found if isinstance(one, Segment)]
    classes = find_classes(tracks, parts, names_from=(), label_map=None, excluding=frozenset())
    options = {"rate": 1.0, "first_timestamp": 0.0}
    return sample(tracks, parts, classes, excluding=frozenset(), **options)


@pytest.mark.parametrize("kind", READERS)
def test_a_mutated_export_gives_lines_or_a_sentence(kind: str, tmp_path: Path) -> None:
    file, _ = write_exports(tmp_path)[kind]
    whole, rng = file.read_bytes(), random.Random(kind)
    said = []
    for _ in range(100):
        start = rng.randrange(len(whole))
        piece = rng.choice(PIECES)
        file.write_bytes(whole[:start] + piece + whole[start + rng.randrange(30) :])
        try:
            assert imported(kind, file).lines
        except PraxiscopeError as error:
            said.append(str(error))
    assert 0 < len(said) < 100
    assert not any("\n" in message for message in said)
