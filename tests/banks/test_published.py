import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.banks.bank import Bank
from praxiscope.banks.published import export_published, import_published, read_published
from praxiscope.errors import DataError, PraxiscopeError
from tests.banks.banks import write_bank
from tests.zoo.files import LEGACY, Calls, dumps, storage, tensor_of, zip_with

CHANNELS = 6


def published(counts: dict[str, dict[int, int]], dtype: torch.dtype = torch.float16) -> Any:
    """Features as they are collected: views on what a clip's persons share."""
    random = torch.Generator().manual_seed(0)
    return {
        video: {
            second: list(torch.randn(number, CHANNELS, generator=random).to(dtype))
            for second, number in of_one.items()
        }
        for video, of_one in counts.items()
    }


def bits(content: Any) -> Any:
    """Return a published bank as plain Python, features as bytes, without empty seconds."""
    return {
        video: {
            second: [(str(feature.dtype), feature.numpy().tobytes()) for feature in features]
            for second, features in of_one.items()
            if features
        }
        for video, of_one in content.items()
    }


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_published_file_goes_both_ways_to_the_bit(
    tmp_path: Path, options: Any, dtype: torch.dtype
) -> None:
    content = published({"b": {903: 2, 902: 7}, "a": {}, "c": {1: 1, 5: 0, -3: 2}}, dtype)
    content["c"][1][0][:3] = torch.tensor([torch.nan, torch.inf, -0.0])
    torch.save(content, tmp_path / "lfb_val.pkl", **options)
    bank = import_published(tmp_path / "lfb_val.pkl", tmp_path / "x", {"source": "lfb_val.pkl"})
    assert bank.videos() == ("a", "b", "c")
    assert bank.num_rows == 12
    assert bank.window("b", 902, seconds=1, per_second=7).equal(
        torch.stack(content["b"][902]).float()
    )
    export_published(bank, tmp_path / "again.pkl")
    assert bits(torch.load(tmp_path / "again.pkl", weights_only=True)) == bits(content)
    whole = (tmp_path / "x").read_bytes()
    import_published(tmp_path / "again.pkl", tmp_path / "x2", {"source": "lfb_val.pkl"})
    assert (tmp_path / "x2").read_bytes() == whole


@settings(deadline=None, max_examples=30)
@given(
    counts=st.dictionaries(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=5),
        st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.integers(1, 3), max_size=3),
        min_size=1,
        max_size=3,
    )
)
def test_any_names_and_seconds_come_back(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[int, int]]
) -> None:
    counts["v"] = {1: 1}
    folder = tmp_path_factory.mktemp("published")
    content = published(counts)
    torch.save(content, folder / "x.pkl")
    export_published(import_published(folder / "x.pkl", folder / "x", {}), folder / "y.pkl")
    assert bits(torch.load(folder / "y.pkl", weights_only=True)) == bits(content)


def test_a_bank_of_ours_goes_both_ways_with_the_same_bytes(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x", {"v": {5: 2}, "w": {}}, metadata={"model": "m"})
    export_published(bank, tmp_path / "x.pkl")
    import_published(tmp_path / "x.pkl", tmp_path / "y", bank.metadata)
    assert (tmp_path / "y").read_bytes() == (tmp_path / "x").read_bytes()


def test_an_exported_file_is_as_long_as_its_features(tmp_path: Path) -> None:
    counts = {str(video): dict.fromkeys(range(50), 20) for video in range(4)}
    export_published(write_bank(tmp_path / "x", counts), tmp_path / "x.pkl")
    content = torch.load(tmp_path / "x.pkl", weights_only=True)
    assert sum(len(f) for v in content.values() for s in v.values() for f in s) == 4 * 50 * 20 * 4
    storages = {
        f.untyped_storage().data_ptr() for v in content.values() for s in v.values() for f in s
    }
    assert len(storages) == 4  # one a video


HALF = torch.zeros(4, dtype=torch.float16)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1], "it holds a list"),
        ({3: {}}, "3 is no video in it"),
        ({"v": [1]}, "'v' is no video in it"),
        ({"v": {"902": [HALF]}}, r"video 'v': '902' is no second"),
        ({"v": {True: [HALF]}}, r"video 'v': True is no second"),
        ({"v": {2**31: [HALF]}}, r"video 'v': 2147483648 is no second"),
        ({"v": {902: HALF}}, r"video 'v', second 902: a tensor of float16, \(4,\)"),
        ({"v": {902: [1]}}, "expected 1-D tensors of half or float, not a int"),
        ({"v": {902: [HALF[None]]}}, r"not a tensor of float16, \(1, 4\)"),
        ({"v": {902: [HALF.double()]}}, "not a tensor of float64"),
        ({"v": {902: [HALF, HALF[:3]]}}, r"float16, \(3,\), but the first feature is .*\(4,\)"),
        ({"v": {902: [HALF, HALF.float()]}}, "Expected all alike"),
        ({"v": {902: [HALF[:0]]}}, "Expected all alike"),
        ({"v": {}, "w": {1: []}}, "holds no features"),
        ({"v\0": {902: [HALF]}}, "expected a name of plain text"),
    ],
)
def test_a_file_of_another_form_is_named_with_its_place(
    tmp_path: Path, content: Any, reason: str
) -> None:
    torch.save(content, tmp_path / "x.pkl")
    with pytest.raises(DataError, match=reason):
        import_published(tmp_path / "x.pkl", tmp_path / "x", {})
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_missing_or_cut_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.pkl is no file"):
        read_published(tmp_path / "none.pkl")
    torch.save(published({"v": {1: 3}}), tmp_path / "x.pkl")
    whole = (tmp_path / "x.pkl").read_bytes()
    plain = pickle.dumps({"v": {1: [np.zeros(3)]}})
    for content in (b"", b"text", whole[:-30], whole[: len(whole) // 2], plain):
        (tmp_path / "x.pkl").write_bytes(content)
        with pytest.raises(
            DataError, match=r"x.pkl is no published feature bank, or a damaged one"
        ):
            read_published(tmp_path / "x.pkl")


def test_a_call_in_a_file_is_never_made(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    tensor = tensor_of(storage(4), 0, (4,), (1,))
    data = dumps({"v": {1: [tensor], 2: [Calls(os.system, f"touch {marker}")]}})
    zip_with(tmp_path / "x.pkl", data, {"0": bytes(16)})
    with pytest.raises(DataError, match="video 'v', second 2: expected 1-D tensors"):
        read_published(tmp_path / "x.pkl")
    assert not marker.exists()


def test_a_small_file_cannot_name_a_disk_full_of_features(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"v": {1: [torch.zeros(4096)] * 100}}, buffer)
    (tmp_path / "x.pkl").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="names the same features again and again"):
        import_published(tmp_path / "x.pkl", tmp_path / "x", {})


def test_an_ordered_dict_is_a_dict(tmp_path: Path) -> None:
    torch.save(OrderedDict(v=OrderedDict({1: [HALF]})), tmp_path / "x.pkl")
    assert import_published(tmp_path / "x.pkl", tmp_path / "x", {}).num_rows == 1


def test_a_folder_in_the_way_of_an_export_is_one_sentence(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x", {"v": {1: 1}})
    with pytest.raises(PraxiscopeError, match="could not be written"):
        export_published(bank, tmp_path)
    assert Bank(tmp_path / "x").num_rows == 1
