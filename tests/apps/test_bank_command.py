import os
from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import Rows, write_layout
from praxiscope.cli import main
from tests.banks.banks import write_bank


def test_info_says_what_a_bank_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "val.safetensors"
    said = {"model": "slow\x1b[31m", "b": "c", "rows": "99", "z\x1b": ""}
    write_bank(path, {"v": {5: 3, 7: 1}, "w": {}}, metadata=said)
    os.utime(path, (0, 86400 * 365))
    assert main(["bank", "info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == ["videos: 2", "seconds: 2", "rows: 4", "channels: 4", "dtype: float16"]
    assert lines[6].startswith("written: 1971-01-01") or lines[6].startswith("written: 1970-12-31")
    assert lines[7:] == ["b: c", "model: slow?[31m", "z?: "]


def test_check_counts_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "val.safetensors"
    write_bank(path, {"v": {5: 3, 9: 1}, "w": {}})
    assert main(["bank", "check", str(path)]) == 0
    told = capsys.readouterr().out
    assert "is sound: 4 features of 2 seconds of 2 videos." in told
    assert "3 seconds between the first and the last of their videos, 1 whole videos." in told


def test_check_finds_broken_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(np.array([7], np.int32), np.array([[np.nan, 1]], np.float16))
    path = tmp_path / "x"
    write_layout(path, ["v"], lambda _: rows, channels=2, dtype="float16", metadata={})
    assert main(["bank", "check", str(path)]) == 1
    assert "1 of 1 features have NaN or infinity; the first is in 'v', second 7." in (
        capsys.readouterr().out
    )


def test_convert_goes_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {"v": {902: [torch.ones(3).half(), torch.zeros(3).half()]}}
    torch.save(content, tmp_path / "lfb_val.pkl")
    bank, back = tmp_path / "val.safetensors", tmp_path / "back.pkl"
    assert main(["bank", "convert", str(tmp_path / "lfb_val.pkl"), str(bank)]) == 0
    assert "2 features of 1 videos written to" in capsys.readouterr().out
    assert dict(Bank(bank).metadata) == {"source": "lfb_val.pkl"}
    assert main(["bank", "convert", str(bank), str(back)]) == 0
    found = torch.load(back, weights_only=True)
    assert [feature.tolist() for feature in found["v"][902]] == [[1, 1, 1], [0, 0, 0]]


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no bank")
    for (action, *names), reason in (
        (["info", "missing"], "missing does not exist. Expected a feature bank"),
        (["check", "text"], "text is no feature bank, or a damaged one"),
        (["convert", "missing", "out"], "missing does not exist"),
        (["convert", "text", "out"], "text is no feature bank"),
        (["convert", "text", "text"], "text is there already"),
    ):
        assert main(["bank", action, *(str(tmp_path / name) for name in names)]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and reason in told
    assert not (tmp_path / "out").exists()


def test_convert_names_what_it_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / "val.safetensors"
    write_bank(bank, {"v": {5: 3}})
    assert main(["bank", "convert", str(bank), str(tmp_path / "x.safetensors")]) == 2
    assert "what is written is a .pkl file; name one." in capsys.readouterr().err
    assert main(["bank", "convert", str(bank), str(tmp_path / "x.pkl")]) == 0
    assert main(["bank", "convert", str(tmp_path / "x.pkl"), str(tmp_path / "y.pkl")]) == 2
    assert "what is written is a .safetensors file; name one." in capsys.readouterr().err
    (tmp_path / "random.pkl").write_bytes(bytes(range(256)))
    assert main(["bank", "convert", str(tmp_path / "random.pkl"), str(tmp_path / "z.pkl")]) == 2
    assert "expected one of ours, or a published one such as lfb_val.pkl" in (
        capsys.readouterr().err
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("random.pkl", "val.safetensors", "x.pkl"),
    ]
