"""Builds of one bank by processes that die: ``python -m tests.banks.builds FOLDER`` runs them all.

It forks, so that a process costs nothing, which is safe where no threads are.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from praxiscope.banks.fill import BankWriter

VIDEOS = [f"video {number}" for number in range(9)]
CHANNELS = 16
MADE_BY = {"model": "slowonly", "checkpoint": "abc"}


def video_rows(video: str) -> tuple[Any, Any]:
    """Seconds in disorder, and features; none at all of one video."""
    number = VIDEOS.index(video)
    random = np.random.default_rng(number)
    seconds = random.integers(900, 940, 40 * (number != 3))
    return seconds, random.normal(size=(len(seconds), CHANNELS)).astype(np.float32)


def writer(path: Path, **changes: Any) -> BankWriter:
    return BankWriter(path, **{"channels": CHANNELS, "metadata": MADE_BY, **changes})


def fill(path: Path, videos: list[str] = VIDEOS, pause: float = 0.0) -> BankWriter:
    one = writer(path)
    for video in one.pending(videos):
        one.add(video, *video_rows(video))
        time.sleep(pause)
    return one


def done(path: Path) -> int:
    return len(VIDEOS) - len(writer(path).pending(VIDEOS))


def fork(work: Callable[[], object]) -> int:
    """Return the number of a process that does the work and exits with 0."""
    number = os.fork()
    if not number:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return number


def exit_code(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def side_by_side(path: Path) -> list[int]:
    """Fill a bank by three processes at once."""
    workers = [fork(lambda begin=n: fill(path, VIDEOS[begin::3])) for n in range(3)]  # type: ignore[misc]
    codes = [exit_code(worker) for worker in workers]
    writer(path).finish(VIDEOS)
    return codes


def killed(path: Path) -> list[int]:
    """Kill ten builds, each at a random moment; return how much was done after each."""
    random = np.random.default_rng()
    history = []
    for _ in range(10):
        worker = fork(lambda: fill(path, pause=0.005).finish(VIDEOS))
        time.sleep(random.uniform(0, 0.03))
        os.kill(worker, signal.SIGKILL)
        exit_code(worker)
        history.append(done(path))
    assert exit_code(fork(lambda: fill(path).finish(VIDEOS))) == 0
    return history


def dying_at_every_step(path: Path) -> list[int]:
    """Let builds die at their first, second ... step that the disk sees, till one gets through."""
    history = []
    for calls in range(1000):
        code = exit_code(fork(lambda left=calls: _die_after(path, left)))  # type: ignore[misc]
        history.append(done(path))
        if code == 0:
            return history
    raise AssertionError("no build gets through")


def _die_after(path: Path, calls: int) -> None:
    left = [calls]

    def dying(real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)  # nothing is tidied up
            return real(*args, **options)

        return call

    for owner, name in ((os, "fsync"), (os, "rmdir"), (os, "unlink"), (Path, "replace")):
        setattr(owner, name, dying(getattr(owner, name)))
    fill(path).finish(VIDEOS)


def main() -> None:
    folder = Path(sys.argv[1])
    builds = (side_by_side, killed, dying_at_every_step)
    print(json.dumps({build.__name__: build(folder / build.__name__) for build in builds}))


if __name__ == "__main__":
    main()
