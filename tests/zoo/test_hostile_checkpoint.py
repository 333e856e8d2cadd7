"""Files made to run code, to crash the reader or to change it. Nothing may happen but an error."""

import builtins
import collections
import copyreg
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.errors import CheckpointError
from praxiscope.pickles.inert import Placeholder
from praxiscope.pickles.unpickle import plain, unpickle
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from tests.zoo.files import Calls, Pid, dumps, legacy_with, storage, tensor_of, weights, zip_with

STORAGE = storage()
FOUR = struct.pack("<4f", 1, 2, 3, 4)
TENSOR = tensor_of(STORAGE, 0, (4,), (1,))


def attacks(marker: Path) -> dict[str, Any]:
    """Objects whose unpickling by Python's own unpickler would create ``marker``."""
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    return {
        "os.system": Calls(os.system, shell),
        "eval": Calls(eval, code),
        "exec": Calls(exec, code),
        "open": Calls(open, str(marker), "w"),
        "getattr": Calls(Calls(getattr, os, "system"), shell),
        "import": Calls(__import__, "os"),
        "dotted": Calls(collections.abc.Callable.__subclasshook__, marker),
        "torch.load": Calls(torch.load, str(marker)),
        "torch.save": Calls(torch.save, [1], str(marker)),
        "torch.hub": Calls(torch.hub.download_url_to_file, "http://127.0.0.1:9/x", str(marker)),
        "numpy.load": Calls(np.load, str(marker)),
        "numpy.save": Calls(np.save, str(marker), np.ones(1)),
        "array of objects": np.array([Calls(os.system, shell)], dtype=object),
        "nested": {"meta": [({"k": Calls(os.system, shell)},)]},
        "in an argument": Calls(OrderedDict, [["k", Calls(os.system, shell)]]),
        "tensor from code": Calls(torch._utils._rebuild_device_tensor_from_numpy, 1, 2, 3, 4),  # type: ignore[attr-defined]
    }


def hostile_pickle(attack: Any, protocol: int) -> bytes:
    return dumps({"state_dict": {"w": TENSOR}, "attack": attack}, protocol)


@pytest.mark.parametrize("write", [zip_with, legacy_with])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", list(attacks(Path())))
def test_a_call_in_a_file_is_never_made_and_its_tensors_load(
    tmp_path: Path, name: str, protocol: int, write: Callable[..., Path]
) -> None:
    marker = tmp_path / "executed"
    data = hostile_pickle(attacks(marker)[name], protocol)
    content: Any = read_checkpoint_file(write(tmp_path / "hostile.pth", data, {"0": FOUR}))
    assert content["state_dict"]["w"].tolist() == [1, 2, 3, 4]
    assert not marker.exists()


