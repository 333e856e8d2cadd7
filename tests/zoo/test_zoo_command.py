"""``praxiscope zoo`` on rows of detection."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from praxiscope.apps import zoo
from praxiscope.cli import main
from praxiscope.zoo.cards import Card, card, cards
from tests.zoo.server import Server, serving

ACRN = "slowfast-acrn_kinetics400-pretrained-r50_8xb8-8x8x1-cosine-10e_ava22-rgb"

MEAN = "slowonly-lfb-avg_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb"
FILLING = "slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb"


def test_detection_is_listed_with_its_cost_and_accuracy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["zoo", "list", "*acrn*ava22*", "slowonly-lfb-nl*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"{ACRN}  92.2 M parameters, 150.8 GMACs with one person; 32 frames of 256 x 340"
    )
    assert lines[1].split() == ["mAP", "27.71", f"{ACRN}_20220906-66ec24a2"]
    assert lines[2].endswith("36.0 M parameters, 57.4 GMACs with one person; 4 frames of 256 x 340")
    assert main(["zoo"]) == 0
    listed = capsys.readouterr().out
    assert all(one.name in listed for one in cards())


def test_all_of_a_row_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "show", ACRN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "mean_ap: 27.71" in lines
    assert "views: 32x256x340" in lines
    assert any(line.startswith("recipe: ") and line.endswith(f"{ACRN}.py") for line in lines)


def test_recipes_without_weights_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    banks = ["slowonly-lfb-infer_r50_ava21-rgb", MEAN, FILLING]
    assert main(["zoo", "list", *banks]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert sorted(listed) == [f"{name}  (no weights here)" for name in sorted(banks)]
    for name in (FILLING, f"{FILLING}.py", f"configs/detection/lfb/{FILLING}.py"):
        assert main(["zoo", "show", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("The feature banks of AVA 2.1")
        assert lines[-1].startswith("recipe: ") and lines[-1].endswith(f"{FILLING}.py")
    assert main(["zoo", "download", MEAN]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: the model zoo has no weights of '{MEAN}'")


def test_a_detector_is_downloaded_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path))
    content = b"weights"
    name = f"{ACRN}_20220906-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with serving(Server(files={f"/{name}": content})) as server:

        def served(asked: str) -> Card:
            return replace(card(asked), checkpoint_url=f"{server.url}/{name}")

        monkeypatch.setattr(zoo, "card", served)
        for _ in range(2):
            assert main(["zoo", "download", ACRN]) == 0
            assert capsys.readouterr().out.strip() == str(tmp_path / name)
        assert len(server.requests) == 1
    assert (tmp_path / name).read_bytes() == content
