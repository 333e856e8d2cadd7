import errno
import hashlib
import io
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from praxiscope.errors import CheckpointError
from praxiscope.zoo.download import cache_folder, expected_digest, fetch_checkpoint
from tests.zoo.server import Server, free_port_url, serving

pytestmark = pytest.mark.network

DATA = random.Random(0).randbytes(3_000_000)
NAME = f"slowonly_20200704-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(files={f"/{NAME}": DATA})) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fetch(url: str, cache: Path, **options: Any) -> Path:
    return fetch_checkpoint(url, cache, wait_seconds=0.01, timeout_seconds=10, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_is_fetched_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/{NAME}"
    path = fetch(url, tmp_path / "cache")
    assert path == tmp_path / "cache" / NAME
    assert path.read_bytes() == DATA
    assert fetch(url, tmp_path / "cache") == path
    assert server.requests == [(f"/{NAME}", None)]
    assert names(tmp_path / "cache") == [NAME]


def test_a_cut_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000, 500_000]
    path = fetch(f"{server.url}/{NAME}", tmp_path)
    assert path.read_bytes() == DATA
    asked = [wanted for _, wanted in server.requests]
    assert asked == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_later_call_goes_on_where_an_earlier_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000]
    with pytest.raises(CheckpointError, match=r"in 1 attempts: the server sent 1000000 of 3000000"):
        fetch(f"{server.url}/{NAME}", tmp_path, attempts=1)
    assert names(tmp_path) == [f"{NAME}.part"]
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA
    assert server.requests[-1][1] == "bytes=1000000-"
    assert names(tmp_path) == [NAME]


def test_of_several_that_want_a_file_one_downloads_it(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: fetch(f"{server.url}/{NAME}", tmp_path), range(4)))
    assert paths == {tmp_path / NAME}
    assert (tmp_path / NAME).read_bytes() == DATA
    assert len(server.requests) == 1


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut_after = False, [1_000_000]
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA
    assert len(server.requests) == 2


def test_a_server_that_goes_on_elsewhere_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.wrong_range, server.cut_after = True, [1_000_000]
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == [None, "bytes=1000000-", None]


@pytest.mark.parametrize("size", [1_000_000, len(DATA), len(DATA) + 7])
def test_a_wrong_half_from_before_is_thrown_away(server: Server, tmp_path: Path, size: int) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(size))
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA
    assert names(tmp_path) == [NAME]


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA[:-1])
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA


def test_a_wrong_digest_names_both_and_removes_the_file(server: Server, tmp_path: Path) -> None:
    server.files["/x-00000000.pth"] = DATA
    found = hashlib.sha256(DATA).hexdigest()[:8]
    with pytest.raises(CheckpointError, match=f"begins with {found}, expected 00000000"):
        fetch(f"{server.url}/x-00000000.pth", tmp_path)
    assert names(tmp_path) == []
    assert len(server.requests) == 1


def test_a_name_without_digest_is_taken_from_the_cache(server: Server, tmp_path: Path) -> None:
    server.files["/labels.txt"] = b"abseiling 0\n"
    (tmp_path / "labels.txt.part").write_bytes(b"another")
    assert fetch(f"{server.url}/labels.txt", tmp_path).read_bytes() == b"abseiling 0\n"
    fetch(f"{server.url}/labels.txt", tmp_path)
    assert server.requests == [("/labels.txt", None)]


def test_a_missing_file_is_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the server answered 404"):
        fetch(f"{server.url}/none.pth", tmp_path)
    assert len(server.requests) == 1


def test_a_server_error_is_waited_out(server: Server, tmp_path: Path) -> None:
    server.errors = [503, 500]
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == DATA
    assert len(server.requests) == 3


def test_lasting_server_errors_end_in_one_sentence(server: Server, tmp_path: Path) -> None:
    server.errors = [503] * 9
    with pytest.raises(CheckpointError, match=r"in 3 attempts: the server answered 503"):
        fetch(f"{server.url}/{NAME}", tmp_path, attempts=3)
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_says_so(tmp_path: Path) -> None:
    put = rf"or put the file at {re.escape(str(tmp_path / 'cache' / NAME))} yourself"
    with pytest.raises(CheckpointError, match=rf"could not be downloaded in 2 attempts: .* {put}"):
        fetch(free_port_url(tmp_path / NAME), tmp_path / "cache", attempts=2)


def test_a_redirect_within_http_is_followed(server: Server, tmp_path: Path) -> None:
    server.redirects[f"/old/{NAME}"] = f"/{NAME}"
    assert fetch(f"{server.url}/old/{NAME}", tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_another_scheme_is_refused(
    server: Server, tmp_path: Path, target: str
) -> None:
    server.redirects[f"/old/{NAME}"] = target
    with pytest.raises(CheckpointError, match=r"not followed|answered 302"):
        fetch(f"{server.url}/old/{NAME}", tmp_path)
    assert names(tmp_path) == []


def test_a_file_address_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "folder with space" / NAME
    source.parent.mkdir()
    source.write_bytes(DATA)
    assert fetch(source.as_uri(), tmp_path / "cache").read_bytes() == DATA
    source.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        fetch(source.as_uri(), tmp_path / "other")


@pytest.mark.parametrize("url", ["ftp://x/y.pth", "data:,x", "y.pth", "https://host/"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(CheckpointError, match="is no address of a file"):
        fetch(url, tmp_path)


def test_a_full_disk_says_so(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    whole_open = Path.open

    def open_full(path: Path, mode: str = "r", **options: Any) -> Any:
        return Full() if path.suffix == ".part" else whole_open(path, mode, **options)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(CheckpointError, match="could not be written: No space left on device"):
        fetch(f"{server.url}/{NAME}", tmp_path)


def test_the_environment_chooses_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "mine"))
    assert fetch_checkpoint(f"{server.url}/{NAME}") == tmp_path / "mine" / NAME
    monkeypatch.delenv("PRAXISCOPE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "praxiscope" / "checkpoints"


def test_only_the_end_of_a_name_is_a_digest() -> None:
    assert expected_digest("slowonly_jester_rgb-b56a5389.pth") == "b56a5389"
    assert expected_digest("slowonly_20200704-a69556c6.pth") == "a69556c6"
    assert expected_digest("kinetics_class2ind.txt") is None
    assert expected_digest("x-B56A5389Z.pth") is None
