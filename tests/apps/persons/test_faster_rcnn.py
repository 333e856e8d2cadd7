import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from praxiscope.apps.persons import faster_rcnn as module
from praxiscope.apps.persons import find_provider
from praxiscope.errors import CheckpointError, PraxiscopeError
from praxiscope.types import Frame
from tests.apps.persons.figures import blank


class FakeNet(nn.Module):
    """A network with the names of torchvision's v1 weights, and what it was built and given."""

    def __init__(self, num_classes: int, **options: Any) -> None:
        super().__init__()
        self.options = {"num_classes": num_classes, **options}
        names = [module._CLASSIFIER, "backbone.body.layer4.2.conv3.weight"]
        for name in names:
            *parents, last = name.split(".")
            place: nn.Module = self
            for parent in parents:
                if not hasattr(place, parent):
                    place.add_module(parent, nn.Module())
                place = getattr(place, parent)
            place.register_parameter(last, nn.Parameter(torch.zeros(num_classes, 1024)))
        self.norm = nn.BatchNorm2d(2)
        self.images: list[Tensor] = []

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        assert not self.training and not torch.is_grad_enabled()
        self.images += images
        boxes = [[8, 6, 16, 12], [0, 0, 32, 24], [-4, 0, 8, 30], [0, 0, 4, 4]]
        return [
            {
                "boxes": torch.tensor(boxes, dtype=torch.float32),
                "labels": torch.tensor([1, 18, 1, 1]),
                "scores": torch.tensor([0.85, 0.99, 0.95, 0.4]),
            }
        ]


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in, also where the library is installed."""
    detection: Any = ModuleType("torchvision.models.detection")
    for kind in module._KINDS:
        setattr(detection, kind.builder, FakeNet)
    models: Any = ModuleType("torchvision.models")
    models.detection = detection
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", detection)


def weights(path: Path, num_classes: int = 91, **changes: Tensor | None) -> Path:
    state: dict[str, Tensor | None] = dict(FakeNet(num_classes).state_dict())
    state |= changes
    torch.save({name: value for name, value in state.items() if value is not None}, path)
    return path


def test_persons_alone_are_taken_as_shares_of_the_frame(torchvision: None, tmp_path: Path) -> None:
    file = weights(tmp_path / "net.pth")
    provider: Any = find_provider("torchvision", weights=file, device="cpu")
    frame: Frame = blank(24, 32)
    frame[3, 5] = (255, 0, 51)
    found = provider(frame[:, ::-1], 0)  # also of a view
    assert found.boxes.tolist() == [[0, 0, 0.25, 1], [0.25, 0.25, 0.5, 0.5]]
    assert found.scores == pytest.approx(np.array([0.95, 0.85]))
    (image,) = provider.model.images
    assert image.shape == (3, 24, 32)
    assert image[:, 3, 26].tolist() == pytest.approx([1, 0, 0.2])
    assert provider.name == "torchvision, net.pth"
    assert provider.model.options["num_classes"] == 91
    assert provider.model.options["box_score_thresh"] == 0.8
    assert provider.model.options["weights"] is provider.model.options["weights_backbone"] is None
    assert len(find_provider("torchvision", weights=file, min_score=0.3)(frame, 0)) == 3


def test_nobody_is_found_in_a_strip_that_the_network_would_scale_to_nothing(
    torchvision: None, tmp_path: Path
) -> None:
    provider = find_provider("torchvision", weights=weights(tmp_path / "net.pth"), device="cpu")
    assert len(provider(blank(1, 4000), 0)) == len(provider(blank(4000, 1), 0)) == 0


def test_a_detector_of_persons_alone_is_taken_with_its_two_classes(
    torchvision: None, tmp_path: Path
) -> None:
    file = weights(tmp_path / "net.pth", num_classes=2)
    provider: Any = find_provider("torchvision", weights=file, device="cpu")
    assert provider.model.options["num_classes"] == 2


def test_random_weights_are_the_same_each_time_and_leave_the_random_state(
    torchvision: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.random.get_rng_state()
    provider: Any = find_provider("torchvision", weights="random", device="cpu")
    assert provider.name == "torchvision, random weights" and provider.min_score == 0
    assert provider.model.options["box_detections_per_img"] == 8
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_are_downloaded_where_none_are_cached(
    torchvision: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    asked = []

    def fetch(url: str) -> Path:
        asked.append(url)
        return weights(tmp_path / "net.pth")

    monkeypatch.setattr(module, "fetch_checkpoint", fetch)
    assert find_provider("torchvision", device="cpu").name == "torchvision, net.pth"
    (url,) = asked
    assert url.startswith("https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_v2_coco-")


def test_norms_that_were_frozen_do_not_count_batches(torchvision: None, tmp_path: Path) -> None:
    file = weights(tmp_path / "net.pth", **{"norm.num_batches_tracked": None})
    provider: Any = find_provider("torchvision", weights=file, device="cpu")
    assert provider.model.norm.eps == 1e-5


def test_the_published_weights_of_v1_have_norms_without_an_epsilon(
    torchvision: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = weights(tmp_path / "renamed.pth")
    monkeypatch.setattr(module, "_FROZEN_WITHOUT_EPSILON", module._sha256(file)[:8])
    provider: Any = find_provider("torchvision", weights=file, device="cpu")
    assert provider.model.norm.eps == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm.weight": None}, "1 weights are missing and 0 are of something else, such as 'norm"),
        ({"more": torch.ones(1)}, "0 weights are missing and 1 are of something else, such as 'mo"),
        ({"norm.weight": torch.ones(7)}, "does not fit: size mismatch for norm.weight"),
        ({module._CLASSIFIER: None}, "has no weights of a Faster R-CNN of torchvision"),
        # Shapes that cost nothing in a file, and of which a network would fill the memory.
        ({module._CLASSIFIER: torch.ones(10**9, 0)}, "has no weights of a Faster R-CNN"),
        ({module._CLASSIFIER: torch.ones(1, 1024)}, "is of 1 classes, the background included"),
    ],
)
def test_weights_of_another_network_are_refused(
    torchvision: None, tmp_path: Path, changes: dict[str, Tensor | None], message: str
) -> None:
    file = weights(tmp_path / "net.pth", **changes)
    with pytest.raises(CheckpointError) as raised:
        find_provider("torchvision", weights=file, device="cpu")
    assert message in str(raised.value) and str(file) in str(raised.value)


def test_a_file_that_is_missing_or_no_checkpoint_is_refused(
    torchvision: None, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth does not exist"):
        find_provider("torchvision", weights=tmp_path / "nowhere.pth", device="cpu")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(CheckpointError, match=r"text\.pth is no checkpoint"):
        find_provider("torchvision", weights=tmp_path / "text.pth", device="cpu")


def test_a_missing_torchvision_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [])  # nothing is installed
    with pytest.raises(PraxiscopeError, match=r"not installed: run pip install 'praxiscope\[pers"):
        find_provider("torchvision", device="cpu")


def test_a_torchvision_of_another_torch_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms')")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PraxiscopeError, match="does not belong to torch .* pip install --upgrade"):
        find_provider("torchvision", device="cpu")


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(kind, marks=pytest.mark.slow) for kind in module._KINDS[:2]), module._KINDS[2]],
    ids=lambda kind: kind.builder,
)
def test_the_network_is_that_of_torchvision(kind: Any, tmp_path: Path) -> None:
    detection = pytest.importorskip("torchvision.models.detection")
    urls = {
        weights.url
        for name in dir(sys.modules["torchvision.models.detection.faster_rcnn"])
        if name.endswith("_Weights")
        for weights in getattr(sys.modules["torchvision.models.detection.faster_rcnn"], name)
        if hasattr(weights, "url")
    }
    assert kind.url in urls
    build = getattr(detection, kind.builder)
    torch.manual_seed(1)
    theirs = build(weights=None, weights_backbone=None, num_classes=2, box_score_thresh=0.3).eval()
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    frame = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    with torch.inference_mode():
        expected = theirs([torch.tensor(frame).permute(2, 0, 1) / 255])[0]
    ours = find_provider("torchvision", weights=tmp_path / "net.pth", min_score=0.3, device="cpu")(
        frame, 0
    )
    shares = expected["boxes"].numpy() / np.array([64, 48, 64, 48])
    assert len(ours) == len(shares) > 0
    assert ours.boxes == pytest.approx(shares, abs=1e-6)
    assert ours.scores == pytest.approx(expected["scores"].numpy(), abs=1e-6)
