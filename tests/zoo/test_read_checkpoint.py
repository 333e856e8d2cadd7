import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxiscope.errors import CheckpointError
from praxiscope.pickles.inert import Placeholder
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from tests.zoo.files import LEGACY, mmengine_checkpoint, weights


def assert_same(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("options", [{}, LEGACY, {"pickle_protocol": 4}], ids=str)
def test_a_torch_file_gives_the_tensors_that_torch_reads(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    saved = dict(weights())
    saved |= {"transposed": base.T, "tail": base[1:, ::2], "same": base, "empty": base[:0]}
    saved |= {"scalar": torch.tensor(3), "mask": base > 3, "parameter": torch.nn.Parameter(base)}
    saved |= {"complex": torch.tensor([1 + 2j]), "byte": base.to(torch.uint8)}
    path = tmp_path / "weights.jpg"  # the name decides nothing
    torch.save({"state_dict": saved}, path, **options)
    read_by_torch = torch.load(path, weights_only=False)["state_dict"]
    assert_same(read_checkpoint_file(path)["state_dict"], read_by_torch)


@pytest.mark.parametrize("options", [{}, LEGACY, {"pickle_protocol": 4}], ids=str)
def test_a_file_of_mmengine_loads_without_mmengine(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "epoch_12.pth"
    expected = mmengine_checkpoint(path, **options)
    content: Any = read_checkpoint_file(path)
    assert_same(content["state_dict"], expected)
    assert content["meta"]["dataset_meta"]["classes"] == ("abseiling", "air drumming")
    assert (content["meta"]["epoch"], content["meta"]["seed"]) == (12, 1234)
    assert content["meta"]["lr"] == 0.1
    buffer = content["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(buffer, Placeholder)
    assert buffer.origin == "mmengine.logging.history_buffer.HistoryBuffer"


def test_numpy_before_and_after_version_2_reads_alike(tmp_path: Path) -> None:
    path = tmp_path / "numbers.pth"
    torch.save({"x": torch.ones(1), "n": np.float32(0.5), "a": np.eye(2)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    new = next(data for name, data in entries.items() if name.endswith("data.pkl"))
    assert b"numpy._core.multiarray" in new
    with zipfile.ZipFile(tmp_path / "old.pth", "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data.replace(b"numpy._core", b"numpy.core"))
    for file in ("numbers.pth", "old.pth"):
        content: Any = read_checkpoint_file(tmp_path / file)
        assert content["n"] == 0.5
        assert np.array_equal(content["a"], np.eye(2))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([True, False]),
        np.array(["air drumming", "zumba"]),
        np.arange(3, dtype=">i4"),
        np.empty((0, 4), dtype=np.float32),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_read_as_numpy_wrote_them(
    tmp_path: Path, protocol: int, array: "np.ndarray[Any, Any]"
) -> None:
    torch.save({"x": torch.ones(1), "a": array}, tmp_path / "a.pth", pickle_protocol=protocol)
    found: Any = read_checkpoint_file(tmp_path / "a.pth")["a"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_an_array_of_objects_is_a_placeholder(tmp_path: Path) -> None:
    array = np.array([{"a": 1}, None], dtype=object)
    torch.save({"x": torch.ones(1), "a": array}, tmp_path / "a.pth")
    assert isinstance(read_checkpoint_file(tmp_path / "a.pth")["a"], Placeholder)


def test_safetensors_read_with_their_text_entries(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    save_file(dict(weights()), path, metadata={"format": "pt"})
    content: Any = read_checkpoint_file(path)
    assert content["meta"] == {"format": "pt"}
    assert content["state_dict"].keys() == weights().keys()
    assert all(torch.equal(content["state_dict"][name], t) for name, t in weights().items())
    assert checkpoint_format(path) == "safetensors"


def test_containers_that_hold_themselves_are_read(tmp_path: Path) -> None:
    content: dict[str, Any] = {"x": torch.ones(2), "list": []}
    content["list"].append((content, content["list"]))
    torch.save(content, tmp_path / "loop.pth")
    found: Any = read_checkpoint_file(tmp_path / "loop.pth")
    assert torch.equal(found["list"][0][0]["x"], torch.ones(2))
    assert found["list"][0][1] is found["list"]


def no_checkpoint(folder: Path, kind: str) -> Path:
    path = folder / "thing.pth"
    whole = folder / "whole.pth"
    torch.save(weights(), whole)
    match kind:
        case "text":
            path.write_text("state_dict: none\n" * 99)
        case "jpg":
            path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
        case "web page":
            path.write_text("<!DOCTYPE html><html>404</html>")
        case "empty":
            path.touch()
        case "short":
            path.write_bytes(b"PK")
        case "folder":
            path.mkdir()
        case "truncated zip":
            path.write_bytes(whole.read_bytes()[:-400])
        case "truncated legacy":
            torch.save(weights(), whole, _use_new_zipfile_serialization=False)
            path.write_bytes(whole.read_bytes()[:-40])
        case "other zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("readme.txt", "hello")
        case "flipped bit":
            data = bytearray(whole.read_bytes())
            data[data.index(weights()["backbone.conv1.weight"].numpy().tobytes()) + 5] ^= 1
            path.write_bytes(data)
        case "damaged safetensors":
            save_file(dict(weights()), whole)
            path.write_bytes(whole.read_bytes()[:-9])
        case "pickled list":
            path.write_bytes(pickle.dumps([1, 2]))
        case "saved list":
            torch.save([1, 2], path)
        case "no tensors":
            torch.save({"state_dict": {"a": 1}}, path)
        case "TorchScript":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a/data.pkl", pickle.dumps({}))
                archive.writestr("a/constants.pkl", pickle.dumps(()))
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "does not exist"),
        ("text", r"is no checkpoint: it starts with b'state_di'"),
        ("jpg", "is no checkpoint: it starts with"),
        ("web page", "is no checkpoint: it starts with b'<!DOCTYP'"),
        ("empty", "is no checkpoint: it is empty"),
        ("short", "is no checkpoint"),
        ("folder", "is a folder"),
        ("truncated zip", "damaged"),
        ("truncated legacy", r"damaged .*it ends (before|within) storage"),
        ("other zip", "a zip archive that torch.save did not write"),
        ("flipped bit", "Bad CRC-32"),
        ("damaged safetensors", "damaged"),
        ("pickled list", "is no checkpoint"),
        ("saved list", "holds no weights but a list"),
        ("no tensors", "a dictionary without tensors"),
        ("TorchScript", "a TorchScript program"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(
    tmp_path: Path, kind: str, reason: str
) -> None:
    path = no_checkpoint(tmp_path, kind)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_checkpoint_file(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "Expected" in message
    assert "\n" not in message


def test_an_unreadable_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.pth"
    path.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        read_checkpoint_file(path)
