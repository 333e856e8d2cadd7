"""Tracks seen at key frames: the lines of a list in AVA's format."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

from praxiscope.data.imports.classes import Classes, says
from praxiscope.data.imports.tracks import Attributes, Box, Clip, Segment, Track, nearest
from praxiscope.errors import DataError

OUTSIDE = "outside"  # among the words that exclude: someone is out of view and will come back
MAX_LINES = 2_000_000  # AVA has 0.8 million
_DECIMALS = 5  # of a share: a fiftieth of a pixel


class Line(NamedTuple):
    """A person doing one thing, or nothing that has a class, at a key frame."""

    video: str
    timestamp: float
    box: Box
    label: int | None
    person: int


@dataclass
class Sampled:
    """The lines of all videos, what is excluded, and what became of boxes."""

    lines: list[Line] = field(default_factory=list)
    excluded: list[tuple[str, float]] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    key_frames: int = 0
    persons: int = 0  # at key frames
    tracks: Counter[str] = field(default_factory=Counter)  # by video
    left: Counter[str] = field(default_factory=Counter)  # by what was done to how many


def sample(
    tracks: Sequence[Track],
    segments: Sequence[Segment],
    classes: Classes,
    *,
    rate: float,
    first_timestamp: float,
    excluding: frozenset[str],
) -> Sampled:
    """Return what is seen ``rate`` times a second from the start of every video.

    A key frame is a frame that the video has, with somebody in it. A track of a single moment, far
    from the others, is one of its own. Persons keep the numbers of their tracks; where several
    files or tasks number the persons of a video, those of later ones are moved up.

    Args:
        tracks: Of all videos.
        segments: What is said of everybody.
        classes: What the classes are.
        rate: Key frames a second.
        first_timestamp: The time of the first frame of each video.
        excluding: Words, in lower case: a moment is excluded where a person or a part of the time
            is said to be such a thing, or is ``outside``: out of view, later to come back.

    Raises:
        DataError: There are too many lines, or none.
    """
    result = Sampled()
    parts: dict[str, list[Segment]] = {}
    for segment in segments:
        parts.setdefault(segment.clip.name, []).append(segment)
    for name, own in _renumbered(_without_flat(tracks, result.left)).items():
        of_class = [
            track
            for track in own
            if parts.get(name) or classes.concern(track) or says({}, track.labels, excluding)
        ]
        result.left["tracks that have none of what becomes a class, left out"] += len(own) - len(
            of_class
        )
        frames = _key_frames(of_class, rate, result.left, excluding)
        before, excluded = len(result.lines), []
        present = _present(of_class, list(frames))
        gaps = _gaps(of_class, list(frames)) if OUTSIDE in excluding else frozenset()
        for (frame, seconds), there in zip(frames.items(), present, strict=True):
            time = round(first_timestamp + seconds, 6)
            said = [one.attributes for one in parts.get(name, ()) if one.first <= frame < one.end]
            result.lines += _lines(there, frame, time, said, classes, excluding, result)
            if len(result.lines) > MAX_LINES:
                raise DataError(
                    f"{own[0].where}: with it there are more than {MAX_LINES:,} lines; take a "
                    "lower --rate."
                )
            if frame in gaps or _is_doubtful(there, frame, said, excluding):
                excluded.append((name, time))
        lines = result.lines[before:]
        if lines:
            result.excluded += excluded
            result.clips.append(own[0].clip)
            result.tracks[name] = len({line.person for line in lines})
            result.key_frames += len({line.timestamp for line in lines})
            result.persons += len({(line.timestamp, line.box) for line in lines})
    if not result.lines:
        raise DataError(
            "No person is left at any key frame: check the export, --rate and --labels-from."
        )
    return result


def _without_flat(tracks: Iterable[Track], left: Counter[str]) -> Iterator[Track]:
    for track in tracks:
        if all(_is_flat(_clipped(state.box)) for state in track.states):
            left["tracks without an area within the frame, left out"] += 1
        else:
            yield track


def _renumbered(tracks: Iterable[Track]) -> Mapping[str, list[Track]]:
    """Return the tracks by video, in which a number is one person."""
    grouped: dict[str, dict[str, list[Track]]] = {}
    for track in tracks:
        grouped.setdefault(track.clip.name, {}).setdefault(track.source, []).append(track)
    result: dict[str, list[Track]] = {}
    for name, sources in grouped.items():
        used: set[int] = set()
        for own in sources.values():
            numbers = {track.person for track in own}
            shift = max(used) + 1 - min(numbers) if used & numbers else 0
            used |= {number + shift for number in numbers}
            result.setdefault(name, []).extend(
                Track(
                    one.clip, one.person + shift, one.states, one.where, one.labels, one.end, name
                )
                for one in own
            )
    return result


def _key_frames(
    tracks: Sequence[Track], rate: float, left: Counter[str], excluding: frozenset[str]
) -> dict[int, float]:
    """Return the key frames of a video with their seconds, in order."""
    frames: dict[int, float] = {}
    for track in tracks:
        if says({}, track.labels, excluding):
            continue
        clip = track.clip
        first, last = track.first, track.last
        if clip.num_frames is not None and last >= clip.num_frames:
            if last > clip.num_frames + clip.fps / 2:  # less is a matter of rounding
                left["tracks that go beyond the end of the video, cut"] += 1
            last = clip.num_frames - 1
        if first > last:
            continue
        if (last - first) * rate / clip.fps > MAX_LINES:
            raise DataError(f"{track.where}: it has too many key frames; take a lower --rate.")
        own: dict[int, float] = {}
        # one before and one after, as rounding decides which frame a moment is
        for step in range(floor(first / clip.fps * rate), ceil(last / clip.fps * rate) + 2):
            frame = nearest(step / rate * clip.fps)
            if first <= frame <= last:
                own.setdefault(frame, step / rate)
        if not own and len(track.states) == 1:
            own = {first: first / clip.fps}
        if not own:
            left["tracks between two key frames, left out"] += 1
        for frame, seconds in own.items():
            # the moment of a single one may be that of a whole second too
            frames[frame] = min(frames.get(frame, seconds), seconds, key=lambda one: (one % 1, one))
    return dict(sorted(frames.items()))


def _lines(
    tracks: Sequence[Track],
    frame: int,
    time: float,
    said: Sequence[Attributes],
    classes: Classes,
    excluding: frozenset[str],
    result: Sampled,
) -> Iterator[Line]:
    """Yield the lines of a key frame, of those of the tracks in it that are of persons."""
    there: set[tuple[Box, int | None]] = set()
    for track in tracks:
        if says({}, track.labels, excluding):
            continue
        given = track.box(frame)
        box = _clipped(given)
        if _is_flat(box):
            result.left["boxes without an area within the frame, left out"] += 1
            continue
        if any(abs(a - b) > 1e-4 for a, b in zip(given, box, strict=True)):
            result.left["boxes clipped to the frame"] += 1
        labels = classes.labels(track.labels, [track.attributes(frame), *said])
        for label in labels or (None,):
            if (box, label) in there:
                result.left["repetitions of a box and its class, left out"] += 1
                continue
            there.add((box, label))
            yield Line(track.clip.name, time, box, label, track.person)


def _is_doubtful(
    tracks: Sequence[Track], frame: int, said: Sequence[Attributes], words: frozenset[str]
) -> bool:
    if any(says(one, (), words) for one in said):
        return True
    return any(says(track.attributes(frame), track.labels, words) for track in tracks)


def _present(tracks: Iterable[Track], frames: Sequence[int]) -> list[list[Track]]:
    """Return which tracks are in each of the frames, which rise."""
    present: list[list[Track]] = [[] for _ in frames]
    for track in tracks:
        for place in range(bisect_left(frames, track.first), bisect_right(frames, track.last)):
            present[place].append(track)
    return present


def _gaps(tracks: Iterable[Track], frames: Sequence[int]) -> frozenset[int]:
    """Return in which of the frames, which rise, somebody is out of view, later to come back."""
    persons: dict[int, list[Track]] = {}
    for track in tracks:
        persons.setdefault(track.person, []).append(track)
    found: set[int] = set()
    for own in persons.values():
        own.sort(key=lambda track: track.first)
        for before, after in pairwise(own):
            found |= set(
                frames[bisect_right(frames, before.last) : bisect_left(frames, after.first)]
            )
    return frozenset(found)


def _clipped(box: Box) -> Box:
    x1, y1, x2, y2 = (round(min(max(share, 0.0), 1.0), _DECIMALS) for share in box)
    return x1, y1, x2, y2


def _is_flat(box: Box) -> bool:
    return box[0] >= box[2] or box[1] >= box[3]
