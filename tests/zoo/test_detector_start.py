"""What a detector's training begins with: recognisers, image networks, addresses."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.inflate import InflationReport
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo import imagenet
from praxiscope.zoo.create import find_checkpoint
from praxiscope.zoo.imagenet import load_start
from praxiscope.zoo.weights import LoadReport, load_checkpoint, save_weights
from tests.models.test_inflate import resnet2d
from tests.zoo.server import Server, serving

RECOGNISER = SlowOnly(depth=14, width=8, num_classes=7)
SLOWONLY = SlowOnly(depth=14, width=8, num_classes=6)
SLOWFAST = SlowFast(depth=14, width=8, num_classes=6)
DETECTOR = ActorDetector(network=SLOWONLY, acrn=True)
NOTE = "the file is a recogniser's: its head ('cls_head') was left out, and the model's own"
KERNEL = "backbone.layer4.0.conv1.conv.weight"


def head_of(model: Detector) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.roi_head.state_dict().items()}


def assert_head(model: Detector, expected: dict[str, Tensor]) -> None:
    assert all(torch.equal(tensor, expected[name]) for name, tensor in head_of(model).items())


def named_by_digest(path: Path) -> Path:
    """Rename a file as published ones are."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return path.rename(path.with_name(f"{path.stem}-{digest}{path.suffix}"))


@pytest.mark.parametrize("classes", [6, 7])
def test_a_recogniser_gives_its_backbone(tmp_path: Path, classes: int) -> None:
    other = SlowOnly(depth=14, width=8, num_classes=classes).build()
    save_weights(other, tmp_path / "x.pth")
    model = DETECTOR.build()
    head = head_of(model)
    report = load_start(model, DETECTOR, str(tmp_path / "x.pth"))
    assert isinstance(report, LoadReport)
    assert NOTE in str(report)
    assert torch.equal(model.get_parameter(KERNEL), other.get_parameter(KERNEL))
    assert_head(model, head)


def test_a_detector_gives_a_recogniser_its_backbone(tmp_path: Path) -> None:
    other = DETECTOR.build()
    save_weights(other, tmp_path / "x.pth")
    model = RECOGNISER.build()
    report = load_start(model, RECOGNISER, str(tmp_path / "x.pth"))
    assert "the file is a detector's" in str(report)
    assert torch.equal(model.get_parameter(KERNEL), other.get_parameter(KERNEL))


def test_a_detector_of_other_classes_gives_all_but_the_classifier(tmp_path: Path) -> None:
    entry = ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=9), acrn=True)
    other = entry.build()
    save_weights(other, tmp_path / "x.pth")
    model = DETECTOR.build()
    load_start(model, DETECTOR, str(tmp_path / "x.pth"))
    shared = "roi_head.shared_head.conv1.conv.weight"
    assert torch.equal(model.get_parameter(shared), other.get_parameter(shared))


def plain_with_layer(classes: int) -> Detector:
    return ActorDetector(
        network=SlowOnly(depth=14, width=8, num_classes=classes), hidden_layer=True
    ).build()


@pytest.mark.parametrize("classes", [6, 9])
def test_a_detector_with_another_head_gives_its_backbone(tmp_path: Path, classes: int) -> None:
    plain = ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=classes))
    other = plain.build()
    save_weights(other, tmp_path / "x.pth")
    for entry in (
        DETECTOR,
        ActorDetector(network=SLOWONLY, bank="nonlocal"),
        ActorDetector(network=SLOWONLY, bank="max"),
        ActorDetector(network=SLOWONLY, hidden_layer=True),
    ):
        model = entry.build()
        head = head_of(model)
        report = load_start(model, entry, str(tmp_path / "x.pth"))
        assert isinstance(report, LoadReport)
        assert "the file is that of another detector: its head ('roi_head') was left out" in str(
            report
        )
        assert torch.equal(model.get_parameter(KERNEL), other.get_parameter(KERNEL))
        assert_head(model, head)
    # To test with it is another matter.
    with pytest.raises(CheckpointError, match="belongs to another"):
        load_checkpoint(plain_with_layer(classes), tmp_path / "x.pth", num_classes=classes)


@pytest.mark.parametrize(
    ("network", "pathway"), [(SLOWONLY, ""), (SLOWFAST, "slow_path.")], ids=["SlowOnly", "SlowFast"]
)
def test_image_weights_are_inflated_into_a_detector(
    tmp_path: Path, network: SlowOnly | SlowFast, pathway: str
) -> None:
    entry = ActorDetector(network=network)
    weights = resnet2d()
    torch.save(weights, tmp_path / "x.pth")
    model = entry.build()
    head = head_of(model)
    report = load_start(model, entry, str(tmp_path / "x.pth"))
    assert isinstance(report, InflationReport)
    given = weights["layer4.0.conv1.weight"]
    kernel = model.get_parameter(KERNEL.replace("backbone.", f"backbone.{pathway}"))
    assert torch.allclose(kernel.sum(2).double()[:, : given.shape[1]], given, atol=1e-6)
    assert set(report.fresh) >= {f"roi_head.{name}" for name in head}
    assert_head(model, head)


def test_imagenet_is_a_resnet_of_the_network_s_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "cache"))
    torch.save(resnet2d(depth=50), tmp_path / "resnet50.pth")
    published = named_by_digest(tmp_path / "resnet50.pth")
    monkeypatch.setitem(imagenet.RESNETS, 50, published.as_uri())
    entry = ActorDetector(network=SlowOnly(width=8, num_classes=6))
    assert isinstance(load_start(entry.build(), entry, "imagenet"), InflationReport)
    with pytest.raises(CheckpointError, match=r"ResNet-14, .* change model.network.depth or start"):
        load_start(DETECTOR.build(), DETECTOR, "imagenet")


def test_an_address_is_downloaded_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(cache))
    save_weights(RECOGNISER.build(), tmp_path / "slowonly_20220901.pth")
    path = named_by_digest(tmp_path / "slowonly_20220901.pth")
    files = {f"/v1.0/{path.name}": path.read_bytes(), "/x-00000000.pth": path.read_bytes()}
    with serving(Server(files=files)) as server:
        for _ in range(2):
            report = load_start(DETECTOR.build(), DETECTOR, f"{server.url}/v1.0/{path.name}")
            assert NOTE in str(report)
        assert len(server.requests) == 1
        with pytest.raises(CheckpointError, match="is not the published file"):
            load_start(DETECTOR.build(), DETECTOR, f"{server.url}/x-00000000.pth")
    assert find_checkpoint(f"https://example.org/{path.name}", "") == cache / path.name


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x-01234567.pth",
        "http://127.0.0.1.example.org/x-01234567.pth",
        "ftp://example.org/x-01234567.pth",
        "file:///x-01234567.pth",
        "https://example.org/latest.pth",
        "https://example.org/?x-01234567.pth",
        "https://",
        "https://[example.org/x-01234567.pth",
        f"https://example.org/{'x' * 300}",
    ],
)
def test_an_address_that_cannot_be_checked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match=r"is no address of published weights. Expected ht"):
        load_start(DETECTOR.build(), DETECTOR, address)
    assert not (tmp_path / "cache").exists()
