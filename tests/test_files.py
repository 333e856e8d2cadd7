import errno
import io
import resource
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_by_the_new_bytes_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.ckpt"
    write_atomically(path, lambda file: file.write(b"first, longer") and None)
    write_atomically(path, lambda file: file.write(b"second") and None)
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["last.ckpt"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # readable by the group


def full_disk(file: BinaryIO) -> None:
    file.write(b"half a check")
    raise OSError(errno.ENOSPC, "No space left on device")


class FullAfter(io.RawIOBase):
    """A file on a disk with ``room`` bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        self.room -= size
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return size


def torch_on_a_full_disk(file: BinaryIO) -> None:
    torch.save({"w": torch.zeros(1000)}, FullAfter(2000))


@pytest.mark.parametrize("write", [full_disk, torch_on_a_full_disk])
def test_a_full_disk_keeps_the_previous_file(tmp_path: Path, write: object) -> None:
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"previous")
    with pytest.raises(PraxiscopeError, match="No space left on device") as caught:
        write_atomically(path, write)  # type: ignore[arg-type]
    assert str(path) in str(caught.value)
    assert "The previous file is unchanged." in str(caught.value)
    assert path.read_bytes() == b"previous"
    assert names(tmp_path) == ["best.ckpt"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_no_trace(tmp_path: Path, kind: type[BaseException]) -> None:
    def stop(file: BinaryIO) -> None:
        file.write(b"half")
        raise kind("stop")

    path = tmp_path / "best.ckpt"
    with pytest.raises(kind, match="stop"):
        write_atomically(path, stop)
    assert names(tmp_path) == []


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PraxiscopeError, match="could not be written"):
        write_atomically(tmp_path, lambda file: None)
    (tmp_path / "file").touch()
    with pytest.raises(PraxiscopeError, match="could not be written"):
        write_atomically(tmp_path / "file" / "x", lambda file: None)


def test_a_real_limit_on_file_size_keeps_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    code = f"""
import torch
from praxiscope.files import write_atomically
from praxiscope.errors import PraxiscopeError
write_atomically({str(path)!r}, lambda file: torch.save({{"w": torch.zeros(10)}}, file))
try:
    write_atomically({str(path)!r}, lambda file: torch.save({{"w": torch.zeros(10**6)}}, file))
except PraxiscopeError as error:
    print(error)
print(torch.load({str(path)!r})["w"].shape)
"""

    def limit() -> None:  # Python ignores SIGXFSZ, so writing fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    found = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, check=True
    )
    assert f"{path} could not be written: File too large." in found.stdout
    assert found.stdout.endswith("torch.Size([10])\n")
    assert names(tmp_path) == ["best.ckpt"]