def test_the_attacks_are_real(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    for name in ("os.system", "getattr", "nested"):
        pickle.loads(dumps(attacks(marker)[name]))
        assert marker.exists()
        marker.unlink()


def test_a_dotted_name_does_not_reach_into_an_allowed_one() -> None:
    for module, name in (("collections", "OrderedDict.fromkeys"), ("torch", "hub.load")):
        found = unpickle(b"\x80\x04" + text(module) + text(name) + b"\x93.")
        assert isinstance(found, type)
        assert issubclass(found, Placeholder)


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def test_extension_codes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = copyreg._extension_cache  # type: ignore[attr-defined]
    monkeypatch.setitem(cache, 240, os.system)
    data = b"\x80\x02\x82\xf0" + b"X\x04\x00\x00\x00true" + b"\x85R."
    assert pickle.loads(data) == 0  # the cached function runs, and find_class is never asked
    with pytest.raises(ValueError, match="extension code"):
        unpickle(data)


BUILD = {
    "a class": b"ccollections\nOrderedDict\n",
    "a function": b"ctorch._utils\n_rebuild_tensor_v2\n",
    "a placeholder class": b"cos\nsystem\n",
    "a placeholder": b"cos\nsystem\n)R",
    "an ordered dict": b"ccollections\nOrderedDict\n)R",
    "an array": b"cnumpy.core.multiarray\n_reconstruct\n)R",
    "a storage type": b"ctorch\nFloatStorage\n",
    "an element type": b"ctorch\nfloat32\n",
}


@pytest.mark.parametrize("target", BUILD)
def test_build_changes_nothing_of_ours(target: str) -> None:
    state = b"}X\x08\x00\x00\x00__call__cos\nsystem\ns"
    before = dict(vars(Placeholder))
    for built in (state, b"N" + state + b"\x86"):
        data = b"\x80\x02" + BUILD[target] + built + b"b."
        if target == "an element type":
            with pytest.raises((AttributeError, TypeError)):
                unpickle(data)
        else:
            plain(unpickle(data))
    assert dict(vars(Placeholder)) == before
    again: Any = unpickle(b"\x80\x02ccollections\nOrderedDict\n)R.")
    assert again == {}
    assert not hasattr(again, "__dict__")
    assert isinstance(unpickle(b"\x80\x02cos\nsystem\n)R."), Placeholder)


def test_a_placeholder_can_be_a_key_an_item_and_a_container() -> None:
    found: Any = plain(
        unpickle(
            b"\x80\x04}("
            + b"cos\nsystem\n)R"  # as a key
            + b"cos\nsystem\n)\x81(K\x01K\x02e"  # NEWOBJ, filled by APPENDS
            + b"K\x01cos\nsystem\n)}\x92}X\x01\x00\x00\x00aK\x01sb"  # NEWOBJ_EX, BUILD
            + b"K\x02cos\nsystem\n)R(K\x01K\x02u"  # SETITEMS
            + b"K\x03cos\nsystem\n)R(K\x01\x90"  # ADDITEMS
            + b"K\x04(ios\nsystem\n"  # INST
            + b"K\x05(cos\nsystem\nK\x01o"  # OBJ
            + b"u."
        )
    )
    assert len(found) == 6
    assert all(isinstance(value, Placeholder) for value in found.values())
    assert repr(found[1]) == "<placeholder for os.system>"


def test_a_placeholder_class_cannot_be_changed() -> None:
    found: Any = unpickle(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(AttributeError, match="cannot be changed"):
        found.origin = "x"


@pytest.mark.parametrize("write", [zip_with, legacy_with])
@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (tensor_of(STORAGE, 0, (5,), (1,)), "does not fit"),
        (tensor_of(STORAGE, 0, (2, 3), (3, 1)), "does not fit"),
        (tensor_of(STORAGE, 3, (2,), (1,)), "does not fit"),
        (tensor_of(STORAGE, 0, (2,), (4,)), "does not fit"),
        (tensor_of(STORAGE, 0, (10**12,), (0,)), "does not fit"),
        (tensor_of(STORAGE, -1, (2,), (1,)), "do not belong together"),
        (tensor_of(STORAGE, 0, (-2,), (-1,)), "whole numbers"),
        (tensor_of(STORAGE, 0, ("4",), (1,)), "whole numbers"),
        (tensor_of(STORAGE, 0, 4, 1), "no tuple of numbers"),
        (tensor_of(STORAGE, 0, (2, 2), (1,)), "do not belong together"),
        (tensor_of(cast("Any", "0"), 0, (4,), (1,)), "has no storage"),
        (tensor_of(storage(10**13), 0, (4,), (1,)), "more than there are"),
        (tensor_of(storage(-4), 0, (4,), (1,)), "more than there are"),
        (tensor_of(storage(4, torch.DoubleStorage), 0, (4,), (1,)), "declared|ends within"),
        (tensor_of(storage(3), 0, (3,), (1,)), "not as long as declared"),
        (tensor_of(storage(4, key="1"), 0, (4,), (1,)), "missing|differs"),
        (tensor_of(storage(4, os.system), 0, (4,), (1,)), "not described"),
        (tensor_of(storage(4, key=0), 0, (4,), (1,)), "not described"),
        (tensor_of(Pid("module", os.system, "a", "b"), 0, (4,), (1,)), "not described"),
        (tensor_of(storage(4, torch.FloatStorage, "0", ("1", 3, 2)), 0, (2,), (1,)), "outside"),
    ],
)  # fmt: skip
def test_a_tensor_that_its_file_cannot_fill_is_refused(
    tmp_path: Path, tensor: Calls, reason: str, write: Callable[..., Path]
) -> None:
    path = write(tmp_path / "big.pth", dumps({"w": tensor}), {"0": FOUR})
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint_file(path)


def test_a_storage_may_not_be_two_things(tmp_path: Path) -> None:
    halves = tensor_of(storage(8, torch.HalfStorage), 0, (8,), (1,))
    data = dumps({"w": TENSOR, "h": halves})
    with pytest.raises(CheckpointError, match="declared in two ways"):
        read_checkpoint_file(zip_with(tmp_path / "two.pth", data, {"0": FOUR}))


