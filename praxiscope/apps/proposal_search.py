"""Which key frames of which videos persons are looked for in."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_lists import AvaList, open_source, read_key_frames, source_path
from praxiscope.data.batch import num_cores
from praxiscope.data.frames import FrameFolder
from praxiscope.data.key_pictures import one_a_second
from praxiscope.data.proposal_files import check_name
from praxiscope.data.transcode.sources import videos_below
from praxiscope.data.video import Video
from praxiscope.errors import DataError
from praxiscope.progress import CountProgress


class Look(NamedTuple):
    """The key frames of a video that are looked at."""

    video: str  # as proposals name it
    source: Source
    timestamps: tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """What is looked at, in the order in which it is written."""

    looks: list[Look]
    open: Callable[[Source], Video | FrameFolder]
    path: Callable[[Source], Path]
    late: int = 0  # see AvaList
    broken: dict[str, str] = field(default_factory=dict)  # why, of each video


def search_of_list(ava: AvaList) -> Search:
    """Return every key frame of a list, whose own proposals need not be there yet.

    Raises:
        DataError: See :func:`praxiscope.data.ava_lists.read_key_frames`.
    """
    key_frames = read_key_frames(replace(ava, proposals=None))
    sources = dict(zip(key_frames.by_video(), key_frames.sources, strict=True))
    looks = [
        Look(ava.span(video).of, sources[video], tuple(key_frames.timestamps[places].tolist()))
        for video, places in key_frames.by_video().items()
    ]
    return Search(
        looks,
        open=lambda source: open_source(ava, source, threads=num_cores()),
        path=lambda source: source_path(ava, source),
        late=ava.late,
    )


def search_of_folder(
    root: Path, *, fps: float | None, first_timestamp: float, console: Console
) -> Search:
    """Return a key frame a second of every video below a folder.

    Args:
        fps: Frames a second; None: each video's own.
        first_timestamp: The time of the first frame, in seconds.
        console: Where it is shown how many videos have been opened.

    Raises:
        DataError: There is no video, or two have one name but for their suffixes.
    """
    names = videos_below(root)
    if not names:
        raise DataError(f"{root} holds no video: expected a folder with video files below it.")
    search = Search(
        [],
        open=lambda source: Video(root / source.path, threads=num_cores()),
        path=lambda source: root / source.path,
    )
    known: dict[str, Path] = {}
    with CountProgress("lengths", len(names), unit="videos", console=console) as progress:
        for name in names:
            video = name.with_suffix("").as_posix()
            if video in known:
                raise DataError(
                    f"{root / known[video]} and {root / name} would both be '{video}': rename one."
                )
            known[video] = name
            try:
                check_name(video)
                with closing(Video(root / name)) as opened:
                    rate = fps or opened.fps
                    if not rate:
                        raise DataError(f"{root / name} does not say its frame rate: give --fps.")
                    times = one_a_second(
                        opened.num_frames, fps=rate, first_timestamp=first_timestamp
                    )
            except DataError as error:
                search.broken[video if video.isprintable() else ascii(video)] = str(error)
            else:
                source = Source(name.as_posix(), rate, first_timestamp)
                search.looks.append(Look(video, source, times))
            progress.advance(1)
    return search
