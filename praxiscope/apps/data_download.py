"""``praxiscope data download``: files from a list of addresses, several at a time.

Imports are light: the command line shows the options of every command.
"""

import argparse
import queue
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from praxiscope.errors import PraxiscopeError

if TYPE_CHECKING:
    from praxiscope.apps.byte_progress import BytesProgress
    from praxiscope.data.download import Downloader, Outcome
    from praxiscope.data.download_list import Wanted

FAILED = 1  # exit status: some files could not be downloaded
SECONDS_TO_STOP = 1.0  # of threads that wait for a server: what they have is on disk
LOCK = ".download.lock"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the action is given."""
    add = parser.add_argument
    add(
        "list",
        type=Path,
        metavar="LIST",
        help="a text or csv file, a line for each file: its address and, if wanted, a name below "
        "FOLDER, sha256:HEX, md5:HEX, size:BYTES",
    )
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    add("--workers", type=int, default=4, metavar="N", help="files at a time (default: 4)")
    add(
        "--retries",
        type=int,
        default=5,
        metavar="N",
        help="failures in a row that are followed by another attempt (default: 5)",
    )
    add(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long a server may stay silent (default: 30)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="download anew what is there but does not agree with the list, or has no checksum",
    )
    add("--dry-run", action="store_true", help="ask no server, say what would be downloaded")


def download(args: argparse.Namespace) -> int:
    """Download the files; return the exit status: 1 if any failed.

    Raises:
        PraxiscopeError: The list is wrong, the disk is full or read-only, or another process
            downloads into the folder.
    """
    from filelock import FileLock, Timeout
    from rich.console import Console

    from praxiscope.apps.byte_progress import BytesProgress
    from praxiscope.checks import check_number, check_whole
    from praxiscope.data.download import Downloader
    from praxiscope.data.download_list import read_download_list
    from praxiscope.files import check_folder

    check_whole(args.workers, "--workers", most=64)
    check_whole(args.retries, "--retries", least=0)
    check_number(args.timeout, "--timeout", 0.01, 86400)
    wanted = read_download_list(args.list)
    console = Console(stderr=True)
    progress = BytesProgress(wanted, console)
    downloader = Downloader(
        args.out,
        retries=args.retries,
        timeout_seconds=args.timeout,
        overwrite=args.overwrite,
        tell=progress.tell,
    )
    if args.dry_run:
        return _show(downloader, wanted)
    check_folder(args.out)
    try:
        with FileLock(args.out / LOCK, timeout=0):
            return _download(downloader, wanted, args.workers, progress)
    except Timeout:
        raise PraxiscopeError(
            f"Another process downloads into {args.out}: wait for it, or choose another folder."
        ) from None


def _download(
    downloader: "Downloader", wanted: "Sequence[Wanted]", workers: int, progress: "BytesProgress"
) -> int:
    outcomes: dict[Wanted, Outcome] = {}
    try:
        with progress, closing(_in_threads(downloader, wanted, workers)) as results:
            for one, outcome in results:
                outcomes[one] = outcome
                progress.end(one, outcome)
    finally:
        status = _summary(downloader.folder, wanted, outcomes)
    return status


def _in_threads(
    downloader: "Downloader", wanted: "Sequence[Wanted]", workers: int
) -> "Generator[tuple[Wanted, Outcome], None, None]":
    """Yield outcomes as they come; closed early, it stops the downloads.

    The threads are daemons: one that waits for a silent server must not keep Ctrl-C waiting.
    """
    waiting: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Wanted, Outcome | BaseException]] = queue.SimpleQueue()
    for one in wanted:
        waiting.put(one)

    def work() -> None:
        while not downloader.stop.is_set():
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((one, downloader(one)))
            except BaseException as error:  # raised again where it can be seen
                done.put((one, error))

    count = min(workers, len(wanted))
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        for _ in wanted:
            one, outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield one, outcome
    finally:
        downloader.stop.set()
        end = time.monotonic() + SECONDS_TO_STOP
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0.0))


def _show(downloader: "Downloader", wanted: "Sequence[Wanted]") -> int:
    """Print what would be done; return 1 if something is in the way."""
    counts: Counter[str] = Counter()
    for one in wanted:
        there = downloader.is_there(one)
        counts[there.how if there else "to download"] += 1
        if there is None:
            print(f"{one.address} -> {downloader.folder / one.name}")
        elif there.how == "failed":
            print(f"failed: {there.problem}")
    print(
        f"{len(wanted)} files: {counts['to download']} to download, {counts['there']} there "
        f"already, {counts['failed']} failed."
    )
    return FAILED if counts["failed"] else 0


def _summary(folder: Path, wanted: "Sequence[Wanted]", outcomes: "dict[Wanted, Outcome]") -> int:
    """Print a table of what was done, write the lines to try again; return the exit status."""
    from rich.console import Console
    from rich.table import Table

    from praxiscope.apps.byte_progress import in_bytes
    from praxiscope.apps.printing import print_line
    from praxiscope.data.download_list import FAILED_LIST
    from praxiscope.files import write_atomically

    console = Console()
    table = Table("", "files", "size")
    for how in ("downloaded", "there", "failed"):
        of_kind = [outcome for outcome in outcomes.values() if outcome.how == how]
        size = in_bytes(sum(outcome.size for outcome in of_kind))
        table.add_row(how, str(len(of_kind)), size if how != "failed" else "")
    left = len(wanted) - len(outcomes)
    if left:
        table.add_row("not finished", str(left), "")
    console.print(table)
    failed = [
        (one, " ".join(outcomes[one].problem.split()))  # a comment ends with its line
        for one in wanted
        if one in outcomes and outcomes[one].how == "failed"
    ]
    path = folder / FAILED_LIST
    if failed:
        text = "".join(f"# {problem}\n{one.line()}\n" for one, problem in failed)
    else:
        text = "# Nothing failed.\n"
    if failed or (path.exists() and not left):
        write_atomically(path, lambda file: file.write(text.encode()))
    if failed:
        print_line(console, f"{path} lists the {len(failed)} that failed: give it as LIST.")
    return FAILED if failed else 0
