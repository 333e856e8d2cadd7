import json
import pickle
import re
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import Rows, write_layout
from praxiscope.errors import DataError
from tests.banks.banks import CHANNELS, rows_of, window_by_hand, write_bank

STATM = Path("/proc/self/statm")

videos = st.dictionaries(
    st.sampled_from(["a", "b/1", "ä", "a" * 40]),
    st.dictionaries(st.integers(-5, 25), st.integers(1, 9), max_size=20),
    max_size=4,
)


@settings(deadline=None)
@given(
    counts=videos,
    video=st.sampled_from(["a", "b/1", "ä", "none"]),
    second=st.integers(-20, 40),
    seconds=st.integers(1, 31),
    per_second=st.integers(1, 6),
    dtype=st.sampled_from(["float16", "float32"]),
    seed=st.none() | st.integers(0, 9),
)
def test_a_window_is_that_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory,
    counts: dict[str, dict[int, int]],
    video: str,
    second: int,
    seconds: int,
    per_second: int,
    dtype: str,
    seed: int | None,
) -> None:
    bank = write_bank(tmp_path_factory.mktemp("bank") / "x.safetensors", counts, dtype)  # type: ignore[arg-type]
    draw = None if seed is None else np.random.default_rng(seed)
    found = bank.window(video, second, seconds=seconds, per_second=per_second, draw=draw)
    expected, stored = window_by_hand(bank, video, second, seconds, per_second)
    assert found.dtype == torch.float32 and found.shape == (seconds * per_second, CHANNELS)
    for s, there in enumerate(stored):
        part = found[s * per_second : (s + 1) * per_second].tolist()
        if len(there) <= per_second:
            assert part == expected[s * per_second : (s + 1) * per_second].tolist()
        else:
            places = [there.index(feature) for feature in part]
            assert places == sorted(set(places))  # each once, in the bank's order
    assert bank.missing(video, second, seconds=seconds) == stored.count([])


def test_the_published_window_is_a_minute_of_five_persons(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {870: 1, 872: 2, 931: 3, 932: 4}})
    window = bank.window("v", 902)
    assert window.shape == (300, CHANNELS)
    used = window.any(1).nonzero().flatten().tolist()
    assert used == [0, 1, 295, 296, 297]  # seconds 872 and 931, not 871 and 932
    assert bank.missing("v", 902) == 58


def test_a_window_as_stored_has_the_same_numbers(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {5: 7, 6: 1}})
    stored = bank.window("v", 5, as_stored=True)
    assert stored.dtype == torch.float16
    assert torch.equal(stored.float(), bank.window("v", 5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_windows_fill_the_places_of_a_batch(tmp_path: Path, dtype: torch.dtype) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {5: 7, 6: 1, 9: 2}, "w": {5: 1}})
    batch = torch.full((4, 300, CHANNELS), torch.nan, dtype=dtype)
    asked = [("v", 5), ("w", 20), ("none", 5), ("v", 39)]
    for out, (video, second) in zip(batch, asked, strict=True):
        assert bank.window(video, second, out=out) is out
    expected = torch.stack([bank.window(video, second) for video, second in asked])
    assert torch.equal(batch.float(), expected)


@pytest.mark.parametrize(
    ("number", "kept"),
    [(5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 4, 5]), (10, [0, 2, 4, 6, 8]), (7, [0, 2, 3, 4, 6])],
)
def test_what_is_kept_of_a_full_second_is_spread_evenly_and_always_the_same(
    tmp_path: Path, number: int, kept: list[int]
) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {5: number}})
    window = bank.window("v", 5, seconds=1)
    features = bank.rows("v").features
    assert [features.tolist().index(row) for row in window.tolist()] == kept
    assert torch.equal(window, bank.window("v", 5, seconds=1))


def test_a_draw_follows_its_generator_and_meets_all_persons_equally(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {4: 3, 5: 8}})

    def drawn(seed: int) -> torch.Tensor:
        return bank.window("v", 5, seconds=2, draw=np.random.default_rng(seed))

    assert torch.equal(drawn(3), drawn(3))
    features = bank.rows("v").features.tolist()
    counts = np.zeros(11)
    for seed in range(2000):
        counts[[features.index(row) for row in drawn(seed).tolist() if any(row)]] += 1
    assert (counts[:3] == 2000).all()
    assert counts[3:].sum() == 5 * 2000
    assert abs(counts[3:] - 1250).max() < 110  # five deviations of a fair draw


