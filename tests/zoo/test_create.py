import logging
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

import praxiscope
from praxiscope.errors import PraxiscopeError
from praxiscope.models.conventions import PYSLOWFAST
from praxiscope.models.detector import Detector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo import safe_files
from praxiscope.zoo.create import load_model
from praxiscope.zoo.weights import save_weights
from tests.zoo.foreign import made_up_state

NAME = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
ENTRY = SlowOnly(depth=14, width=8, num_classes=5)


def test_a_model_created_with_a_file_has_its_weights(tmp_path: Path) -> None:
    expected = ENTRY.build()
    save_weights(expected, tmp_path / "x.safetensors")
    model, report = load_model(ENTRY, tmp_path / "x.safetensors")
    assert report.missing == ()
    found = model.state_dict()
    assert all(torch.equal(found[name], t) for name, t in expected.state_dict().items())
    assert torch.equal(model.mean, expected.mean)


def test_what_a_file_lacks_is_drawn_as_for_a_fresh_model(tmp_path: Path) -> None:
    state = {n: t for n, t in ENTRY.build().state_dict().items() if n.startswith("backbone")}
    torch.save(state, tmp_path / "x.pth")
    torch.manual_seed(1)
    expected = ENTRY.build()
    torch.manual_seed(1)
    model, report = load_model(ENTRY, tmp_path / "x.pth")
    assert report.missing == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    assert torch.equal(model.cls_head.fc_cls.weight, expected.cls_head.fc_cls.weight)
    assert torch.equal(model.backbone.conv1.conv.weight, state["backbone.conv1.conv.weight"])


def test_the_checkpoint_of_a_neighbouring_model_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = "DATA:\n  NUM_FRAMES: 8\n  SAMPLING_RATE: 8\n"
    content = {"model_state": made_up_state("SLOW_8x8_R50"), "cfg": settings}
    torch.save(content, tmp_path / "SLOW_8x8_R50.pyth")
    with caplog.at_level(logging.WARNING):
        model = praxiscope.create_model(NAME, checkpoint=tmp_path / "SLOW_8x8_R50.pyth")
    assert "trained on clips of 8 frames, one every 8; the recipe's are 4" in caplog.text
    assert model.conventions == PYSLOWFAST
    assert not model.training


def test_a_full_disk_keeps_the_previous_safetensors_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(ENTRY.build(), path)
    previous = path.read_bytes()

    def refuse(*_: object) -> None:
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(safe_files, "save_file", refuse)
    with pytest.raises(PraxiscopeError, match=r"could not be written: No space left"):
        save_weights(ENTRY.build(), path)
    assert path.read_bytes() == previous
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_weights_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    tensors = {"a": whole, "b": whole, "c": whole[2:4], "d": whole.view(2, 3).T}
    safe_files.write_safetensors(tmp_path / "x.safetensors", tensors, {})
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        assert {name: file.get_tensor(name).tolist() for name in tensors} == {
            name: tensor.tolist() for name, tensor in tensors.items()
        }


DETECTION = """
from pathlib import Path

from praxiscope.data.ava_lists import AvaList
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Sgd


def recipe() -> DetectionRecipe:
    videos = AvaList(root=Path("videos"), annotations=Path("a.csv"), num_classes=6)
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=6)),
        clip=Clip(frames=4, stride=16),
        train=videos,
        val=videos,
        optim=Sgd(lr=0.1, batch=8),
        schedule=Cosine(epochs=2),
    )
"""


@pytest.fixture
def detection(tmp_path: Path) -> str:
    """Return the file of a recipe of detection."""
    path = tmp_path / "small_detector.py"
    path.write_text(DETECTION)
    return str(path)


def test_a_detector_is_created_by_its_recipe(detection: str) -> None:
    detector = praxiscope.create_model(detection)
    assert isinstance(detector, Detector)
    assert not detector.training
    boxes = [torch.tensor([[0.0, 0, 30, 60], [10, 5, 60, 50]]), torch.zeros(0, 4)]
    clips = torch.randint(256, (2, 3, 4, 64, 64), dtype=torch.uint8)
    logits = detector(clips, boxes)
    assert logits.shape == (2, 6)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    normalized = (clips - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    torch.testing.assert_close(detector(normalized, boxes), logits)
    assert praxiscope.create_model(detection, num_classes=3)(clips, boxes).shape == (2, 3)


def test_a_detector_is_created_with_its_weights_or_with_other_outputs(
    tmp_path: Path, detection: str
) -> None:
    expected = praxiscope.create_model(detection)
    save_weights(expected, tmp_path / "x.pth")
    found = praxiscope.create_model(detection, tmp_path / "x.pth").state_dict()
    assert all(torch.equal(found[name], t) for name, t in expected.state_dict().items())
    other = praxiscope.create_model(detection, tmp_path / "x.pth", num_classes=4).state_dict()
    for name, tensor in expected.state_dict().items():
        if name.startswith("roi_head."):
            assert len(other[name]) == 4
        else:
            assert torch.equal(other[name], tensor)


def test_a_published_detector_is_created_by_its_name() -> None:
    detector = praxiscope.create_model(
        "slowfast-acrn_kinetics400-pretrained-r50_8xb8-8x8x1-cosine-10e_ava22-rgb"
    )
    clips, boxes = torch.rand(1, 3, 8, 64, 64), [torch.tensor([[3.0, 4.0, 40.0, 60.0]] * 2)]
    with torch.inference_mode():
        assert detector(clips, boxes).shape == (2, 81)
