"""``praxiscope data download`` as it is called, with a server on this machine."""

import hashlib
import io
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from praxiscope.apps import data_download
from praxiscope.apps.byte_progress import BytesProgress, in_bytes
from praxiscope.cli import main
from praxiscope.data.download import Downloader, Outcome
from praxiscope.data.download_list import Wanted
from tests.zoo.server import Server, serving

pytestmark = pytest.mark.network

FILES = {f"/{name}.zip": random.Random(name).randbytes(50_000) for name in "abc"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Server(files=dict(FILES), etag='"1"')) as running:
        yield running


def write_list(folder: Path, server: Server, *lines: str) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{server.url}{line}\n" for line in lines))
    return path


def download(path: Path, out: Path, *options: str) -> int:
    return main(["data", "download", str(path), "--out", str(out), *options])


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != data_download.LOCK
    )


def test_all_files_of_a_list_are_downloaded_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(FILES["/a.zip"]).hexdigest()
    path = write_list(tmp_path, server, f"/a.zip x/1.zip sha256:{digest}", "/b.zip", "/c.zip")
    out = tmp_path / "out"
    assert download(path, out, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert f"{server.url}/a.zip -> {out}/x/1.zip\n" in shown
    assert "3 files: 3 to download, 0 there already, 0 failed.\n" in shown
    assert not out.exists()
    assert server.requests == []
    assert download(path, out) == 0
    assert names(out) == ["b.zip", "c.zip", "x/1.zip"]
    assert (out / "x/1.zip").read_bytes() == FILES["/a.zip"]
    assert "150.0 kB" in capsys.readouterr().out
    assert download(path, out) == 0
    assert len(server.requests) == 3


def test_what_failed_is_a_list_to_try_again(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del server.files["/b.zip"]
    path = write_list(tmp_path, server, "/a.zip", "/b.zip\tof train/b.zip\tsize:50000", "/c.zip")
    out = tmp_path / "out"
    assert download(path, out) == 1
    said = capsys.readouterr()
    assert (
        f"failed: {server.url}/b.zip could not be downloaded: the server answered 404" in said.err
    )
    assert f"{out}/failed.txt lists the 1 that failed" in said.out
    assert names(out) == ["a.zip", "c.zip", "failed.txt"]
    reason, line = (out / "failed.txt").read_text().splitlines()
    assert reason.startswith(
        f"# {server.url}/b.zip could not be downloaded: the server answered 404"
    )
    assert line == f"{server.url}/b.zip\tof train/b.zip\tsize:50000"
    server.files["/b.zip"] = FILES["/b.zip"]
    assert download(out / "failed.txt", out) == 0
    assert (out / "of train/b.zip").read_bytes() == FILES["/b.zip"]
    assert (out / "failed.txt").read_text() == "# Nothing failed.\n"


def test_user_mistakes_are_one_sentence(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_list(tmp_path, server, "/a.zip ../a.zip")
    assert download(path, tmp_path / "out") == 2
    assert "list.txt, line 1: '../a.zip' is no name" in capsys.readouterr().err
    path = write_list(tmp_path, server, "/a.zip")
    assert download(path, tmp_path / "out", "--workers", "0") == 2
    assert "--workers must be a whole number from 1 to 64" in capsys.readouterr().err
    assert download(path, path) == 2
    assert "cannot be used as a folder" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / data_download.LOCK):
        assert download(path, tmp_path / "out") == 2
    assert "Another process downloads into" in capsys.readouterr().err
    assert server.requests == []


def test_the_end_does_not_wait_for_a_silent_server(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_download, "SECONDS_TO_STOP", 0.05)
    downloader = Downloader(tmp_path, timeout_seconds=20)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        wanted = [Wanted(f"http://127.0.0.1:{port}/s", "s"), Wanted(f"{server.url}/a.zip", "a")]
        results = data_download._in_threads(downloader, wanted, 2)
        assert next(results) == (wanted[1], Outcome("downloaded", 50_000))
        started = time.monotonic()
        results.close()
        assert time.monotonic() - started < 5
    assert downloader.stop.is_set()


def test_ctrl_c_keeps_what_is_there_and_ends_as_stopped(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(self: BytesProgress, wanted: Wanted, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    path = write_list(tmp_path, server, "/a.zip", "/b.zip", "/c.zip")
    with monkeypatch.context() as patch:
        patch.setattr(BytesProgress, "end", interrupt)
        assert download(path, tmp_path / "out", "--workers", "1") not in (0, 1, 2)
    said = capsys.readouterr()
    assert "not finished" in said.out
    assert "stopped." in said.err
    assert "a.zip" in names(tmp_path / "out")
    assert download(path, tmp_path / "out") == 0
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")} == {
        name[1:]: data for name, data in FILES.items()
    }


def test_the_time_left_is_that_of_all_files_together() -> None:
    files = [Wanted("http://x/a", "a", size=100), Wanted("http://x/b", "b")]
    files.append(Wanted("http://x/c", "c"))
    console, now = Console(file=io.StringIO(), width=200), [0.0]
    with BytesProgress(files, console, clock=lambda: now[0]) as progress:
        assert progress.total == 300  # two as large as the one that is known
        progress.tell(files[1], 40, 300)  # from an earlier run
        assert (progress.done, progress.total) == (40, 600)
        now[0] = 100.0
        progress.tell(files[1], 240, 300)  # 2 bytes a second; a line a minute
        progress.tell(files[1], 0, 300)  # the server starts over
        assert progress.done == 0
        progress.end(files[1], Outcome("failed", problem="b is [odd]."))
        progress.end(files[0], Outcome("there", 100))
        assert (progress.done, progress.total) == (100, 150)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "download: 0/3 files, 240 B of 600 B, 2 B/s, 180 s left",
        "failed: b is [odd].",
    ]


def test_bytes_are_said_in_round_numbers() -> None:
    said = [in_bytes(count) for count in (0, 999, 1500, 2e6, 3.25e9, 4e12, 5e15)]
    assert said == ["0 B", "999 B", "1.5 kB", "2.0 MB", "3.2 GB", "4.0 TB", "5000.0 TB"]
