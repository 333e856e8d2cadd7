"""What a stopped run noted is what the next one of its kind reads."""

import os
from pathlib import Path

from praxiscope.apps.journal import open_journal


def test_a_run_of_the_same_kind_goes_on_and_another_starts_anew(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    name = os.fsdecode(b"\xff.mp4")
    with open_journal(journal, "run a") as (before, note):
        assert before == ()
        note("one")
        note(name)
        assert journal.read_bytes() == b"run a\none\n\xff.mp4\n"  # whenever it is stopped
    with open_journal(journal, "run a") as (before, note):
        assert before == ("one", name)
        note("three")
    assert journal.read_bytes() == b"run a\none\n\xff.mp4\nthree\n"
    with open_journal(journal, "run b") as (before, _):
        assert before == ()
    assert journal.read_text() == "run b\n"


def test_a_line_that_is_cut_off_is_forgotten(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    for text, lines in (("run a\none\ntw", ("one",)), ("run a", ()), ("run", ()), ("", ())):
        journal.write_text(text)
        with open_journal(journal, "run a") as (before, note):
            assert before == lines
            note("two")
        assert journal.read_text() == "".join(f"{line}\n" for line in ("run a", *lines, "two"))