def test_a_bank_is_a_plain_safetensors_file(tmp_path: Path) -> None:
    counts = {"b": {3: 2}, "a": {}, "ä": {1: 1, -2: 1}}
    bank = write_bank(tmp_path / "x.safetensors", counts, metadata={"model": "slow", "b": "ü"})
    arrays = load_file(tmp_path / "x.safetensors")
    assert arrays["starts"].tolist() == [0, 0, 2, 4]
    assert arrays["seconds"].tolist() == [3, 3, -2, 1]
    assert np.array_equal(arrays["features"][:2], rows_of({3: 2}, 0).features)
    assert [bytes(name).rstrip(b"\0").decode() for name in arrays["videos"]] == ["a", "b", "ä"]
    assert bank.videos() == ("a", "b", "ä")
    assert (bank.num_videos, bank.num_rows, bank.dtype) == (3, 4, "float16")
    assert dict(bank.metadata) == {"model": "slow", "b": "ü"}
    assert "a" in bank and "c" not in bank and "a" * 99 not in bank


def test_a_bank_that_goes_to_another_process_is_opened_there(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": dict.fromkeys(range(900), 4)})
    sent = pickle.dumps(bank)
    assert len(sent) < 500
    assert torch.equal(pickle.loads(sent).window("v", 60), bank.window("v", 60))


def test_the_arrays_of_a_bank_cannot_be_written_to(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "x.safetensors", {"v": {1: 1}})
    for array in (*bank.arrays, *bank.rows("v")):
        assert not array.flags.writeable


@pytest.mark.skipif(not STATM.exists(), reason="only Linux says how much of a process is in memory")
def test_opening_a_large_bank_reads_next_to_nothing(tmp_path: Path) -> None:
    rows = Rows(np.arange(20_000, dtype=np.int32), np.ones((20_000, 256), np.float16))
    names = [f"video {number}" for number in range(10)]
    path = tmp_path / "x.safetensors"
    write_layout(path, names, lambda _: rows, channels=256, dtype="float16", metadata={})
    assert path.stat().st_size > 100_000_000

    def resident() -> int:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()

    write_bank(tmp_path / "small", {}).window("v", 1)  # what is loaded once
    before = resident()
    bank = Bank(path)
    assert bank.window("video 7", 100).sum() == 60 * 256
    assert resident() - before < 10_000_000


def test_other_channels_are_another_networks(tmp_path: Path) -> None:
    write_bank(tmp_path / "x.safetensors", {"v": {1: 1}})
    assert Bank(tmp_path / "x.safetensors", 4).channels == 4
    with pytest.raises(DataError, match="4 channels, not the 2048 .* another network made it"):
        Bank(tmp_path / "x.safetensors", 2048)


@pytest.mark.parametrize("name", ["", "a\0", "\ud800"])
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="plain text"):
        write_bank(tmp_path / "x", {name: {}})
    with pytest.raises(DataError, match="plain text"):
        write_bank(tmp_path / "y", {}).window(name, 1)


def test_what_is_no_bank_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing does not exist. Expected a feature bank"):
        Bank(tmp_path / "missing")
    with pytest.raises(DataError, match="is a folder"):
        Bank(tmp_path)
    for content in (b"", b"text", b"\xff" * 99, pickle.dumps({"v": {}})):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(DataError, match="no feature bank, or a damaged one"):
            Bank(tmp_path / "x")


def test_a_bank_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_bank(path, {"v": {1: 2, 3: 1}, "w": {2: 1}})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged"):
            Bank(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match="damaged"):
        Bank(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"__metadata__": {}}, "format"),
        ({"videos": {"dtype": "U8", "shape": [4], "data_offsets": [72, 76]}}, "dimensions"),
        ({"seconds": {"dtype": "F32", "shape": [4], "data_offsets": [24, 40]}}, "F32"),
        ({"starts": {"dtype": "I64", "shape": [1, 3], "data_offsets": [0, 24]}}, "belong"),
        ({"seconds": {"dtype": "I32", "shape": [2, 2], "data_offsets": [24, 40]}}, "belong"),
        ({"features": {"dtype": "F16", "shape": [8, 2], "data_offsets": [40, 72]}}, "belong"),
        ({"features": {"dtype": "F16", "shape": [4, 9], "data_offsets": [40, 72]}}, "damaged"),
        ({"other": {"dtype": "U8", "shape": [24], "data_offsets": [0, 24]}, "starts": None}, "st"),
    ],
)  # fmt: skip
def test_a_safetensors_file_of_another_form_is_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = tmp_path / "x"
    write_bank(path, {"vv": {1: 2, 3: 1}, "ww": {2: 1}})
    whole = path.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:size])
    header |= change
    header = {name: entry for name, entry in header.items() if entry is not None}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[size:])
    with pytest.raises(DataError, match=reason):
        Bank(path)


@settings(deadline=None, max_examples=200)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_gives_an_error_of_ours_or_a_window(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("changed") / "x"
    write_bank(path, {"v": {1: 2, 3: 7}, "w": {2: 1}})
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data)
    try:
        window = Bank(path).window("v", 2, seconds=6)
    except DataError as error:
        assert re.match(re.escape(str(path)), str(error))  # noqa: PT017
    else:
        assert window.ndim == 2 and len(window) == 30
