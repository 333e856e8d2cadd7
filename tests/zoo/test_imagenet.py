"""What a run starts from: files of 2-D and of 3-D weights, and names of ImageNet networks."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.models.inflate import InflationReport
from praxiscope.models.recognizer import Recognizer
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo import imagenet
from praxiscope.zoo.download import expected_digest
from praxiscope.zoo.imagenet import RESNETS, load_start
from praxiscope.zoo.weights import LoadReport, save_weights
from tests.models.test_inflate import resnet2d
from tests.zoo.files import LEGACY


def model(depth: int = 14, width: int = 8) -> Recognizer:
    return SlowOnly(depth=depth, width=width, num_classes=5).build()


def start(network: Recognizer, name: str | Path, depth: int = 14) -> InflationReport | LoadReport:
    return load_start(network, SlowOnly(depth=depth, width=8, num_classes=5), str(name))


def is_inflated(network: Recognizer, weights: dict[str, Tensor]) -> bool:
    kernel = network.get_parameter("backbone.layer4.0.conv1.conv.weight")
    return torch.allclose(kernel.sum(2).double(), weights["layer4.0.conv1.weight"], atol=1e-6)


WRITERS: dict[str, Callable[[dict[str, Tensor], Path], object]] = {
    "as torchvision's newest": torch.save,
    "as torchvision's oldest": lambda weights, path: torch.save(weights, path, **LEGACY),
    "under state_dict": lambda weights, path: torch.save({"state_dict": weights}, path),
    "of several devices": lambda weights, path: torch.save(
        {f"module.{name}": tensor for name, tensor in weights.items()}, path
    ),
    "safetensors": safetensors.torch.save_file,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_of_2d_weights_is_recognised_by_its_content(tmp_path: Path, writer: str) -> None:
    weights = resnet2d()
    WRITERS[writer](weights, tmp_path / "start")
    network = model()
    report = start(network, tmp_path / "start")
    assert isinstance(report, InflationReport)
    assert report.source.startswith(str(tmp_path / "start"))
    assert report.unused.keys() == {"fc.weight", "fc.bias"}
    assert is_inflated(network, weights)


def test_a_file_of_3d_weights_is_loaded_as_it_is(tmp_path: Path) -> None:
    other = SlowOnly(depth=14, width=8, num_classes=7).build()
    save_weights(other, tmp_path / "other.pth")
    network = model()
    report = start(network, tmp_path / "other.pth")
    assert isinstance(report, LoadReport)
    name = "backbone.layer4.0.conv1.conv.weight"
    assert torch.equal(network.get_parameter(name), other.get_parameter(name))


@pytest.mark.parametrize("name", ["imagenet", "torchvision://resnet50"])
def test_imagenet_weights_of_the_depth_are_fetched_checked_and_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "cache"))
    weights = resnet2d(depth=50)
    torch.save(weights, tmp_path / "x.pth")
    digest = hashlib.sha256((tmp_path / "x.pth").read_bytes()).hexdigest()[:8]
    published = (tmp_path / "x.pth").rename(tmp_path / f"resnet50-{digest}.pth")
    monkeypatch.setitem(imagenet.RESNETS, 50, published.as_uri())
    network = model(depth=50)
    start(network, name, depth=50)
    assert is_inflated(network, weights)
    assert (tmp_path / "cache" / published.name).is_file()

    wrong = published.rename(tmp_path / "resnet50-00000000.pth")
    monkeypatch.setitem(imagenet.RESNETS, 50, wrong.as_uri())
    with pytest.raises(CheckpointError, match=f"begins with {digest}, expected 00000000"):
        start(network, name, depth=50)


def test_the_addresses_are_torchvision_s_and_carry_digests() -> None:
    assert {depth: expected_digest(url) for depth, url in RESNETS.items()} == {
        50: "0676ba61",
        101: "63fe2227",
        152: "394f9c45",
    }
    assert all(f"/resnet{depth}-" in url for depth, url in RESNETS.items())


@pytest.mark.parametrize(
    ("name", "depth", "message"),
    [
        ("imagenet", 14, "no ImageNet weights of a ResNet-14, which the model is"),
        ("torchvision://resnet101", 50, "those of a ResNet-101, the model is a ResNet-50"),
        ("torchvision://resnet5", 50, "Did you mean 'torchvision://resnet50'"),
        ("torchvision://resnet18", 50, "Expected 'imagenet', one of torchvision://resnet50, "),
        ("imagnet", 50, "no start weights 'imagnet'. Did you mean 'imagenet'?"),
        ("published", 50, "Expected a file, the name of a published checkpoint or its address, or"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, depth: int, message: str
) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match=message):
        start(model(), name, depth=depth)
    assert not (tmp_path / "cache").exists()


def test_a_local_file_of_another_depth_names_both(tmp_path: Path) -> None:
    torch.save(resnet2d(depth=50), tmp_path / "resnet50.pth")
    message = r"resnet50.pth \(torch zip\) is a ResNet-50, the model's 'backbone' is a ResNet-14"
    with pytest.raises(CheckpointError, match=message):
        start(model(), tmp_path / "resnet50.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_half_downloaded_file_is_refused_and_changes_nothing(
    tmp_path: Path, legacy: bool
) -> None:
    path = tmp_path / "resnet50-0676ba61.pth"
    torch.save(resnet2d(), path, **(LEGACY if legacy else {}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    network = model()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"resnet50-0676ba61.pth is a damaged or refused"):
        start(network, path)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
