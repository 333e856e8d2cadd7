import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from praxiscope.apps.tools.publish_model import publish
from praxiscope.cli import tool_main
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo.download import expected_digest
from praxiscope.zoo.weights import load_checkpoint, save_weights
from tests.apps.tools.scripts import run_script

WEIGHT = torch.arange(12.0).reshape(3, 4)


class Hook:
    """Something of another program."""


def checkpoint(path: Path, **more: Any) -> Path:
    meta = {"CLASSES": ["a", "b"], "epoch": 3, "cfg": "x = 1", "env_info": "host", "hook": Hook()}
    state = {"module.fc.weight": WEIGHT, "data_preprocessor.mean": torch.ones(3)}
    torch.save({"state_dict": state, "meta": meta, "optimizer": {"s": WEIGHT}, **more}, path)
    return path


def check_name(path: Path, stem: str, suffix: str = ".pth") -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"{stem}-{digest[:8]}{suffix}"
    assert expected_digest(path.name) == digest[:8]  # what a download is checked by


@pytest.mark.parametrize("name", ["net.pth", "net"])
def test_weights_and_plain_notes_remain_under_a_name_with_the_digest(
    tmp_path: Path, name: str
) -> None:
    path = publish(checkpoint(tmp_path / "run.pth"), tmp_path / "out" / name)
    check_name(path, "net")
    content = torch.load(path, weights_only=True)
    assert content.keys() == {"state_dict", "meta"}
    assert content["meta"] == {"CLASSES": ["a", "b"], "epoch": 3, "cfg": "x = 1"}
    assert content["state_dict"].keys() == {"fc.weight"}
    assert torch.equal(content["state_dict"]["fc.weight"], WEIGHT)
    assert [file.name for file in (tmp_path / "out").iterdir()] == [path.name]  # nothing staged


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "run.pth")
    assert publish(source, tmp_path / "a.pth") == publish(source, tmp_path / "a.pth")
    more = checkpoint(tmp_path / "longer.pth", param_schedulers=[1], message_hub=Hook())
    assert publish(more, tmp_path / "a.pth").name == publish(source, tmp_path / "a.pth").name


def test_a_part_of_a_larger_storage_does_not_bring_it_along(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.zeros(100_000)[:3]}}, tmp_path / "run.pth")
    assert publish(tmp_path / "run.pth", tmp_path / "a.pth").stat().st_size < 10_000


def test_safetensors_keep_the_class_names(tmp_path: Path) -> None:
    path = publish(checkpoint(tmp_path / "run.pth"), tmp_path / "net.safetensors")
    check_name(path, "net", ".safetensors")
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["classes"] == "a\nb"
        assert torch.equal(file.get_tensor("fc.weight"), WEIGHT)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "entry",
    [
        SlowOnly(num_classes=8, width=8),
        ActorDetector(network=SlowOnly(num_classes=8, width=8), acrn=True),
    ],
    ids=["recogniser", "detector"],
)
def test_a_published_model_of_ours_loads_again(
    tmp_path: Path, suffix: str, entry: SlowOnly | ActorDetector
) -> None:
    torch.manual_seed(0)
    model, other = (entry.build() for _ in range(2))
    save_weights(model, tmp_path / "run.pth", [f"class {n}" for n in range(8)])
    path = publish(tmp_path / "run.pth", tmp_path / f"net{suffix}")
    report = load_checkpoint(other, path)
    assert report.class_names == tuple(f"class {n}" for n in range(8))
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_the_published_command_runs_as_a_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [checkpoint(tmp_path / "run.pth"), tmp_path / "net.pth"]
    options = ["--save-keys", "state_dict", "optimizer"]
    assert run_script("misc/publish_model.py", *files, *options) == 0
    path = Path(capsys.readouterr().out.strip())
    check_name(path, "net")
    assert torch.load(path, weights_only=True).keys() == {"state_dict", "optimizer"}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("absent.pth", [], "absent.pth does not exist"),
        (
            "run.pth",
            ["--save-keys", "optimiser"],
            "run.pth has no 'optimiser' to keep. It has: hub",
        ),
        ("run.pth", ["--save-keys", "hub"], "'hub' holds objects of the program that wrote it"),
        ("run.pth", ["--save-keys", "ring"], "'ring' holds objects"),
        ("slowfast.pyth", [], "slowfast.pyth is in the layout of another zoo.*zoo convert"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    options: list[str],
    words: str,
) -> None:
    ring: list[Any] = []
    ring.append(ring)
    checkpoint(tmp_path / "run.pth", hub=Hook(), ring=ring)
    torch.save({"model_state": {"s1.weight": WEIGHT}}, tmp_path / "slowfast.pyth")
    before = sorted(tmp_path.iterdir())
    files = [str(tmp_path / name), str(tmp_path / "net.pth")]
    assert tool_main("publish_model", [*files, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(words, error), error
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_in_the_way_of_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("")
    files = [str(checkpoint(tmp_path / "run.pth")), str(tmp_path / "out/net.pth")]
    assert tool_main("publish_model", files) == 2
    assert "out" in capsys.readouterr().err