def test_a_view_of_a_storage_reads_its_part(tmp_path: Path) -> None:
    view = storage(4, torch.FloatStorage, "0", ("1", 1, 2))
    path = legacy_with(
        tmp_path / "v.pth", dumps({"w": tensor_of(view, 0, (2,), (1,))}), {"0": FOUR}
    )
    content: Any = read_checkpoint_file(path)
    assert content["w"].tolist() == [2, 3]


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    zeros = storage(1 << 22)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", dumps({"w": tensor_of(zeros, 0, (1 << 22,), (1,))}))
        archive.writestr("a/data/0", bytes(1 << 24))
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint_file(path)


def test_big_endian_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", dumps({"w": TENSOR}))
        archive.writestr("a/byteorder", "big")
        archive.writestr("a/data/0", FOUR)
    with pytest.raises(CheckpointError, match="big-endian"):
        read_checkpoint_file(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.", "nests tuples"),
        (b"\x80\x02})" + b"q\x00h\x00h\x00\x86" * 60 + b"K\x01s.", "nests tuples"),
        (b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.", "nests tuples"),
        (b"\x80\x02K\x01r\xff\xff\xff\x7f.", "beyond its own length"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.", "bytes8|expected"),
        (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "recursion|RecursionError"),
        (b"\x80\x02.", "stack"),
        (b"\x80\x02K\x01", "exhausted"),
        (b"\x80\x02(t(2u.", "stack|mark|MARK"),
        (b"\x80\x02(cos\nsystem\n0o.", "stack|MARK"),
    ],
    ids=lambda value: repr(value[:9]),
)  # fmt: skip
def test_a_pickle_that_would_stall_or_crash_is_refused(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint_file(zip_with(tmp_path / "deep.pth", data))


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_scrambled_pickle_gives_an_error_or_a_mapping(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    marker = tmp_path_factory.getbasetemp() / "executed"
    content = {"a": attacks(marker)["os.system"], "w": TENSOR, "n": np.float32(1), "m": np.eye(2)}
    data = bytearray(hostile_pickle(content, int(rng.choice([2, 4]))))
    for place in rng.integers(0, len(data), size=int(rng.integers(1, 6))):
        data[place] = rng.integers(0, 256)
    path = zip_with(tmp_path_factory.mktemp("scrambled") / "x.pth", bytes(data), {"0": FOUR})
    try:
        assert isinstance(read_checkpoint_file(path), dict)
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017
    assert not marker.exists()


def test_reading_leaves_the_interpreter_as_it_was(tmp_path: Path) -> None:
    names = set(vars(builtins))
    rebuild = torch._utils._rebuild_tensor_v2  # type: ignore[attr-defined]
    torch.save(weights(), tmp_path / "w.pth")
    read_checkpoint_file(tmp_path / "w.pth")
    assert set(vars(builtins)) == names
    assert torch._utils._rebuild_tensor_v2 is rebuild  # type: ignore[attr-defined]


def test_long_texts_that_are_named_over_and_over_are_refused_before_they_take_memory() -> None:
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    begin = b"\x80\x02c_codecs\nencode\nq\x00" + text + b"X\x06\x00\x00\x00latin1\x86q\x01]("
    few, many = (begin + b"h\x00h\x01R" * times + b"e." for times in (2, 100))
    assert [len(one) for one in cast(list[bytes], unpickle(few))] == [1 << 20] * 2
    with pytest.raises(ValueError, match="names long texts again and again"):
        unpickle(many)
    raw = b"X" + struct.pack("<I", 8 << 20) + b"a" * (8 << 20)
    doubled = b"\x80\x02" + raw + b"2" * 40 + b"\x86" * 40 + b"."
    with pytest.raises(ValueError, match="names long texts again and again"):
        unpickle(doubled)


def test_unknown_classes_are_made_once_each_and_not_without_end() -> None:
    one, other = cast(tuple[object, object], unpickle(b"\x80\x02ca\nb\nca\nb\n\x86."))
    assert one is other
    names = b"".join(b"ca\nb%d\n0" % number for number in range(10_001))
    with pytest.raises(ValueError, match="more than 10000 classes"):
        unpickle(b"\x80\x02" + names + b"N.")
