import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from praxiscope import files
from praxiscope.banks.bank import Bank
from praxiscope.errors import DataError, PraxiscopeError
from tests.banks.builds import MADE_BY, VIDEOS, fill, video_rows, writer

Built = tuple[Path, dict[str, list[int]]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("undisturbed") / "val.safetensors"
    fill(path).finish(VIDEOS)
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_bank_holds_what_was_added_second_by_second(tmp_path: Path) -> None:
    bank = fill(tmp_path / "val.safetensors").finish(VIDEOS)
    assert bank.videos() == tuple(VIDEOS)
    assert dict(bank.metadata) == MADE_BY
    for video in VIDEOS:
        seconds, features = video_rows(video)
        order = np.argsort(seconds, kind="stable")
        assert np.array_equal(bank.rows(video).seconds, seconds[order])
        assert np.array_equal(bank.rows(video).features, features[order].astype(np.float16))
    assert names(tmp_path) == ["val.safetensors"]


def test_the_order_of_writing_leaves_no_trace(tmp_path: Path, undisturbed: bytes) -> None:
    path = tmp_path / "x"
    fill(path, VIDEOS[::-1]).finish()
    assert path.read_bytes() == undisturbed


def test_a_finished_video_is_not_pending_and_a_stopped_build_goes_on(
    tmp_path: Path, undisturbed: bytes
) -> None:
    path = tmp_path / "x"
    fill(path, VIDEOS[4:7])
    with pytest.raises(DataError, match=r"6 of 9 videos are missing, the first is 'video 0'"):
        writer(path).finish(VIDEOS)
    assert writer(path).pending([*VIDEOS, *VIDEOS]) == [*VIDEOS[:4], *VIDEOS[7:]]
    assert not path.exists()
    fill(path).finish(VIDEOS)
    assert path.read_bytes() == undisturbed
    assert writer(path).pending([*VIDEOS, "new"]) == ["new"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A folder with a bank of each kind of build, and what each of them says."""
    folder = tmp_path_factory.mktemp("builds")
    command = [sys.executable, "-m", "tests.banks.builds", str(folder)]
    root = Path(__file__).parents[2]
    told = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, timeout=300)
    assert names(folder) == ["dying_at_every_step", "killed", "side_by_side"]
    return folder, json.loads(told.stdout)


def test_several_processes_make_the_same_bank(built: Built, undisturbed: bytes) -> None:
    folder, told = built
    assert told["side_by_side"] == [0, 0, 0]
    assert (folder / "side_by_side").read_bytes() == undisturbed


def test_a_build_killed_at_ten_moments_ends_with_the_bytes_of_an_undisturbed_one(
    built: Built, undisturbed: bytes
) -> None:
    folder, told = built
    assert len(told["killed"]) == 10
    assert told["killed"] == sorted(told["killed"])  # nothing that was done is lost
    assert (folder / "killed").read_bytes() == undisturbed


def test_a_build_that_dies_at_every_single_step_loses_nothing(
    built: Built, undisturbed: bytes
) -> None:
    folder, told = built
    history = told["dying_at_every_step"]
    assert len(history) > 6
    assert history == sorted(history) and history[-1] == len(VIDEOS)
    assert (folder / "dying_at_every_step").read_bytes() == undisturbed


def test_what_a_dead_process_left_is_told_from_finished_videos(
    tmp_path: Path, undisturbed: bytes
) -> None:
    path = tmp_path / "x"
    fill(path, VIDEOS[:2])
    part = writer(path)._parts()[0]
    part.with_name(f".{part.name}.0123abcd.tmp").write_bytes(part.read_bytes()[:100])
    part.with_name(".whole.0123abcd.tmp").write_bytes(b"half")
    assert len(writer(path).pending(VIDEOS)) == 7
    fill(path).finish(VIDEOS)
    assert path.read_bytes() == undisturbed
    assert names(tmp_path) == ["x"]


def test_a_finished_bank_is_not_changed(tmp_path: Path, undisturbed: bytes) -> None:
    path = tmp_path / "x"
    one = fill(path)
    one.finish()
    with pytest.raises(DataError, match="x is finished, so 'video 1' cannot be added"):
        one.add(VIDEOS[1], *video_rows(VIDEOS[1]))
    (tmp_path / "x.parts").mkdir()  # by a process that came late
    assert dict(writer(path).finish(VIDEOS).metadata) == MADE_BY
    assert path.read_bytes() == undisturbed
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"channels": 8}, "channels '16', this run has '8'"),
        ({"dtype": "float32"}, "dtype 'float16', this run has 'float32'"),
        ({"metadata": {**MADE_BY, "checkpoint": "abd"}}, "checkpoint 'abc', this run has 'abd'"),
        ({"metadata": {"model": "slowonly"}}, "checkpoint 'abc', this run has 'not given'"),
    ],
)
def test_a_build_does_not_go_on_with_another_network(
    tmp_path: Path, finished: bool, changes: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "x"
    one = fill(path, VIDEOS[:2])
    if finished:
        one.finish()
    with pytest.raises(DataError, match=reason) as caught:
        writer(path, **changes)
    assert str(path if finished else f"{path}.parts") in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "features", "reason"),
    [
        ([1], np.zeros((1, 8)), r"shape \(n, 16\), not \(1, 8\). Is the bank of another network"),
        ([1], np.zeros(16), r"shape \(n, 16\), not \(16,\)"),
        ([1, 2], np.zeros((1, 16)), "expected 1 whole seconds"),
        ([1.5], np.zeros((1, 16)), "whole seconds, one for each feature, not float64"),
        ([5, 4], np.full((2, 16), [[0.0], [np.nan]]), "feature of second 4 has NaN"),
        ([4], np.full((1, 16), 1e6), "number too large for float16"),
        ([2**40], np.zeros((1, 16)), "too far from 0"),
    ],
)
def test_rows_of_another_form_are_refused(
    tmp_path: Path, seconds: Any, features: Any, reason: str
) -> None:
    one = writer(tmp_path / "x")
    with pytest.raises(DataError, match=f"'v' cannot be added .*{reason}"):
        one.add("v", np.array(seconds), features)
    assert one.pending(["v"]) == ["v"]


def test_a_bank_without_videos_is_an_error(tmp_path: Path) -> None:
    for videos in ([], None):
        with pytest.raises(DataError, match="has no videos"):
            writer(tmp_path / "x").finish(videos)
    assert not (tmp_path / "x").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.parts").mkdir()
    (tmp_path / "x.parts" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds 'thesis.txt', which is no part of a bank"):
        writer(tmp_path / "x")
    (tmp_path / "y").write_text("not a bank")
    with pytest.raises(DataError, match="y is there, and no sound feature bank"):
        writer(tmp_path / "y")
    fill(tmp_path / "z").finish()
    (tmp_path / "z.parts").mkdir()
    (tmp_path / "z.parts" / "thesis.txt").write_text("mine")
    assert writer(tmp_path / "z").pending(VIDEOS) == []
    assert (tmp_path / "z.parts" / "thesis.txt").read_text() == "mine"


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    one = fill(tmp_path / "x", VIDEOS[:2])
    part = one._parts()[1]
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{part.name} is no feature bank, or a damaged one"):
        one.finish()
    assert not (tmp_path / "x").exists()


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "x"
    one = fill(path, VIDEOS[:-1])
    with monkeypatch.context() as full:
        full.setattr(files.os, "fsync", refuse)
        with pytest.raises(PraxiscopeError, match="could not be written: No space left on device"):
            one.add(VIDEOS[-1], *video_rows(VIDEOS[-1]))
        with pytest.raises(PraxiscopeError, match="could not be written: No space left on device"):
            one.finish()
    assert one.pending(VIDEOS) == [VIDEOS[-1]]
    fill(path).finish(VIDEOS)
    assert path.read_bytes() == undisturbed


def test_a_folder_that_refuses_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "file").touch()
    with pytest.raises(PraxiscopeError, match="cannot be used as a folder to write to"):
        writer(tmp_path / "file" / "x")
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PraxiscopeError, match=r"x.parts cannot be used .*: Read-only file system"):
        writer(tmp_path / "x")


def test_a_bank_is_opened_from_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "x"
    fill(path).finish()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert Bank(path).num_videos == 9
        assert writer(path).pending(VIDEOS) == []
    finally:
        tmp_path.chmod(0o755)


def test_a_bank_that_is_not_finished_says_so_where_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    writer(path).add(VIDEOS[0], *video_rows(VIDEOS[0]))
    with pytest.raises(DataError, match=r"is not finished: .*bank.parts has what is done"):
        Bank(path)
    writer(path).finish()
    Bank(path)


def test_a_damaged_part_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "whole").finish(VIDEOS)
    path = tmp_path / "bank"
    fill(path)
    part = next(iter((tmp_path / "bank.parts").glob("*.safetensors")))
    part.write_bytes(part.read_bytes()[:500])
    again = writer(path)
    assert len(again.pending(VIDEOS)) == 1
    assert f"{part} is damaged: its video is looked at once more." in caplog.text
    fill(path).finish(VIDEOS)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_name_of_a_recipe_does_not_part_builds(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    writer(path, metadata={**MADE_BY, "recipe": "one"}).add(VIDEOS[0], *video_rows(VIDEOS[0]))
    other = writer(path, metadata={**MADE_BY, "recipe": "its twin"})
    assert other.pending(VIDEOS) == VIDEOS[1:]
    assert other.finish().metadata["recipe"] == "its twin"
