"""Plain pickles, as Caffe2 models are: arrays come out, nothing is run, no size is believed."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from praxiscope.errors import CheckpointError
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from praxiscope.zoo.layouts import renamed_state
from tests.zoo.files import Calls, dumps
from tests.zoo.foreign import python2_array, python2_pickle, text

BLOBS = {
    "conv1_w": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "lr": np.array([0.1], np.float64),
    "model_iter": np.array(7, np.int64),
}


def read(path: Path, data: bytes) -> Any:
    path.write_bytes(data)
    return read_checkpoint_file(path)


def assert_blobs(content: Any) -> None:
    assert content.keys() == {"blobs"}
    for name, array in BLOBS.items():
        found = content["blobs"][name]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_what_python_2_wrote_is_what_python_reads(tmp_path: Path) -> None:
    data = python2_pickle(BLOBS)
    assert_blobs(pickle.loads(data, encoding="latin1"))  # the test's own writer
    assert_blobs(read(tmp_path / "a.pkl", data))
    assert checkpoint_format(tmp_path / "a.pkl") == "pickle"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_python_3_writes_is_read(tmp_path: Path, protocol: int) -> None:
    assert_blobs(read(tmp_path / "a.pkl", pickle.dumps({"blobs": BLOBS}, protocol)))


def test_arrays_become_tensors_and_strings_do_not(tmp_path: Path) -> None:
    arrays = {
        "w": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        "flags": np.array([True, False]),
        "names": np.array(["a", "b"]),
    }
    content = read(tmp_path / "a.pkl", pickle.dumps({"state_dict": arrays}, 2))
    state = renamed_state(content, "a.pkl").state
    assert state.tensors["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state.tensors["flags"].dtype == torch.bool
    assert state.not_tensors == ("names",)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("call", ["os.system", "eval", "exec", "nested", "object array"])
def test_a_call_is_never_made_and_the_arrays_load(tmp_path: Path, call: str, protocol: int) -> None:
    marker = tmp_path / "executed"
    shell = Calls(os.system, f"touch {marker}")
    attack: Any = {
        "os.system": shell,
        "eval": Calls(eval, f"__import__('os').mkdir({str(marker)!r})"),
        "exec": Calls(exec, f"import os; os.mkdir({str(marker)!r})"),
        "nested": {"a": [(shell,)]},
        "object array": np.array([shell], dtype=object),
    }[call]
    data = dumps({"blobs": BLOBS, "cfg": attack}, protocol)
    pickle.loads(data)
    assert marker.exists()  # the attack is real
    marker.rmdir() if marker.is_dir() else marker.unlink()
    content = read(tmp_path / "a.pkl", data)
    assert_blobs({"blobs": content["blobs"]})
    assert not marker.exists()


FOUR = np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (python2_array(FOUR, b"\0" * 12), "cannot reshape"),  # 3 numbers for 4
        (python2_array(FOUR, b"\0" * 15), "buffer size"),
        (python2_array(np.broadcast_to(FOUR[0], (1 << 30,)), b"\0" * 16), "cannot reshape"),
        (python2_array(FOUR).replace(b"J\x04\0\0\0t", b"J\xff\xff\xff\xfft"), "whole numbers"),
        (python2_array(FOUR).replace(b"J\x04\0\0\0t", b"U\x014t"), "whole numbers"),
        (python2_array(FOUR)[:-9], "only 12 remain"),
        (b"T\xff\xff\xff\x7f" + b"\0" * 100, "only 103 remain"),
        (b"\x82\xf0", "extension code"),
        (b"j\xff\xff\xff\x7f", "Memo value not found"),
        (b"r\xff\xff\xff\x7f", "beyond its own length"),
        (b"Q", "empty stack"),
        (text("0") + b"Q", "storages outside"),
    ],
)  # fmt: skip
def test_a_pickle_that_lies_is_refused_in_one_sentence(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    whole = b"\x80\x02}" + text("blobs") + b"}" + text("w") + data + b"ss."
    with pytest.raises(CheckpointError, match=reason) as caught:
        read(tmp_path / "a.pkl", whole)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.pkl'} is a damaged or refused checkpoint (pickle)")
    assert "\n" not in message


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="goes on after its end"):
        read(tmp_path / "a.pkl", python2_pickle(BLOBS) + b"x")


@pytest.mark.parametrize("content", [[1, 2], {}, {"blobs": {"a": 1}}, {"blobs": [FOUR]}, "text"])
def test_a_pickle_without_weights_is_no_checkpoint(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CheckpointError, match="is no checkpoint: it is a pickle without"):
        read(tmp_path / "a.pkl", pickle.dumps(content))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_half_a_download_is_an_error(tmp_path: Path, part: float) -> None:
    data = python2_pickle(BLOBS)
    with pytest.raises(CheckpointError, match="damaged"):
        read(tmp_path / "a.pkl", data[: int(len(data) * part)])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_scrambled_pickle_gives_a_mapping_or_an_error(tmp_path: Path, data: Any) -> None:
    whole = bytearray(python2_pickle(BLOBS))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(2, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CheckpointError):
        assert isinstance(read(tmp_path / "a.pkl", bytes(whole)), dict)
