"""Boxes that stand by themselves, a moment each, as tracks of persons."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from praxiscope.data.imports.tracks import Clip, State, Stretch, Track


class Seen(NamedTuple):
    """A person at one moment, and who it is, if anything says so."""

    clip: Clip
    person: str  # empty: unknown
    state: State
    where: str


def as_tracks(seen: Iterable[Seen], max_gap: float, source: str) -> Iterator[Track]:
    """Yield the tracks of persons, video by video.

    Between two moments of a person no further apart than ``max_gap`` seconds it moves steadily; an
    unknown person has one moment. Numbers are those given if all are whole, and otherwise count the
    persons of a video from 0.
    """
    by_clip: dict[str, list[Seen]] = {}
    for one in seen:
        by_clip.setdefault(one.clip.name, []).append(one)
    for moments in by_clip.values():
        persons: dict[object, list[Seen]] = {}
        for place, one in enumerate(moments):
            persons.setdefault(one.person or place, []).append(one)
        numbers = _numbers(persons)
        for person, own in persons.items():
            yield from _stretches(sorted(own, key=_frame), numbers[person], max_gap, source)


def _stretches(own: list[Seen], person: int, max_gap: float, source: str) -> Iterator[Track]:
    stretch, begin = Stretch(), own[0]
    for one in own:
        if stretch.states:
            gap = (one.state.frame - stretch.states[-1].frame) / one.clip.fps
            if gap > max_gap + 1e-6:
                yield Track(begin.clip, person, stretch.take(), begin.where, source=source)
        if not stretch.states:
            begin = one
        stretch.add(one.state)
    yield Track(begin.clip, person, stretch.take(), begin.where, source=source)


def _numbers(persons: Iterable[object]) -> dict[object, int]:
    given = list(persons)
    whole = [
        int(one)
        for one in given
        if isinstance(one, str) and one.isascii() and one.isdecimal() and len(one) < 16
    ]
    if len(whole) == len(given) == len(set(whole)):
        return dict(zip(given, whole, strict=True))
    return {one: place for place, one in enumerate(given)}


def _frame(one: Seen) -> float:
    return one.state.frame
