"""A generated AVA: real h264 files of several actors, in the file formats of the published one.

``write_ava_dataset`` lays it out as::

    root/dataset.json              the settings the files were made with
    root/label_map.pbtxt           item { name: "left" id: 1 } ...
    root/train.csv                 video,timestamp,x1,y1,x2,y2,label,person
    root/train_excluded.csv        video,timestamp
    root/train_proposals.pkl       {"train_00000,0005": array (n, 5)}
    root/val.csv, ...
    root/videos/train_00000.mp4

Which labels there are, and what tells them: :data:`praxiscope.data.synthetic_actors.GROUPS`, and
in videos with glows :data:`praxiscope.data.synthetic_actors.GLOW_GROUPS`.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from praxiscope.checks import check_number, check_whole
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.generated import claim_folder, write_missing, write_text
from praxiscope.data.synthetic import write_video
from praxiscope.data.synthetic_actors import (
    GLOW_GROUPS,
    GROUPS,
    ActorScene,
    Person,
    random_actors,
    random_glow,
)
from praxiscope.files import write_atomically

Split = Literal["train", "val"]

_SPLITS: tuple[Split, ...] = ("train", "val")
_GLOW = 2**31  # the part of a video's random numbers that is its glow's
_GENERATOR = 1  # raise it when the same settings give other files: old ones are then replaced


@dataclass(frozen=True, kw_only=True)
class ActorVideos:
    """How the videos look, and how well a person detector did on them.

    A key frame is in the middle of every second: the first is half a second after
    ``first_timestamp``.

    Args:
        seconds: Length, and key frames, of a video.
        actors: In a video; each is in three quarters of its key frames.
        brief: Share of an actor's seconds with a brief moment.
        lit: Share of the seconds in which the lamp is lit.
        excluded: Share of the key frames whose timestamps are excluded.
        proposal_noise: Standard deviation of a proposal's edges, in sides of its box.
        proposal_misses: Share of the actors that have no proposal.
        proposal_doubts: Share of the actors whose proposal scores less than 0.9.
        false_proposals: Mean number of proposals in a key frame that are nobody's.
        glows: Share of the videos with a glow in their first quarter, whose colour everybody
            remembers 5 to 20 seconds later: labels of their own, after all others, that only
            earlier seconds tell. 0 leaves the labels out.
    """

    seconds: int = 8
    fps: int = 12
    height: int = 48
    width: int = 176
    first_timestamp: float = 4.5
    actors: int = 3
    brief: float = 0.3
    lit: float = 0.4
    excluded: float = 0.02
    proposal_noise: float = 0.02
    proposal_misses: float = 0.05
    proposal_doubts: float = 0.05
    false_proposals: float = 0.3
    glows: float = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("seconds", "height", "width", "actors"):
            check_whole(getattr(self, name), f"ActorVideos.{name}")
        check_whole(self.fps, "ActorVideos.fps", least=12)  # fewer may miss a brief moment
        for name in ("brief", "lit", "excluded", "proposal_misses", "proposal_doubts", "glows"):
            check_number(getattr(self, name), f"ActorVideos.{name}", 0, 1)

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Every label by what tells it."""
        return {**GROUPS, **GLOW_GROUPS} if self.glows else GROUPS

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels; their ids count from 1."""
        return tuple(name for names in self.groups.values() for name in names)

    def scene(self, split: Split, index: int) -> ActorScene:
        """Return the scene of one video, a pure function of the settings and of its place."""
        scene = random_actors(
            self._rng(split, index, 0),
            seconds=self.seconds,
            height=self.height,
            width=self.width,
            slots=self.actors,
            presence=0.75,
            brief=self.brief,
            lit=self.lit,
        )
        if not self.glows:
            return scene
        return replace(scene, glow=random_glow(self._rng(split, index, _GLOW), scene, self.glows))

    def key_times(self) -> tuple[float, ...]:
        """Return when the key frames are, in seconds from the start of a video."""
        # Half a second is between two frames if their number a second is odd.
        return tuple(int((s + 0.5) * self.fps + 0.5) / self.fps for s in range(self.seconds))

    def timestamp(self, second: int) -> float:
        """Return the timestamp of a key frame."""
        return self.first_timestamp + second + 0.5

    def proposals(
        self, split: Split, index: int, second: int, persons: tuple[Person, ...]
    ) -> npt.NDArray[np.float32]:
        """Return what a person detector may have found in a key frame: (n, 5), box and score."""
        rng = self._rng(split, index, 1 + second)
        found = []
        for person in persons:
            box = np.array(person.box)
            sides = np.tile(box[2:] - box[:2], 2)
            noisy = box + self.proposal_noise * sides * rng.standard_normal(4)
            missed, doubted = rng.random() < self.proposal_misses, rng.random()
            score = (
                rng.uniform(0.9, 1) if doubted >= self.proposal_doubts else rng.uniform(0.4, 0.9)
            )
            if not missed:
                found.append([*noisy, score])
        for _ in range(int(rng.poisson(self.false_proposals))):
            high = rng.uniform(0.2, 0.8)
            wide = high * self.height / self.width * rng.uniform(0.6, 1.6)
            x, y = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
            found.append([x, y, x + wide, y + high, rng.uniform(0.5, 1)])
        boxes = np.array(found, np.float32).reshape(-1, 5)
        boxes[:, :4] = boxes[:, :4].clip(0, 1)
        return boxes

    def is_excluded(self, split: Split, index: int, second: int) -> bool:
        """Return whether a timestamp is on the list of those that do not count."""
        return bool(self._rng(split, index, -1 - second).random() < self.excluded)

    def _rng(self, split: Split, index: int, part: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, _SPLITS.index(split), index, part % 2**32))


@dataclass(frozen=True)
class AvaDatasetFiles:
    """Where the parts of a written dataset are."""

    root: Path
    videos: ActorVideos = field(default_factory=ActorVideos)

    @property
    def label_map(self) -> Path:
        """The class names by their labels."""
        return self.root / "label_map.pbtxt"

    @property
    def folder(self) -> Path:
        """The folder of the video files of both splits."""
        return self.root / "videos"

    def annotations(self, split: Split) -> Path:
        """Return the file of the persons of ``split``."""
        return self.root / f"{split}.csv"

    def excluded(self, split: Split) -> Path:
        """Return the file of the timestamps of ``split`` that do not count."""
        return self.root / f"{split}_excluded.csv"

    def proposals(self, split: Split) -> Path:
        """Return the file of the person boxes proposed for ``split``."""
        return self.root / f"{split}_proposals.pkl"

    def list(self, split: Split) -> AvaList:
        """Return the list of a split, for a recipe."""
        first = self.videos.first_timestamp
        return AvaList(
            root=self.folder,
            annotations=self.annotations(split),
            excluded=self.excluded(split),
            label_map=self.label_map,
            proposals=self.proposals(split),
            num_classes=len(self.videos.labels) + 1,
            kind="video",
            fps=self.videos.fps,
            first_timestamp=first,
            last_timestamp=first + self.videos.seconds,
        )


def write_ava_dataset(
    root: str | Path,
    *,
    train_videos: int = 100,
    val_videos: int = 30,
    videos: ActorVideos | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> AvaDatasetFiles:
    """Generate the videos and lists below ``root`` and return where they are.

    Videos that are there already, made with the same settings, are kept: an interrupted call goes
    on where it stopped. With other settings they are replaced. The files do not depend on
    ``workers``, which are threads: drawing and encoding happen outside the interpreter's lock.

    Args:
        root: A new or empty folder, or one that this function filled before.
        train_videos: Videos to train on.
        val_videos: Videos to test on.
        videos: How they look.
        workers: Videos written at the same time.
        progress: Called with (videos done, videos in all) at the start and after each video.

    Raises:
        DataError: ``root`` holds videos that this function did not write.
        VideoError: A video cannot be written.
    """
    videos = videos or ActorVideos()
    dataset = AvaDatasetFiles(Path(root), videos)
    counts: dict[Split, int] = {"train": train_videos, "val": val_videos}
    paths = {
        dataset.folder / f"{split}_{index:05d}.mp4": (split, index)
        for split, count in counts.items()
        for index in range(count)
    }
    _claim(dataset, set(paths))

    def write(path: Path) -> None:
        write_video(path, videos.scene(*paths[path]).frames(videos.fps), fps=videos.fps)

    write_missing(list(paths), write, workers, progress)
    # The lists come last, so that they never name a video that is not there.
    for split, count in counts.items():
        _write_lists(dataset, split, count)
    names = enumerate(dataset.videos.labels, 1)
    items = (f'item {{\n  name: "{name}"\n  id: {i}\n}}\n' for i, name in names)
    write_text(dataset.label_map, "".join(items))
    return dataset


def _write_lists(dataset: AvaDatasetFiles, split: Split, count: int) -> None:
    videos = dataset.videos
    lines: list[str] = []
    excluded: list[str] = []
    proposals: dict[str, npt.NDArray[np.float32]] = {}
    for index in range(count):
        scene = videos.scene(split, index)
        for second, time in enumerate(videos.key_times()):
            persons = scene.persons(time)
            moment = f"{split}_{index:05d},{videos.timestamp(second):04g}"
            lines.extend(_lines(moment, persons, videos.labels))
            proposals[moment] = videos.proposals(split, index, second, persons)
            if videos.is_excluded(split, index, second):
                excluded.append(f"{moment}\n")
    write_text(dataset.annotations(split), "".join(lines))
    write_text(dataset.excluded(split), "".join(excluded))
    content = pickle.dumps(proposals, protocol=4)
    write_atomically(dataset.proposals(split), lambda file: file.write(content))


def _lines(moment: str, persons: tuple[Person, ...], labels: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each label of each person."""
    for person in persons:
        box = ",".join(f"{share:.3f}" for share in person.box)
        for label in person.labels:
            yield f"{moment},{box},{labels.index(label) + 1},{person.number}\n"


def _claim(dataset: AvaDatasetFiles, wanted: set[Path]) -> None:
    """Make ``root`` ready: its videos are then wanted ones with these settings, or not there."""
    # Only names that this module gives: the folder may hold files of the user's.
    there = (
        path
        for split in _SPLITS
        for path in dataset.folder.glob(f"{split}_[0-9][0-9][0-9][0-9][0-9].mp4")
    )
    settings = {"generator": _GENERATOR, **asdict(dataset.videos)}
    if not dataset.videos.glows:
        del settings["glows"]  # so that folders made before there were any stay as they are
    claim_folder(dataset.root / "dataset.json", settings, [dataset.folder], there, wanted)
