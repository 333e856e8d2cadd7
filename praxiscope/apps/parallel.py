"""Work on many items in several processes; one that crashes takes no others with it."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Crashed:
    """Stands in a result's place where an item ended the process that worked on it."""


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Generator[tuple[Item, Result | Crashed], None, None]:
    """Yield every item with ``work(item)``, in the order in which they are finished.

    Items are taken as they are needed. What ``work`` raises is raised here. A file can crash the
    library that reads it, and with it the process: then the items that were being worked on are
    tried again, each in a process of its own, and the one that ends it again gives
    :class:`Crashed`. Closing the iterator, Ctrl-C and SIGTERM end the processes at once.

    ``work`` and the items must be picklable.
    """
    remaining = iter(items)
    running: dict[Future[Result], Item] = {}
    others = set(multiprocessing.active_children())
    with _handling(signal.SIGTERM, _interrupt):  # else the others would wait for ever
        executor = _executor(processes)
        try:
            while True:
                lost: list[Item] = []
                for item in remaining:
                    try:
                        running[executor.submit(work, item)] = item
                    except BrokenProcessPool:
                        lost.append(item)
                    if lost or len(running) >= 2 * processes:
                        break
                if not running and not lost:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                if lost or any(_is_lost(future) for future in done):
                    done, _ = wait(running)  # the others are lost as well, or finished
                for future in [one for one in running if one in done]:  # in order, where it can be
                    item = running.pop(future)
                    if _is_lost(future):
                        lost.append(item)
                    else:
                        yield item, future.result()
                if lost:
                    executor.shutdown()
                    for item in lost:
                        with _executor(1) as alone:
                            again = alone.submit(work, item)
                            wait([again])
                            yield item, Crashed() if _is_lost(again) else again.result()
                    executor = _executor(processes)
        finally:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            executor.shutdown(cancel_futures=True)


def _is_lost(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _executor(processes: int) -> ProcessPoolExecutor:
    # Never by a fork of this process, whose threads might hold locks.
    known = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in known else "spawn")
    executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    # Ctrl-C reaches every process of a terminal. The new ones inherit that it is ignored, so that
    # it cannot interrupt their imports; this takes a fraction of a second.
    with _handling(signal.SIGINT, signal.SIG_IGN):
        executor.submit(int)  # starts them
    return executor


def _begin() -> None:
    """Keep a process to its own core, and leave Ctrl-C to the main one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


@contextmanager
def _handling(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Handle a signal otherwise for a while; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
