"""Filling a feature bank: a detector looks once at every person of a list.

Letters: K persons of a batch, m persons of a key frame, C channels.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import TypeVar

import lightning
import numpy as np
import numpy.typing as npt
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.fill import BankWriter
from praxiscope.banks.windows import find_unseen
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_in_order import KeyFramesInOrder
from praxiscope.data.batch import make_stream_loader, num_cores
from praxiscope.engine.trainer import BROKEN, Devices, fabric_from, from_all, list_broken, quiet
from praxiscope.errors import DataError, PraxiscopeError, RecipeError, VideoError
from praxiscope.models.detector import Detector
from praxiscope.progress import CountProgress
from praxiscope.recipe import BankRecipe
from praxiscope.types import ActorBatch, Broken, Indices

log = logging.getLogger(__name__)

CLIPS_ON_GPU = 8  # in the network at a time; all of one video, whoever has that

Features = npt.NDArray[np.float32]  # (K, C)
Result = TypeVar("Result")
Rows = tuple[npt.NDArray[np.int64], Features]  # seconds (K,), features


@dataclass(frozen=True, kw_only=True)
class FillOptions:
    """What a command line says about the filling of a bank.

    Args:
        skip_broken: Leave out key frames that cannot be decoded, and list them.
        work_dir: Where ``<bank>_broken.txt`` goes if some are left out.
    """

    skip_broken: bool = False
    work_dir: Path = Path()
    devices: Devices = field(default_factory=Devices)


@dataclass(frozen=True)
class Filled:
    """What the filling of a bank gave."""

    bank: Bank
    key_frames: int  # seen in this run, by all processes
    seconds: float  # that this process took
    model_share: float  # of this time, in which it was the network that worked
    broken: tuple[Broken, ...]
    is_main_process: bool  # of several, only this one should write files


def bank_metadata(recipe: BankRecipe, name: str, checkpoint: Path) -> dict[str, str]:
    """Return what a bank says of its making: the network, the weights' SHA-256, the recipe.

    And which frames were seen, so that a build does not go on with others.
    """
    with checkpoint.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    short_side = recipe.test_transform.short_side[0]
    return {
        "network": recipe.model.feature_network,
        "checkpoint": digest,
        "recipe": name,
        "clip": f"{recipe.clip.frames}x{recipe.clip.stride}",
        "frames": f"{recipe.list.kind}, {recipe.list.late} late, short side {short_side}",
    }


def fill_bank(
    model: Detector,
    recipe: BankRecipe,
    path: Path | None = None,
    options: FillOptions | None = None,
    *,
    metadata: Mapping[str, str],
) -> Filled:
    """Write the bank of all proposals in all key frames of the recipe's list.

    A stopped run goes on with the videos that are not done; see
    :class:`praxiscope.banks.fill.BankWriter`. On a CPU the bytes do not depend on the number of
    processes and threads: a network looks at one key frame in one thread, as many at a time as
    there are cores. Memory holds a clip and a network's maps for each of them, two clips for each
    loading process, and the rows of the videos that are being looked at; on a GPU eight for one.

    Args:
        path: The file; None takes the recipe's.
        metadata: What the bank says of its making, see :func:`bank_metadata`.

    Raises:
        PraxiscopeError: The list, a video or the file cannot be used.
    """
    options, path = options or FillOptions(), path or recipe.path
    dataset = AvaDataset(recipe.list, recipe.clip, recipe.test_transform, training=False)
    if recipe.model.channels != 3:
        raise RecipeError(f"{dataset.name} is a list of RGB videos: set model.network.channels=3.")
    if not options.skip_broken and not path.exists():  # of a finished bank nothing is decoded
        dataset.check_files()
    places = dataset.key_frames.by_video()
    writer = BankWriter(
        path,
        recipe.model.feature_channels,
        recipe.dtype,
        {**metadata, "list": f"SHA-256 of key frames and boxes {dataset.key_frames.digest()[:16]}"},
    )
    fabric = fabric_from(options.devices)
    with quiet():
        fabric.launch()
    pending: list[str] = fabric.broadcast(writer.pending(places))
    if pending and path.exists():
        raise DataError(
            f"{path} is finished, and lacks {len(pending)} of the {len(places)} videos of "
            f"{dataset.name}, such as '{pending[0]}': choose another file, or remove this one."
        )
    if 0 < len(pending) < len(places) and fabric.is_global_zero:
        log.warning("%d of %d videos are done already.", len(places) - len(pending), len(places))
    mine = {video: places[video] for video in pending[fabric.global_rank :: fabric.world_size]}
    on_gpu = fabric.device.type == "cuda"
    cores = max(1, num_cores() // getattr(fabric.strategy, "num_processes", 1))
    workers = cores if recipe.loader.workers is None else recipe.loader.workers
    if on_gpu:  # on a CPU the networks have the cores
        dataset.threads = max(1, cores // max(1, min(workers, len(mine))))
    looker = _Looker(model.eval().to(fabric.device), writer.channels, 1 if on_gpu else cores)
    loader = make_stream_loader(
        KeyFramesInOrder(dataset, list(mine.values()), batch=CLIPS_ON_GPU if on_gpu else 1),
        workers=min(workers, len(mine)),
    )
    share = f" (1 of {fabric.world_size} processes)" if fabric.world_size > 1 else ""
    progress = CountProgress(
        f"filling {path.name}{share}",
        sum(map(len, mine.values())),
        unit="key frames",
        shown=fabric.is_global_zero,
    )
    started = time.monotonic()

    def work() -> tuple[int, dict[int, Broken]]:
        with closing(looker.all(loader)) as looks:  # whatever happens, its threads end here
            broken = _fill(writer, mine, looks, progress, options.skip_broken)
        return round(progress.done), broken

    parts = _in_all(fabric, work)
    taken = max(time.monotonic() - started, 1e-9)
    _in_all(fabric, lambda: writer.finish(places).path if fabric.is_global_zero else path)
    bank = Bank(path)
    broken = {place: one for _, part in parts for place, one in part.items()}
    listed = options.work_dir / f"{path.stem}_{BROKEN}"  # banks of a folder have one each
    times, before = dataset.key_frames.timestamps, _listed(listed)
    lines: dict[str, Broken] = {}
    for place in sorted({*broken, *find_unseen(dataset.key_frames, bank).tolist()}):
        video = dataset.key_frames[place].video
        moment = f"{video},{times[place]:04g}"
        unknown = f"{path} was begun without it: remove the bank to try it again."
        earlier = Broken(video, place, before.get(moment, unknown))
        lines[moment] = broken.setdefault(place, earlier)
    if fabric.is_global_zero:
        list_broken(listed, lines, finished=True, items="key frames")
    return Filled(
        bank=bank,
        key_frames=sum(done for done, _ in parts),
        seconds=taken,
        model_share=looker.busy / (taken * looker.threads),
        broken=tuple(broken.values()),
        is_main_process=fabric.is_global_zero,
    )


def _fill(
    writer: BankWriter,
    places: Mapping[str, Indices],
    looks: Iterable[tuple[ActorBatch, Features]],
    progress: CountProgress,
    skip_broken: bool,
) -> dict[int, Broken]:
    """Write every video as soon as all of its key frames are there; return the broken ones."""
    due = {video: len(own) for video, own in places.items()}
    rows: dict[str, list[Rows]] = {video: [] for video in places}
    broken: dict[int, Broken] = {}
    with progress:
        for batch, features in looks:
            if batch.broken and not skip_broken:
                raise VideoError(batch.broken[0].reason)
            broken |= {one.index: one for one in batch.broken}
            video = (batch.videos or [one.video for one in batch.broken])[0]
            seconds = np.floor(batch.timestamps).astype(np.int64)
            persons = [len(boxes) for boxes in batch.proposals]
            rows[video].append((np.repeat(seconds, persons), features))
            count = len(batch) + len(batch.broken)
            due[video] -= count
            if not due[video]:
                parts = zip(*rows.pop(video), strict=True)
                writer.add(video, *map(np.concatenate, parts))
            progress.advance(count)
    return broken


def _listed(path: Path) -> dict[str, str]:
    """Return the reasons that an earlier run has written down, by key frame."""
    if not path.is_file():
        return {}
    pairs = (line.partition("\t") for line in path.read_text(errors="replace").splitlines())
    return {moment: reason for moment, tab, reason in pairs if tab}


def _in_all(fabric: lightning.Fabric, work: Callable[[], Result]) -> list[Result]:
    """Return what ``work`` gives in each process; what it raises in one is raised in all of them.

    A process that left without a word would be waited for.
    """
    result: Result | PraxiscopeError
    try:
        result = work()
    except PraxiscopeError as error:
        result = error
        if fabric.world_size > 1:
            log.error("%s The other processes go on to their end.", error)
    results: list[Result] = []
    try:
        gathered = from_all(fabric, result)
    except RuntimeError as error:  # torch's, of a connection that is gone
        raise PraxiscopeError(
            "another process of this build ended without a word, perhaps for lack of memory: run "
            "the same command again, it goes on where it was."
        ) from error
    for one in gathered:
        if isinstance(one, PraxiscopeError):
            raise one
        results.append(one)
    return results


class _Looker:
    """A network that looks at batches, several at a time on a CPU, each in a thread.

    A single thread adds up in one order, so that what it gives does not depend on the others.
    """

    def __init__(self, model: Detector, channels: int, threads: int) -> None:
        self.model, self.channels, self.threads = model, channels, threads
        self.busy = 0.0  # seconds of all threads together

    def all(
        self, batches: Iterable[ActorBatch]
    ) -> Generator[tuple[ActorBatch, Features], None, None]:
        """Yield the batches in order, each with the features of its persons (K, C)."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))
        waiting: deque[tuple[ActorBatch, Future[tuple[Features, float]]]] = deque()
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(self._look, batch)))
                if len(waiting) > self.threads:
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)

    def _next(
        self, waiting: "deque[tuple[ActorBatch, Future[tuple[Features, float]]]]"
    ) -> tuple[ActorBatch, Features]:
        batch, future = waiting.popleft()
        features, seconds = future.result()
        self.busy += seconds
        return batch, features

    def _look(self, batch: ActorBatch) -> tuple[Features, float]:
        started = time.monotonic()
        if not len(batch):
            return np.empty((0, self.channels), np.float32), 0.0
        moved = batch.to(next(self.model.parameters()).device, non_blocking=True)
        with torch.inference_mode():
            found = self.model.person_features(moved.clips, moved.proposals)
            features: Features = found.float().cpu().numpy()
        return features, time.monotonic() - started
