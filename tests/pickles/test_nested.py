import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.pickles.nested import storage_within
from praxiscope.pickles.unpickle import plain, unpickle

TENSORS = {
    "half": torch.arange(6, dtype=torch.float16).reshape(2, 3),
    "bfloat16": torch.arange(3, dtype=torch.bfloat16),
    "double": torch.linspace(0, 1, 300, dtype=torch.float64),
    "long": torch.tensor([2**40, -1]),
    "bool": torch.tensor([True, False]),
    "empty": torch.empty(0, 5),
    "scalar": torch.tensor(2.5),
    "part": torch.arange(70_000)[::7],
    "turned": torch.arange(12.0).reshape(3, 4).T,
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_in_a_plain_pickle_come_out_as_they_went_in(protocol: int) -> None:
    content = plain(unpickle(pickle.dumps(TENSORS, protocol=protocol)))
    assert isinstance(content, dict) and content.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert content[name].dtype == tensor.dtype, name
        assert torch.equal(content[name], tensor), name


def test_arrays_and_numbers_of_numpy_in_a_plain_pickle_come_out_too() -> None:
    content = {"scores": np.arange(6, dtype=np.float32).reshape(2, 3), "best": np.int64(3)}
    found: Any = plain(unpickle(pickle.dumps(content, protocol=5)))
    assert found["scores"].dtype == np.float32 and found["best"] == 3
    assert np.array_equal(found["scores"], content["scores"])


def storage_bytes() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():  # torch warns of typed storages, once
        warnings.simplefilter("ignore")
        torch.save(torch.arange(4.0).storage(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_a_storage_is_told_by_type_length_and_bytes() -> None:
    raw = storage_bytes()
    assert storage_within(raw)[:2] == ("FloatStorage", 4)
    assert np.frombuffer(storage_within(raw)[2], np.float32).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: raw.replace(b"ctorch\nFloatStorage", b"cposix\nsystem"),
        lambda raw: raw.replace(b"FloatStorage", b"SystemStorage"),
        lambda raw: raw.replace(b"cpuq\x03K\x04", b"cpuq\x03K\x05"),
        lambda raw: raw[:40],
        lambda raw: b"",
    ],
    ids=["cut", "longer", "another name", "unknown type", "two lengths", "head only", "nothing"],
)
def test_bytes_that_torch_does_not_write_are_refused(change: Callable[[bytes], bytes]) -> None:
    raw = storage_bytes()

    class Call:
        def __reduce__(self) -> Any:
            return torch.storage._load_from_bytes, (change(raw),)

    with pytest.raises(ValueError, match="storage"):
        unpickle(pickle.dumps(Call(), protocol=4))
