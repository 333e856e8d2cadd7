"""A feature bank mapped from disk, beside the published dict of dicts of lists of tensors.

Each side works in processes of its own, so that their memory can be told apart.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Row
from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import Rows, write_layout
from praxiscope.banks.published import export_published

NUM_PERSONS, CHANNELS = 4, 2048
SECONDS = 890  # of a video that have persons
WINDOW, PLACES = 60, 5  # seconds, features a second
RUN = 20  # windows in a row that are drawn in one way

Draw = Callable[[Any, str, int], Tensor]


@dataclass(frozen=True)
class Measured:
    """What one process needs."""

    open_seconds: float
    open_mb: float  # resident after opening, more than before
    own_mb: float  # of its own memory after all windows, more than before opening
    window_seconds: dict[str, float]  # the median of each way to draw


def rows(folder: Path, num_seconds: int) -> Iterator[Row]:
    """Yield time and memory of opening, and of windows, each in one process and in two."""
    ours, theirs = folder / "bank.safetensors", folder / "lfb.pkl"
    bank = _write(ours, num_seconds)
    export_published(bank, theirs)
    peer, copying = "torch.load, dicts of lists", "a plain copy of the rows' bytes"
    for processes in (1, 2):
        mapped = _measure(processes, Bank, OURS, ours, 2000)
        lists = _measure(processes, _load, (_by_hand,), theirs, 200)
        where = f"{bank.num_rows:,} rows, {processes} process{'es' * (processes > 1)}"
        for work, unit, take in (
            ("open", "s", lambda one: one.open_seconds),
            ("resident when open", "MB", lambda one: one.open_mb),
            ("own memory after all windows", "MB", lambda one: one.own_mb),
        ):
            yield Row(f"{where}: {work}", peer, max(map(take, mapped)), max(map(take, lists)), unit)
        for work, draw in (
            ("windows, float32", _float),
            ("windows, float32, into memory that is there", _float_reused),
            ("windows as stored", _stored),
            ("windows as stored, into memory that is there", _stored_reused),
            ("which rows a window has", _located),
        ):
            rate = _rate(mapped, draw)
            yield Row(f"{where}: {work}", peer, rate, _rate(lists, _by_hand), "/s")
            yield Row(f"{where}: {work}", copying, rate, _rate(mapped, _copy), "/s")


def _rate(measured: list[Measured], draw: Draw) -> float:
    """Return windows a second of all processes together."""
    return sum(1 / one.window_seconds[draw.__name__] for one in measured)


def _write(path: Path, num_seconds: int) -> Bank:
    """Write a bank of generated features; videos share them, the file does not."""
    random = np.random.default_rng(0)
    features = random.random((SECONDS * NUM_PERSONS, CHANNELS), np.float32).astype(np.float16)
    seconds = np.repeat(np.arange(905, 905 + SECONDS, dtype=np.int32), NUM_PERSONS)
    write_layout(
        path,
        [f"video{number:03d}" for number in range(max(1, round(num_seconds / SECONDS)))],
        lambda _: Rows(seconds, features),
        channels=CHANNELS,
        dtype="float16",
        metadata={},
    )
    return Bank(path)


def _measure(
    processes: int, load: Callable[[Path], Any], draws: tuple[Draw, ...], path: Path, count: int
) -> list[Measured]:
    context = get_context("spawn")
    together = context.Barrier(processes)
    with context.Pool(processes, _prepare, (together,)) as pool:
        work = [(load, draws, path, count, seed) for seed in range(processes)]
        return pool.starmap(_one, work, chunksize=1)


def _prepare(together: Any) -> None:
    torch.set_num_threads(1)  # as in a loader's worker
    torch.zeros(9).half().float()
    globals()["_together"] = together


def _one(
    load: Callable[[Path], Any], draws: tuple[Draw, ...], path: Path, count: int, seed: int
) -> Measured:
    """Open a bank and draw random windows in every way, in turn."""
    videos = Bank(path.with_name("bank.safetensors")).videos()
    random = np.random.default_rng(seed)
    resident, own = _memory_mb("VmRSS"), _memory_mb("RssAnon")
    begin = time.perf_counter()
    content = load(path)
    open_seconds = time.perf_counter() - begin
    open_mb = _memory_mb("VmRSS") - resident
    globals()["_together"].wait()
    seconds: dict[str, list[float]] = {draw.__name__: [] for draw in draws}
    for number in range(count * len(draws)):
        draw = draws[number // RUN % len(draws)]
        video, second = videos[random.integers(len(videos))], int(random.integers(935, 1765))
        begin = time.perf_counter()
        window = draw(content, video, second)
        seconds[draw.__name__].append(time.perf_counter() - begin)
        assert len(window) in (WINDOW * PLACES, WINDOW * NUM_PERSONS)
    own_mb = _memory_mb("RssAnon") - own
    medians = {name: float(np.median(taken)) for name, taken in seconds.items()}
    return Measured(open_seconds, open_mb, own_mb, medians)


def _memory_mb(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        raise SystemExit("bank skipped: memory is read from /proc, which is Linux's.") from None
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) / 1024


@cache
def _memory(dtype: torch.dtype) -> Tensor:
    return torch.empty(WINDOW * PLACES, CHANNELS, dtype=dtype)


def _float(bank: Bank, video: str, second: int) -> Tensor:
    return bank.window(video, second)


def _stored(bank: Bank, video: str, second: int) -> Tensor:
    return bank.window(video, second, as_stored=True)


def _float_reused(bank: Bank, video: str, second: int) -> Tensor:
    return bank.window(video, second, out=_memory(torch.float32))


def _stored_reused(bank: Bank, video: str, second: int) -> Tensor:
    return bank.window(video, second, out=_memory(torch.float16))


def _located(bank: Bank, video: str, second: int) -> Tensor:
    return torch.from_numpy(bank.locate(video, second)[0])


def _copy(bank: Bank, video: str, second: int) -> Tensor:
    """Copy what a window holds to memory that is there: the machine's limit."""
    begin = int(bank.arrays[0][int(video.removeprefix("video"))]) + (second - 935) * NUM_PERSONS
    some = _memory(torch.float16)[: WINDOW * NUM_PERSONS]
    some.numpy()[:] = bank.arrays[2][begin : begin + WINDOW * NUM_PERSONS]
    return some


OURS = (_float, _float_reused, _stored, _stored_reused, _located, _copy)


def _load(path: Path) -> Any:
    return torch.load(
        path, map_location="cpu", weights_only=False
    )  # our own file, read as published


def _by_hand(content: Any, video: str, second: int) -> Tensor:
    """Draw a window from lists, second by second."""
    window = torch.zeros(WINDOW * PLACES, CHANNELS)
    for s in range(WINDOW):
        features = content[video].get(second - WINDOW // 2 + s, [])
        number = min(len(features), PLACES)
        chosen = np.random.choice(len(features), number, replace=False) if number else ()
        for place, one in enumerate(chosen):
            window[s * PLACES + place] = features[one]
    return window
