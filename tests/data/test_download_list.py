"""Lists of files to download."""

import hashlib
from pathlib import Path

import pytest

from praxiscope.data.download_list import Wanted, read_download_list
from praxiscope.errors import DataError

SHA256, MD5 = hashlib.sha256(b"x").hexdigest(), hashlib.md5(b"x").hexdigest()


def read(folder: Path, text: str, name: str = "list.txt") -> list[Wanted]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_download_list(folder / name)


def test_a_line_is_an_address_a_name_and_checksums(tmp_path: Path) -> None:
    text = (
        "# all of them\n\nhttps://host/a/b%20c.zip?x=1#top\n"
        f"http://host/d d/e.zip SHA256:{SHA256.upper()}  # none\n"
        f"https://host:8443/f\tfolder/with space.zip\tsize:7\tmd5:{MD5}\t# half of it\r\n"
    ).replace("d d", "d%2fd")
    assert read(tmp_path, text) == [
        Wanted("https://host/a/b%20c.zip?x=1#top", "b c.zip"),
        Wanted("http://host/d%2fd/e.zip", "e.zip", sha256=SHA256),
        Wanted("https://host:8443/f", "folder/with space.zip", md5=MD5, size=7),
    ]


def test_a_csv_file_has_commas_and_perhaps_titles(tmp_path: Path) -> None:
    text = f'url,name,check\nhttps://host/a,"b, c.zip",sha256:{SHA256}\nhttps://host/d,,size:1\n'
    assert read(tmp_path, text, "list.csv") == [
        Wanted("https://host/a", "b, c.zip", sha256=SHA256),
        Wanted("https://host/d", "d", size=1),
    ]


def test_a_line_written_again_says_the_same(tmp_path: Path) -> None:
    wanted = Wanted("https://host/a", "b c/d.zip", SHA256, MD5, 5)
    assert read(tmp_path, wanted.line()) == [wanted]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("https://host/a ../a", "'../a' is no name of a file below the folder"),
        ("https://host/a b/../../a", "is no name"),
        ("https://host/a /etc/passwd", "'/etc/passwd' is no name"),
        ("https://host/a b\\..\\c", "is no name"),
        ("https://host/a%2F..", "'..' is no name"),
        ("https://host/", "'' is no name"),
        ("https://host/a\tb\x1b[2J", "not printable"),
        ("https://host/a " + "b" * 241, "too long"),
        ("https://host/a x.part", "used for something else"),
        ("https://host/a failed.txt", "used for something else"),
        ("file:///etc/passwd", "is no address"),
        ("https:///a", "is no address"),
        ("https://host:port/a", "is no address"),
        ("https://[::1/a", "is no address"),
        ("https://me:secret@host/a", "a user or a password is not taken"),
        ("https://host/a b c", "two fields for the name"),
        ("https://host/a sha256:12", "sha256 has 64 hex digits, not '12'"),
        ("https://host/a sha1:12", "expected sha256:HEX, md5:HEX or size:BYTES, not 'sha1:12'"),
        ("https://host/a size:-1", "a size is a number of bytes, not '-1'"),
        ("https://host/a size:x", "a size is a number of bytes, not 'x'"),
        ("https://host/a b\nhttps://host/c b", "clashes with that of line 2"),
        ("https://host/a b\nhttps://host/c b/c", "clashes with that of line 2"),
        ("https://host/a b/c\nhttps://host/c b", "clashes with that of line 2"),
        ("x" * 20000, "too long"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    number = 2 + line.count("\n")
    with pytest.raises(DataError, match=rf"list.txt, line {number}.*({message})"):
        read(tmp_path, f"# a list\n{line}\n")


def test_a_file_that_is_no_list_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no addresses"):
        read(tmp_path, "# none\n")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_download_list(tmp_path / "none.txt")
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="no text in UTF-8"):
        read_download_list(tmp_path / "x")
