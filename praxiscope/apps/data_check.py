"""``praxiscope data check``: videos read and decoded, and what is wrong with them."""

import argparse
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from praxiscope.apps.journal import open_journal
from praxiscope.apps.parallel import Crashed, in_processes
from praxiscope.apps.printing import print_line
from praxiscope.checks import check_whole
from praxiscope.data.batch import num_cores
from praxiscope.data.check_file import REMARKS, UNUSABLE, Finding, check_file
from praxiscope.data.integrity import is_readable
from praxiscope.data.transcode.sources import find_videos
from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.progress import CountProgress

SOME_UNUSABLE = 1  # exit status

Findings = tuple[Finding, ...]


def data_check(args: argparse.Namespace) -> int:
    """Check the videos, write the report, and remove broken files if asked to; return the status.

    A run that is stopped leaves a journal beside the report: the next one checks again what was
    unusable and what has changed since, and otherwise only what is left.
    """
    workers = num_cores() if args.workers is None else args.workers
    check_whole(workers, "--workers")
    check_writable(args.out, (".csv", ".json"))
    if args.broken is not None:
        check_writable(args.broken, (".txt",))
    given = (video for source in args.sources for video in find_videos(source, prefix=args.prefix))
    videos = list(dict.fromkeys(given))
    journal = args.out.with_name(f"{args.out.name}.checked")
    work = partial(check_file, every_frame=args.every_frame)
    with open_journal(journal, f"data check every_frame={args.every_frame}") as (lines, note):
        found = _unchanged(videos, lines)
        if found:
            print(f"{len(found)} videos were checked before; {journal} lists them.")
        left = [video for video in videos if video not in found]
        found |= _check(left, work, workers, note)
    found = {video: found[video] for video in videos}  # in the order given
    unusable = [video for video, findings in found.items() if _is_unusable(findings)]
    _write_report(args.out, found)
    if args.broken is not None:
        _write_text(args.broken, "".join(f"{video}\n" for video in unusable))
    journal.unlink()
    console = Console()
    _print_summary(console, found)
    for path in (args.out, args.broken):
        if path is not None:
            print_line(console, f"wrote {path}")
    if args.remove:
        _remove(console, unusable)
    return SOME_UNUSABLE if unusable else 0


def _check(
    videos: Sequence[Path],
    work: Callable[[Path], Findings],
    workers: int,
    note: Callable[[str], None],
) -> dict[Path, Findings]:
    """Return what is found in the videos, noting those that can be used as they are done."""
    console = Console(stderr=True)
    found: dict[Path, Findings] = {}
    with (
        CountProgress("check", len(videos), unit="videos", console=console) as progress,
        closing(in_processes(work, videos, workers)) as results,
    ):
        for video, findings in results:
            if isinstance(findings, Crashed):
                text = f"{video} crashed the process that read it: leave it out."
                findings = (Finding("unreadable", text),)
            found[video] = findings
            if not _is_unusable(findings):
                note(_line(video, findings))
            for finding in findings:
                if finding.is_unusable:
                    print_line(console, f"{finding.kind}: {finding.text}")
            progress.advance(1)
    return found


def _is_unusable(findings: Findings) -> bool:
    return any(finding.is_unusable for finding in findings)


def _state(video: Path) -> list[int]:
    """Return what changes when a file does."""
    status = video.stat()
    return [status.st_size, status.st_mtime_ns]


def _line(video: Path, findings: Findings) -> str:
    """Return the line of the journal about a video that can be used."""
    try:
        state = _state(video)
    except OSError:  # gone since
        state = []
    return json.dumps([str(video), state, [[finding.kind, finding.text] for finding in findings]])


def _unchanged(videos: Sequence[Path], lines: Sequence[str]) -> dict[Path, Findings]:
    """Return what the journal's lines say about those of the videos that are as they were."""
    wanted, found = set(videos), {}
    for line in lines:
        try:
            name, state, findings = json.loads(line)
            video = Path(name)
            if video in wanted and _state(video) == state:
                found[video] = tuple(Finding(str(kind), str(text)) for kind, text in findings)
        except (ValueError, TypeError, OSError):  # a line of another hand, or the video is gone
            continue
    return found


def _write_report(path: Path, found: Mapping[Path, Findings]) -> None:
    """Write every finding: its file, its kind, whether it makes the file unusable, a sentence."""
    rows = [
        {
            "path": str(video),
            "kind": finding.kind,
            "unusable": finding.is_unusable,
            "text": finding.text,
        }
        for video, findings in found.items()
        for finding in findings
    ]
    if path.suffix == ".json":
        text = json.dumps({"videos": len(found), "findings": rows}, indent=2) + "\n"
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ("path", "kind", "unusable", "text"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = buffer.getvalue()
    _write_text(path, text)


def _write_text(path: Path, text: str) -> None:
    # A name of a file need not be UTF-8: its bytes are kept.
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))


def _print_summary(console: Console, found: Mapping[Path, Findings]) -> None:
    counts = Counter(finding.kind for findings in found.values() for finding in findings)
    if counts:
        table = Table("", "videos", "kind", "what it is")
        table.columns[1].justify = "right"
        for name, kinds in (("unusable", UNUSABLE), ("remark", REMARKS)):
            for kind, meaning in kinds.items():
                if counts[kind]:
                    table.add_row(name, str(counts[kind]), kind, meaning)
        console.print(table)
    unusable = sum(map(_is_unusable, found.values()))
    remarked = sum(bool(findings) and not _is_unusable(findings) for findings in found.values())
    others = f", {remarked} have remarks" if remarked else ""
    print_line(console, f"{len(found)} videos: {unusable} cannot be used{others}.")


def _remove(console: Console, videos: Sequence[Path]) -> None:
    """Delete files, but for those whose bytes cannot be read: these may be sound."""
    count = 0
    for video in videos:
        if not video.is_file() or not is_readable(video):
            print_line(console, f"kept {video}: it is no file whose bytes can be read.")
            continue
        try:
            video.unlink()
        except OSError as error:
            raise PraxiscopeError(f"{video} could not be deleted: {error.strerror}.") from error
        count += 1
        print_line(console, f"deleted {video}")
    print_line(console, f"Deleted {count} files.")
