"""Which of the things that annotators said are classes, and their numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from praxiscope.data.imports.tracks import Attributes, Segment, Track
from praxiscope.errors import DataError, RecipeError, did_you_mean
from praxiscope.label_map import read_label_map

LABEL = "label"  # the label of a track or a region, among the names of attributes
OCCLUDED = "occluded"
MAX_CLASSES = 1000  # more are free text

_ACTION = {"action", "actions", "activity", "activities"}
_NOTHING = {"", "false", "none", "__undefined__"}  # the last is CVAT's, of a list without a choice
_TRUE = "true"


@dataclass(frozen=True)
class Classes:
    """What becomes a class, and the classes by their names."""

    names_from: tuple[str, ...]  # LABEL, or attributes
    ids: dict[str, int]

    def labels(self, labels: Sequence[str], said: Iterable[Attributes]) -> tuple[int, ...]:
        """Return the numbers of what is said of a person at a moment, ascending."""
        found = chain.from_iterable(_names(self.names_from, labels, one) for one in said)
        return tuple(sorted({self.ids[name] for name in found if name in self.ids}))

    def concern(self, track: Track) -> bool:
        """Whether a track has any of what becomes a class, be it empty."""
        if LABEL in self.names_from and any(track.labels):
            return True
        return any(name in state.attributes for state in track.states for name in self.names_from)


def find_classes(
    tracks: Sequence[Track],
    segments: Sequence[Segment],
    *,
    names_from: Sequence[str],
    label_map: Path | None,
    excluding: frozenset[str],
) -> Classes:
    """Return the classes, numbered from 1 in alphabetical order, or as ``label_map`` has them.

    A box that is ticked is a class of its attribute's name. Empty values, ``none`` and ``false``
    are none, and neither are the words ``excluding``, in lower case, which exclude moments.

    Args:
        tracks: Of all videos.
        segments: Of all videos.
        names_from: Attributes, or ``label`` for that of tracks. Empty: an attribute called action
            or activity; or else the labels, if they differ or there is nothing else; or else the
            only attribute.
        label_map: That of an earlier import, whose numbers are kept.
        excluding: Words that are no classes.

    Raises:
        RecipeError: There are several attributes, or none of the name.
        DataError: There are no classes or too many, or the label map lacks one.
    """
    attributes = {
        name: None
        for said in chain(
            (state.attributes for track in tracks for state in track.states),
            (segment.attributes for segment in segments),
        )
        for name in said
        if name not in (LABEL, OCCLUDED) and name.lower() not in excluding
    }
    chosen = tuple(names_from) or _choose(tracks, tuple(attributes), excluding)
    for name in chosen:
        if name != LABEL and name not in attributes:
            raise RecipeError(
                f"--labels-from: nothing has an attribute '{name}'.{did_you_mean(name, attributes)}"
                f" There are {', '.join((LABEL, *attributes))}."
            )
    found = set(
        chain.from_iterable(
            chain(
                (
                    _names(chosen, track.labels, state.attributes)
                    for track in tracks
                    for state in track.states
                ),
                (_names(chosen, (), segment.attributes) for segment in segments),
            )
        )
    )
    names = sorted(name for name in found if name.lower() not in excluding)
    where = ", ".join(chosen)
    if not names:
        raise DataError(f"Nobody does anything: '{where}' is empty everywhere; see --labels-from.")
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"'{where}' has {len(names)} different values, such as '{names[0]}': these are no "
            "classes; see --labels-from."
        )
    if label_map is None:
        return Classes(chosen, {name: number for number, name in enumerate(names, start=1)})
    ids = {name: number for number, name in read_label_map(label_map).items() if number > 0}
    for name in names:
        if name not in ids:
            raise DataError(
                f"{label_map} has no class '{name}', which '{where}' names."
                f"{did_you_mean(name, ids)} Add it there with a number of its own."
            )
    return Classes(chosen, ids)


def says(said: Attributes, labels: Sequence[str], words: frozenset[str]) -> bool:
    """Whether one of the words, in lower case, is a label, a value or a true attribute."""
    if not words:
        return False
    if any(label.lower() in words for label in labels):
        return True
    return any(
        value.lower() in words or (value.lower() == _TRUE and name.lower() in words)
        for name, values in said.items()
        for value in values
    )


def _choose(
    tracks: Sequence[Track], attributes: Sequence[str], excluding: frozenset[str]
) -> tuple[str, ...]:
    actions = tuple(name for name in attributes if name.lower() in _ACTION)
    if actions:
        return actions
    labels = {
        name
        for track in tracks
        for state in track.states
        for name in _names((LABEL,), track.labels, state.attributes)
        if name.lower() not in excluding
    }
    if len(labels) > 1 or not attributes:
        return (LABEL,)
    if len(attributes) == 1:
        return tuple(attributes)
    raise RecipeError(
        f"Several attributes could be the classes: {', '.join(attributes)}; choose with "
        "--labels-from."
    )


def _names(wanted: Sequence[str], labels: Sequence[str], said: Attributes) -> Iterable[str]:
    """Yield the classes that are named."""
    for attribute in wanted:
        values = said.get(attribute, ())
        for value in (*labels, *values) if attribute == LABEL else values:
            if value.lower() == _TRUE:
                yield attribute
            elif value.lower() not in _NOTHING:
                yield value
