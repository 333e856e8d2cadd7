from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from praxiscope.errors import CheckpointError
from praxiscope.zoo.openmmlab import published_state
from praxiscope.zoo.weights import LoadReport, load_checkpoint, save_weights
from tests.zoo.files import LEGACY, fake_mmengine


def conv_bn(channels: int, out: int) -> nn.Module:
    """One convolution under the published names: conv and bn."""
    conv = nn.Conv3d(channels, out, (1, 3, 3), bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm3d(out)))


def small(classes: int = 400, blocks: int = 4, channels: int = 3) -> nn.Module:
    """A model with the published names of a SlowOnly, few of each."""
    model, backbone, head = nn.Module(), nn.Module(), nn.Module()
    backbone.conv1 = conv_bn(channels, 4)
    backbone.layer1 = nn.Sequential(
        *(nn.Sequential(OrderedDict(conv1=conv_bn(4, 4))) for _ in range(blocks))
    )
    head.fc_cls = nn.Linear(4, classes)
    model.backbone, model.cls_head = backbone, head
    return model


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal(model: nn.Module, expected: dict[str, Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.fixture
def published() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return state(small())


def write(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("options", [{}, LEGACY], ids=str)
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model.module."])
@pytest.mark.parametrize("nested", [True, False])
def test_every_tensor_of_a_published_file_arrives(
    tmp_path: Path,
    published: dict[str, Tensor],
    prefix: str,
    nested: bool,
    options: dict[str, Any],
) -> None:
    names: Any = {prefix + name: tensor for name, tensor in published.items()}
    content = {"state_dict": names, "meta": {"CLASSES": ["a", "b"]}} if nested else names
    path = write(tmp_path / "x.pth", content, **options)
    model = small()
    report = load_checkpoint(model, path)
    assert_equal(model, published)
    kind = "legacy" if options else "zip"
    names_in_file = ("a", "b") if nested else None
    assert report == LoadReport(f"{path} (torch {kind})", len(published), (), (), names_in_file)
    assert str(report) == f"32 tensors from {path} (torch {kind})"


def test_files_before_the_step_counter_miss_nothing(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    old = {name: t for name, t in published.items() if not name.endswith("num_batches_tracked")}
    report = load_checkpoint(small(), write(tmp_path / "old.pth", old))
    assert (report.matched, report.missing, report.unexpected) == (27, (), ())


def test_half_precision_weights_are_widened(tmp_path: Path, published: dict[str, Tensor]) -> None:
    halves = {n: t.half() if t.is_floating_point() else t for n, t in published.items()}
    model = small()
    load_checkpoint(model, write(tmp_path / "half.pth", halves))
    assert model.get_parameter("cls_head.fc_cls.weight").dtype == torch.float32
    expected = halves["cls_head.fc_cls.weight"].float()
    assert torch.equal(model.get_parameter("cls_head.fc_cls.weight"), expected)


def test_a_few_strays_are_reported(tmp_path: Path, published: dict[str, Tensor]) -> None:
    del published["backbone.conv1.bn.bias"]
    published["backbone.extra"] = torch.ones(1)
    content = {"state_dict": published | {"cls_head.note": "text", "roi_head.fc": torch.ones(2)}}
    report = load_checkpoint(small(), write(tmp_path / "x.pth", content))
    assert report.missing == ("backbone.conv1.bn.bias",)
    assert report.unexpected == ("backbone.extra", "roi_head.fc", "cls_head.note")
    assert "not in the file, left as they were: backbone.conv1.bn.bias" in str(report)
    assert "in the file, not in the model: backbone.extra" in str(report)


def test_a_file_without_the_head_loads_the_backbone(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    backbone = {n: t for n, t in published.items() if n.startswith("backbone")}
    report = load_checkpoint(small(), write(tmp_path / "x.pth", backbone))
    assert report.missing == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")


def test_another_number_of_classes_names_both(tmp_path: Path, published: dict[str, Tensor]) -> None:
    path, model = write(tmp_path / "x.pth", published), small(classes=8)
    before = state(model)
    with pytest.raises(CheckpointError, match=r"has 400 classes .* the model has 8") as caught:
        load_checkpoint(model, path)
    assert "num_classes=400" in str(caught.value)
    assert "num_classes=8" in str(caught.value)
    assert_equal(model, before)


def test_asking_for_the_models_classes_keeps_its_fresh_head(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    path, model = write(tmp_path / "x.pth", published), small(classes=8)
    fresh = state(model)
    report = load_checkpoint(model, path, num_classes=8)
    head = ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    assert report.missing == head
    assert_equal(model, published | {name: fresh[name] for name in head})


def test_asking_for_the_files_classes_loads_the_head(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    model = small()
    report = load_checkpoint(model, write(tmp_path / "x.pth", published), num_classes=400)
    assert report.missing == ()
    assert_equal(model, published)


def test_asking_for_classes_the_model_lacks_is_an_error(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    path = write(tmp_path / "x.pth", published)
    with pytest.raises(CheckpointError, match="num_classes=10 was asked for, but the model has 8"):
        load_checkpoint(small(classes=8), path, num_classes=10)


def others() -> dict[str, dict[str, Tensor]]:
    return {
        "nothing in common": {"fc.weight": torch.ones(2, 2)},
        "deeper": state(small(blocks=12)),
        "shallower": state(small(blocks=2)),
        "deeper, other classes": state(small(blocks=12, classes=8)),
        "flow": state(small(channels=2)),
        "whole numbers": {n: t.long() for n, t in state(small()).items()},
        "complex": {n: t.to(torch.complex64) for n, t in state(small()).items()},
        "wider head": state(small()) | {"cls_head.fc_cls.weight": torch.ones(400, 9)},
        "a number as head": state(small()) | {"cls_head.fc_cls.bias": torch.tensor(1.0)},
        "one tensor": {"backbone.conv1.bn.bias": torch.ones(4)},
    }


@pytest.mark.parametrize("other", others())
def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(
    tmp_path: Path, other: str
) -> None:
    path, model = write(tmp_path / "other.pth", others()[other]), small()
    before = state(model)
    with pytest.raises(CheckpointError, match="belongs to another model") as caught:
        load_checkpoint(model, path)
    assert str(caught.value).startswith(str(path))
    assert_equal(model, before)


def test_placeholders_are_not_weights(tmp_path: Path, published: dict[str, Tensor]) -> None:
    content: dict[str, object] = dict(published)
    with fake_mmengine() as mmengine:
        content["backbone.conv1.bn.bias"] = mmengine.HistoryBuffer()
        path = write(tmp_path / "x.pth", content)
    report = load_checkpoint(small(), path)
    assert report.missing == report.unexpected == ("backbone.conv1.bn.bias",)


def test_two_entries_for_one_weight_are_an_error(tmp_path: Path) -> None:
    content = {"module.backbone.w": torch.ones(1), "backbone.w": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"two entries for 'backbone.w'"):
        load_checkpoint(small(), write(tmp_path / "x.pth", content))


@pytest.mark.parametrize(
    ("meta", "names"),
    [
        ({"CLASSES": ("a", "b")}, ("a", "b")),
        ({"CLASSES": ["a"], "epoch": 3}, ("a",)),
        ({"dataset_meta": {"classes": ("a",)}}, ("a",)),
        ({"dataset_meta": {"CLASSES": ("a",)}}, ("a",)),
        ({"dataset_meta": None, "CLASSES": None}, None),
        ({"CLASSES": [1, 2]}, None),
        ({"CLASSES": ()}, None),
        ("no mapping", None),
    ],
)
def test_class_names_are_found_where_each_generation_keeps_them(
    meta: Any, names: tuple[str, ...] | None
) -> None:
    found = published_state({"state_dict": {}, "meta": meta}, "x.pth")
    assert found.class_names == names
    assert found.epoch == (3 if "epoch" in meta else None)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_saved_weights_load_again_with_their_class_names(
    tmp_path: Path, name: str, published: dict[str, Tensor]
) -> None:
    model = small()
    model.load_state_dict(published)
    save_weights(model, tmp_path / name, class_names=("left", "right (fast)"))
    other = small()
    report = load_checkpoint(other, tmp_path / name)
    assert report.class_names == ("left", "right (fast)")
    assert report.missing == report.unexpected == ()
    assert_equal(other, published)
