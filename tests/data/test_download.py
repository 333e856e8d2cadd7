"""Single downloads, from a server on this machine that misbehaves."""

import errno
import hashlib
import io
import random
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from praxiscope.data.download import Downloader, DownloadStoppedError, Outcome
from praxiscope.data.download_list import Wanted
from praxiscope.errors import PraxiscopeError
from tests.zoo.server import Server, free_port_url, serving

pytestmark = pytest.mark.network

DATA = random.Random(0).randbytes(1_000_000)
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(files={"/x.zip": DATA}, etag='"1"')) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def wanted(server: Server, path: str = "/x.zip", **checks: Any) -> Wanted:
    return Wanted(f"{server.url}{path}", "of train/x.zip", **checks)


def fetch(folder: Path, one: Wanted, **options: Any) -> Outcome:
    waits: list[float] = []
    options = {"wait": waits.append, "timeout_seconds": 10, **options}
    return Downloader(folder, **options)(one)


def whole(folder: Path) -> bool:
    """Whether the file is there, and nothing else."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return found == [folder / "of train/x.zip"] and found[0].read_bytes() == DATA


def asked(server: Server) -> list[str | None]:
    return [span for _, span in server.requests]


def test_a_file_is_downloaded_once_and_checked(server: Server, tmp_path: Path) -> None:
    one = wanted(server, sha256=SHA256, md5=MD5, size=len(DATA))
    assert fetch(tmp_path, one) == Outcome("downloaded", len(DATA))
    assert whole(tmp_path)
    assert fetch(tmp_path, one) == Outcome("there", len(DATA))
    assert asked(server) == [None]


def test_a_cut_download_asks_for_the_rest_of_the_same_version(
    server: Server, tmp_path: Path
) -> None:
    server.cut_after = [400_000, 300_000]
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, "bytes=400000-", "bytes=700000-"]
    assert server.conditions == [None, '"1"', '"1"']


def test_a_later_run_goes_on_where_an_earlier_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after = [400_000]
    failed = fetch(tmp_path, wanted(server), retries=0)
    assert "sent 400000 of 1000000 bytes" in failed.problem
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, "bytes=400000-"]


def test_a_file_that_changed_on_the_server_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["/x.zip"] = bytes(len(DATA))
    server.cut_after = [400_000]
    fetch(tmp_path, wanted(server), retries=0)
    server.files["/x.zip"], server.etag = DATA, '"2"'
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)
    assert server.conditions == [None, '"1"']


def test_a_half_of_another_address_or_of_no_version_is_not_used(
    server: Server, tmp_path: Path
) -> None:
    server.files["/y.zip"] = bytes(len(DATA))
    server.cut_after = [400_000]
    fetch(tmp_path, wanted(server, "/y.zip"), retries=0)
    server.etag, server.cut_after = None, [400_000]
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, None, None]


def test_a_checksum_is_enough_to_go_on(server: Server, tmp_path: Path) -> None:
    server.etag, server.cut_after = None, [400_000]
    assert fetch(tmp_path, wanted(server, md5=MD5)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, "bytes=400000-"]


def test_a_wrong_half_is_found_out_and_downloaded_again(server: Server, tmp_path: Path) -> None:
    server.cut_after = [400_000]
    fetch(tmp_path, wanted(server, sha256=SHA256), retries=0)
    part = tmp_path / "of train/x.zip.part"
    part.write_bytes(bytes(part.stat().st_size))
    assert fetch(tmp_path, wanted(server, sha256=SHA256)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, "bytes=400000-", None]


@pytest.mark.parametrize("fault", ["ranges", "wrong_range"])
def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path, fault: str) -> None:
    setattr(server, fault, fault == "wrong_range")
    server.cut_after = [400_000]
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)


def test_a_part_that_is_too_long_starts_over(server: Server, tmp_path: Path) -> None:
    server.cut_after = [400_000]
    fetch(tmp_path, wanted(server), retries=0)
    with (tmp_path / "of train/x.zip.part").open("ab") as file:
        file.write(bytes(900_000))
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)


@pytest.mark.parametrize("check", ["sha256", "md5", "size"])
def test_what_is_not_what_the_list_says_leaves_nothing(
    server: Server, tmp_path: Path, check: str
) -> None:
    wrong = {"sha256": "0" * 64, "md5": "0" * 32, "size": 999_999}[check]
    outcome = fetch(tmp_path, wanted(server, **{check: wrong}))
    assert outcome.how == "failed"
    assert str(wrong) in outcome.problem
    assert len(server.requests) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_answer_of_unknown_length_ends_where_the_list_says(
    server: Server, tmp_path: Path
) -> None:
    server.silent = True
    assert "expected 10" in fetch(tmp_path, wanted(server, size=10)).problem
    assert fetch(tmp_path, wanted(server, size=len(DATA))).how == "downloaded"
    assert whole(tmp_path)


def test_another_file_in_its_place_is_not_replaced_unless_asked(
    server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "of train/x.zip"
    target.parent.mkdir()
    target.write_bytes(b"mine")
    one = wanted(server, md5=MD5)
    assert "x.zip is there, but its md5 is" in fetch(tmp_path, one).problem
    assert target.read_bytes() == b"mine"
    assert fetch(tmp_path, wanted(server)).how == "there"  # nothing says that it is another
    assert server.requests == []
    assert fetch(tmp_path, one, overwrite=True).how == "downloaded"
    assert whole(tmp_path)


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_errors_that_may_pass_are_waited_out_longer_and_longer(
    server: Server, tmp_path: Path, code: int
) -> None:
    server.errors, waits = [code] * 5, list[float]()
    assert fetch(tmp_path, wanted(server), wait=waits.append).how == "downloaded"
    assert all(2**i / 2 <= wait <= 2**i for i, wait in enumerate(waits))
    assert len(waits) == 5
    server.errors = [code] * 2
    (tmp_path / "of train/x.zip").unlink()
    assert f"answered {code}" in fetch(tmp_path, wanted(server), retries=1).problem


def test_a_server_says_when_it_wants_to_be_asked_again(server: Server, tmp_path: Path) -> None:
    server.errors, server.retry_after, waits = [429], "17", list[float]()
    assert fetch(tmp_path, wanted(server), wait=waits.append).how == "downloaded"
    assert waits == [17]
    (tmp_path / "of train/x.zip").unlink()
    server.errors, server.retry_after = [503], "soon"
    assert fetch(tmp_path, wanted(server), wait=waits.append).how == "downloaded"
    assert waits[1] <= 1
    (tmp_path / "of train/x.zip").unlink()
    server.errors, server.retry_after = [503], formatdate(4e9, usegmt=True)
    assert "wants to be asked again in" in fetch(tmp_path, wanted(server)).problem


def test_answers_that_make_no_sense_are_given_up(server: Server, tmp_path: Path) -> None:
    server.part_always = True
    assert "nobody asked for" in fetch(tmp_path, wanted(server), retries=2).problem
    assert len(server.requests) == 3
    server.part_always, server.silent = False, True
    server.headers = {"Content-Length": "9" * 5000}
    assert fetch(tmp_path, wanted(server, md5=MD5)).how == "downloaded"
    server.redirects["/old"] = "http://other/\x1b[2J"
    problem = fetch(tmp_path, wanted(server, "/old", md5="0" * 32), overwrite=True).problem
    assert "not followed" in problem
    assert problem.isprintable()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_other_refusals_fail_at_once(server: Server, tmp_path: Path, code: int) -> None:
    server.errors = [code]
    outcome = fetch(tmp_path, wanted(server))
    assert f"the server answered {code}" in outcome.problem
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_says_so(tmp_path: Path) -> None:
    one = Wanted(free_port_url(tmp_path / "x"), "x")
    assert "the last 3 attempts brought nothing" in fetch(tmp_path, one, retries=2).problem


def test_redirects_stay_on_the_host_or_lead_to_https(server: Server, tmp_path: Path) -> None:
    server.redirects["/old"] = "/x.zip"
    assert fetch(tmp_path, wanted(server, "/old")).how == "downloaded"
    (tmp_path / "of train/x.zip").unlink()
    for target in ("http://example.org/x.zip", "ftp://127.0.0.1/x", "file:///etc/passwd"):
        server.redirects["/old"] = target
        problem = fetch(tmp_path, wanted(server, "/old")).problem
        assert "not followed" in problem or "answered 302" in problem


def test_a_download_stops_when_told_and_keeps_what_is_there(server: Server, tmp_path: Path) -> None:
    stop = threading.Event()

    def tell(one: Wanted, done: int, total: int | None) -> None:
        assert total == len(DATA)
        if done:
            stop.set()

    with pytest.raises(DownloadStoppedError):
        fetch(tmp_path, wanted(server), stop=stop, tell=tell)
    kept = (tmp_path / "of train/x.zip.part").stat().st_size
    assert 0 < kept < len(DATA)
    assert fetch(tmp_path, wanted(server)).how == "downloaded"
    assert whole(tmp_path)
    assert asked(server) == [None, f"bytes={kept}-"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_ends_it_all_in_one_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(code, "No space left on device")

    whole_open = Path.open

    def open_full(path: Path, mode: str = "r", **options: Any) -> Any:
        return Full() if path.suffix == ".part" else whole_open(path, mode, **options)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(PraxiscopeError, match="x.zip could not be written: No space left"):
        fetch(tmp_path, wanted(server))


def test_what_is_in_the_way_is_one_files_failure(server: Server, tmp_path: Path) -> None:
    (tmp_path / "of train").write_bytes(b"")
    assert "could not be written" in fetch(tmp_path, wanted(server)).problem
    (tmp_path / "of train").unlink()
    (tmp_path / "of train/x.zip").mkdir(parents=True)
    assert "is in the way" in fetch(tmp_path, wanted(server)).problem
