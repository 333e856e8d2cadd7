"""The files of a list in AVA's format, written from what was imported."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from praxiscope.data.ava_lists import AvaList
from praxiscope.data.generated import write_text
from praxiscope.data.imports.key_frames import Sampled
from praxiscope.errors import DataError


@dataclass(frozen=True)
class ListFiles:
    """Where the files of an imported list are."""

    folder: Path

    @property
    def annotations(self) -> Path:
        """``video,timestamp,x1,y1,x2,y2,label,person_id``."""
        return self.folder / "annotations.csv"

    @property
    def label_map(self) -> Path:
        """The classes and their numbers."""
        return self.folder / "label_map.pbtxt"

    @property
    def sources(self) -> Path:
        """``video,path,fps,first_timestamp``."""
        return self.folder / "sources.csv"

    @property
    def excluded(self) -> Path:
        """``video,timestamp``; empty where nothing is excluded."""
        return self.folder / "excluded.csv"

    @property
    def all(self) -> tuple[Path, ...]:
        """All files, in the order in which they are written."""
        return self.label_map, self.sources, self.excluded, self.annotations

    def list(self, root: Path, num_classes: int) -> AvaList:
        """Return the list for a recipe; ``num_classes`` counts the background."""
        return AvaList(
            root=root,
            annotations=self.annotations,
            excluded=self.excluded,
            label_map=self.label_map,
            sources=self.sources,
            num_classes=num_classes,
            kind="video",
        )


def write_list(
    files: ListFiles, sampled: Sampled, ids: dict[str, int], *, first_timestamp: float
) -> None:
    """Write the four files, each whole or not at all; the annotations, which name the rest, last.

    Raises:
        DataError: A class cannot be written into a label map.
        PraxiscopeError: The disk refuses.
    """
    label_map = "".join(
        f"item {{\n  name: {_quoted(name)}\n  id: {number}\n}}\n"
        for name, number in sorted(ids.items(), key=lambda item: item[1])
    )
    sources = [
        (clip.name, clip.path, repr(clip.fps), _time(first_timestamp)) for clip in sampled.clips
    ]
    lines = [
        (
            line.video,
            _time(line.timestamp),
            *(f"{share:g}" for share in line.box),
            "" if line.label is None else line.label,
            line.person,
        )
        for line in sampled.lines
    ]
    write_text(files.label_map, label_map)
    write_text(files.sources, _csv(sources))
    write_text(files.excluded, _csv((video, _time(time)) for video, time in sampled.excluded))
    write_text(files.annotations, _csv(lines))


def _csv(rows: Iterable[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _time(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(name: str) -> str:
    if '"' not in name:
        return f'"{name}"'
    if "'" not in name:
        return f"'{name}'"
    raise DataError(
        f"The class {name} has both kinds of quotation marks, which no label map can hold: rename "
        "it in the export."
    )
