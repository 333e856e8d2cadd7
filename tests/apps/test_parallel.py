"""Work in several processes that survives the crash of one of them."""

import multiprocessing
import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.errors import DataError


def square(number: int) -> int:
    return number * number


def crash_at(number: int, bad: int) -> int:
    if number == bad:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def refuse(number: int) -> int:
    raise DataError(f"{number} is wrong.")


def sleep(folder: Path, seconds: float) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)


def test_every_item_comes_once_with_its_result() -> None:
    assert sorted(in_processes(square, range(20), 2)) == [(n, n * n) for n in range(20)]
    assert list(in_processes(square, [], 2)) == []


def test_an_item_that_crashes_its_process_is_named_and_the_others_are_done() -> None:
    results = dict(in_processes(partial(crash_at, bad=3), range(8), 2))
    assert results == {n: n for n in range(8) if n != 3} | {3: Crashed()}


def test_an_error_is_raised_here() -> None:
    with pytest.raises(DataError, match="5 is wrong"):
        list(in_processes(refuse, [5], 1))


def test_who_stops_early_waits_for_nobody(tmp_path: Path) -> None:
    start = time.monotonic()
    with closing(in_processes(partial(sleep, tmp_path), [0.0, 300.0, 300.0], 2)) as results:
        next(results)
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
    assert time.monotonic() - start < 100
    assert not multiprocessing.active_children()
