"""A journal of what a run has done, so that the next one goes on where it was stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_journal(
    path: Path, run_of: str
) -> Iterator[tuple[tuple[str, ...], Callable[[str], None]]]:
    """Yield the lines that a stopped run of the same kind noted, and what notes another line.

    ``run_of`` is one line that says what the run does; notes of another run are forgotten. The file
    stays, for its caller to remove once the result is written.
    """
    first, lines = run_of, []
    if path.is_file():
        first, *lines = path.read_text("utf-8", "surrogateescape").split("\n")
    # the last line may be cut off
    before = tuple(lines[:-1]) if first == run_of else ()
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:

        def note(line: str) -> None:
            file.write(line + "\n")
            file.flush()

        note("\n".join((run_of, *before)))
        yield before, note
