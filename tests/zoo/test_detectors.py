"""Weights of detectors: the published layouts, other classes, other tasks, other variants."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from praxiscope.cli import main
from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import PYSLOWFAST
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.recognizer import ClipModel
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo.convert import convert
from praxiscope.zoo.create import load_model, with_classes
from praxiscope.zoo.structure import entry_of
from praxiscope.zoo.weights import load_checkpoint, prepare_for, save_weights
from tests.parity.test_detection import RECIPES, figures
from tests.zoo.foreign import tiny_pyslowfast, under_our_names

SLOWONLY = SlowOnly(depth=14, width=8, num_classes=6)
SLOWFAST = SlowFast(depth=14, width=16, num_classes=6, slow_stride=4, speed_ratio=4)
NON_LOCAL = SlowOnly(depth=14, num_classes=5, non_local=NonLocal(after=((), (0,), (), ())))
PLAIN = ActorDetector(network=SLOWONLY)
VARIANTS = {
    "plain": PLAIN,
    "context": ActorDetector(network=SLOWONLY, context=True),
    "two layers": ActorDetector(network=SLOWONLY, hidden_layer=True),
    "ACRN": ActorDetector(network=SLOWONLY, acrn=True),
    "SlowFast": ActorDetector(network=SLOWFAST),
    "SlowFast, ACRN": ActorDetector(network=SLOWFAST, acrn=True),
}
BANK_POOLS = ("max", "avg")  # without weights: they look like context
HEAD = ("roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.fc_cls.bias")
LAST_OF_TWO = ("roi_head.bbox_head.fc_cls.2.weight", "roi_head.bbox_head.fc_cls.2.bias")
CONFIG = "dict(type='SampleAVAFrames', clip_len=4, frame_interval=16)"
METAS: dict[str, dict[str, Any]] = {
    "0.x": {"mmcv_version": "1.3", "config": CONFIG, "CLASSES": None},
    "1.x": {"mmengine_version": "0.10", "cfg": CONFIG, "dataset_meta": {}, "epoch": 20},
}


def state_of(model: ClipModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def write(path: Path, entry: Any, **more: Any) -> dict[str, Tensor]:
    """Write fresh weights of an entry as OpenMMLab does; return them."""
    state = state_of(entry.build())
    torch.save({"state_dict": state, **more}, path)
    return state


def assert_equal(model: ClipModel, expected: dict[str, Tensor]) -> None:
    found = model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def kinds() -> list[str]:
    """One published name for each set of names and shapes."""
    first: dict[str, str] = {}
    for name in sorted(RECIPES):
        first.setdefault(json.dumps(figures(name)["state_dict"]), name)
    return list(first.values())


@pytest.mark.parametrize("name", kinds())
def test_every_tensor_of_a_published_detector_arrives(tmp_path: Path, name: str) -> None:
    shapes = {key: torch.Size(shape) for key, shape in figures(name)["state_dict"].items()}
    longest = max(shape.numel() for shape in shapes.values())
    numbers = (torch.arange(longest + len(shapes)) % 2048).half()  # shared: it makes a small file
    state = {
        key: numbers[first : first + shape.numel()].view(shape) if shape else torch.tensor(first)
        for first, (key, shape) in enumerate(shapes.items())
    }
    torch.save({"meta": METAS["1.x"], "state_dict": state}, tmp_path / f"{name}.pth")
    model, report = load_model(RECIPES[name].model, tmp_path / f"{name}.pth", num_classes=81)
    assert (report.matched, report.missing, report.unexpected) == (len(shapes), (), ())
    assert (report.renamed, report.notes, report.warnings) == ((), (), ())
    assert all(tensor.eq(state[key]).all() for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("generation", METAS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_both_generations_of_files_load_whole(
    tmp_path: Path, variant: str, generation: str
) -> None:
    entry = VARIANTS[variant]
    state = write(tmp_path / "x.pth", entry, meta=METAS[generation], optimizer={"lr": 0.1})
    model, report = load_model(entry, tmp_path / "x.pth")
    assert isinstance(model, Detector)
    assert (report.missing, report.unexpected, report.notes) == ((), (), ())
    assert_equal(model, state)


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_saved_detectors_load_again_with_their_classes_and_conventions(
    tmp_path: Path, name: str
) -> None:
    entry = VARIANTS["SlowFast, ACRN"]
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "start.pyth")
    first = entry.build()
    load_checkpoint(first, tmp_path / "start.pyth", num_classes=6)
    save_weights(first, tmp_path / name, ("stand", "sit"))
    second = entry.build()
    report = load_checkpoint(second, tmp_path / name)
    assert report.class_names == ("stand", "sit")
    assert second.conventions == PYSLOWFAST
    assert torch.equal(second.mean, first.mean)
    assert_equal(second, first.state_dict())
    resumed = entry.build()
    prepare_for(resumed, tmp_path / name)
    assert resumed.conventions == PYSLOWFAST


@pytest.mark.parametrize(
    ("variant", "head"),
    [("plain", HEAD), ("two layers", LAST_OF_TWO), ("ACRN", HEAD)],
)
def test_other_outputs_are_named_and_left_out_on_request(
    tmp_path: Path, variant: str, head: tuple[str, str]
) -> None:
    entry = VARIANTS[variant]
    state = write(tmp_path / "x.pth", entry)
    model = with_classes(entry, 4).build()
    before = state_of(model)
    message = (
        rf"x.pth has 6 outputs \(the background included\) in '{head[0]}', the model has 4. "
        "Expected the same number: build the model with num_classes=6, or pass num_classes=4"
    )
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(model, tmp_path / "x.pth")
    assert_equal(model, before)
    report = load_checkpoint(model, tmp_path / "x.pth", num_classes=4)
    assert report.missing == head
    assert "classifier of 6 outputs (the background included) was left out" in str(report)
    assert_equal(model, state | {name: before[name] for name in head})
    with pytest.raises(CheckpointError, match="num_classes=9 was asked for, but the model has 4"):
        load_checkpoint(model, tmp_path / "x.pth", num_classes=9)


TASKS = {  # the file's entry, the model's, whose head is left out and which is fresh
    "a recogniser for a detector": (SLOWONLY, PLAIN, "recogniser's: its head ('cls_head')"),
    "a recogniser for ACRN": (SLOWFAST, VARIANTS["SlowFast, ACRN"], "its head ('cls_head')"),
    "a detector for a recogniser": (
        VARIANTS["two layers"],
        SLOWONLY,
        "the file is a detector's: its head ('roi_head') was left out, and the model's own "
        "('cls_head') is fresh and has to be trained",
    ),
}


@pytest.mark.parametrize("case", TASKS)
@pytest.mark.parametrize("classes", [6, 11])
def test_a_file_of_the_other_task_gives_its_backbone_on_request(
    tmp_path: Path, case: str, classes: int
) -> None:
    theirs, ours, note = TASKS[case]
    state = write(tmp_path / "x.pth", theirs)
    model = with_classes(ours, classes).build()
    before = state_of(model)
    with pytest.raises(CheckpointError, match=f"x.pth is a .* pass num_classes={classes} to load"):
        load_checkpoint(model, tmp_path / "x.pth")
    assert_equal(model, before)
    report = load_checkpoint(model, tmp_path / "x.pth", num_classes=classes)
    backbone = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    assert report.matched == len(backbone)
    assert report.unexpected == ()
    assert not [name for name in report.missing if name.startswith("backbone.")]
    assert note in str(report)
    assert_equal(model, before | backbone)


def extractor(mode: str | None) -> str:
    """The part of a published configuration that says how frames are pooled."""
    pool = f", temporal_pool_mode='{mode}'" if mode else ""
    return f"roi_head=dict(bbox_roi_extractor=dict(output_size=8, with_temporal_pool=True{pool}))"


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "published.pth", "converted.pth"])
@pytest.mark.parametrize("recorded", ["avg", "max"])
@pytest.mark.parametrize("own", ["avg", "max"])
def test_another_temporal_pooling_is_warned_of(
    tmp_path: Path, name: str, recorded: Any, own: Any
) -> None:
    entry = replace(PLAIN, temporal_pool=recorded)
    path = tmp_path / name
    if name.startswith("x"):
        save_weights(entry.build(), path)
    else:
        text = extractor("max" if recorded == "max" else None)
        write(path, entry, meta={"mmengine_version": "0.10", "cfg": CONFIG + text})
    if name.startswith("converted"):
        convert(path, tmp_path / "x.safetensors")
        convert(tmp_path / "x.safetensors", path)
    model = replace(PLAIN, temporal_pool=own).build()
    report = load_checkpoint(model, path)
    words = {"avg": "mean", "max": "maximum"}
    warning = (
        f"these weights were trained on the {words[recorded]} of a clip's frames, the model takes "
        f"the {words[own]}: it is the checkpoint of a neighbouring model, and less accurate here"
    )
    assert report.warnings == (() if recorded == own else (warning,))
    assert load_checkpoint(SLOWONLY.build(), path, num_classes=6).warnings == ()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "published.pth", "converted.pth"])
def test_another_way_to_read_a_bank_is_warned_of(tmp_path: Path, name: str) -> None:
    entry, path = replace(PLAIN, bank="max"), tmp_path / name
    if name.startswith("x"):
        save_weights(entry.build(), path)
    else:
        fbo = "fbo_cfg=dict(st_feat_channels=2048,\n            type='max', latent_channels=512)"
        write(path, entry, meta={"mmengine_version": "0.10", "cfg": f"{CONFIG}\n{fbo}"})
    if name.startswith("converted"):
        convert(path, tmp_path / "x.safetensors")
        convert(tmp_path / "x.safetensors", path)
    assert load_checkpoint(entry.build(), path).warnings == ()
    (warning,) = load_checkpoint(replace(PLAIN, bank="avg").build(), path).warnings
    assert "were trained to read a feature bank by 'max', the model does by 'avg'" in warning


@pytest.mark.parametrize("value", [torch.ones(3), np.ones(3), "mean", "max\n", 1, None, ["max"]])
def test_a_pooling_that_does_not_exist_says_nothing(tmp_path: Path, value: Any) -> None:
    write(
        tmp_path / "x.pth",
        PLAIN,
        meta={"temporal_pool": value, "bank": value, "cfg": value, "config": value},
    )
    report = load_checkpoint(PLAIN.build(), tmp_path / "x.pth")
    assert (report.missing, report.warnings) == ((), ())


@pytest.mark.parametrize(
    ("file", "model", "message"),
    [
        ("ACRN", "plain", "belongs to another detector: of its head, none would be missing and"),
        ("plain", "ACRN", "of its head, roi_head.shared_head.conv1.conv.weight, roi_head.*missing"),
        ("plain", "two layers", "another detector"),
        ("two layers", "plain", r"weight, .*bias would be missing and .*fc_cls.0.weight"),
        ("context", "plain", "belongs to another model: 1 of its tensors do not fit"),
        ("SlowFast", "plain", "belongs to another model"),
        ("plain", "SlowFast", "belongs to another model"),
    ],
)
@pytest.mark.parametrize("num_classes", [None, 6])
def test_another_variant_is_refused_and_changes_nothing(
    tmp_path: Path, file: str, model: str, message: str, num_classes: int | None
) -> None:
    write(tmp_path / "x.pth", VARIANTS[file])
    network = VARIANTS[model].build()
    before = state_of(network)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(network, tmp_path / "x.pth", num_classes=num_classes)
    assert str(caught.value).startswith(str(tmp_path / "x.pth"))
    assert_equal(network, before)


@pytest.mark.parametrize("layout", ["recogniser", "detector", "PySlowFast"])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.0),
        torch.zeros(0),
        torch.zeros(0, 256),
        torch.zeros(6, 256, 1),
        torch.zeros(6, 256).long(),
        torch.zeros(6, 256, dtype=torch.complex64),
    ],
    ids=lambda tensor: str(tuple(tensor.shape)) + str(tensor.dtype),
)
@pytest.mark.parametrize("num_classes", [None, 6])
def test_a_head_of_odd_tensors_is_an_error_or_left_out(
    tmp_path: Path, layout: str, tensor: Tensor, num_classes: int | None
) -> None:
    path = tmp_path / "x.pth"
    if layout == "PySlowFast":
        odd = {"head.projection.weight": tensor, "head.projection.bias": tensor}
        entry = VARIANTS["SlowFast"]
        torch.save({"model_state": tiny_pyslowfast() | odd}, path)
    else:
        entry = PLAIN
        kind = "cls_head" if layout == "recogniser" else "roi_head.bbox_head"
        state = (
            entry.build().state_dict() if layout == "detector" else SLOWONLY.build().state_dict()
        )
        odd = {f"{kind}.fc_cls.weight": tensor, f"{kind}.fc_cls.bias": tensor}
        torch.save({"state_dict": state | odd}, path)
    model = entry.build()
    before = state_of(model)
    if layout == "detector" or num_classes is None:
        with pytest.raises(CheckpointError):
            load_checkpoint(model, path, num_classes=num_classes)
        assert_equal(model, before)
    else:
        report = load_checkpoint(model, path, num_classes=num_classes)
        assert report.missing == HEAD


def test_a_recogniser_of_pyslowfast_gives_backbone_and_conventions(tmp_path: Path) -> None:
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "x.pyth")
    model = VARIANTS["SlowFast"].build()
    report = load_checkpoint(model, tmp_path / "x.pyth", num_classes=6)
    assert report.missing == HEAD
    assert model.conventions == PYSLOWFAST
    assert "the model follows PySlowFast: its normalisation, slow frames linspace\n" in str(report)
    expected = under_our_names(tiny_pyslowfast())
    found = model.state_dict()
    for name, tensor in expected.items():
        if name.startswith("backbone."):
            assert torch.equal(found[name], tensor), name
    logits = model.eval()(torch.rand(1, 3, 8, 64, 64), [torch.tensor([[3.0, 4.0, 40.0, 60.0]])])
    assert logits.shape == (1, 6)


@pytest.mark.parametrize("entry", [VARIANTS["SlowFast"], SLOWFAST], ids=["detector", "recogniser"])
def test_a_detector_of_pyslowfast_is_refused(tmp_path: Path, entry: Any) -> None:
    settings = "DETECTION:\n  ENABLE: True\n  ALIGNED: True\n"
    path = tmp_path / "ava.pyth"
    torch.save({"model_state": tiny_pyslowfast(), "cfg": settings}, path)
    with pytest.raises(CheckpointError, match="is a detector of PySlowFast, which dilates its"):
        load_checkpoint(entry.build(), path, num_classes=6)
    with pytest.raises(CheckpointError, match="is a detector of PySlowFast"):
        convert(path, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("converted", [False, True])
def test_eighty_outputs_of_pyslowfast_are_ava_s(tmp_path: Path, converted: bool) -> None:
    path = tmp_path / "ava.pyth"
    torch.save({"model_state": tiny_pyslowfast(classes=80)}, path)  # as in Caffe2: no settings
    if converted:
        convert(path, path := tmp_path / "ava.safetensors")
    with pytest.raises(CheckpointError, match="is a detector of PySlowFast"):
        load_checkpoint(VARIANTS["SlowFast"].build(), path, num_classes=6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_detector_is_converted_and_back_to_the_bit(tmp_path: Path, variant: str) -> None:
    classes = ("", "stand", "sit", "walk", "wave", "talk to")
    meta = METAS["1.x"] | {"dataset_meta": {"classes": classes}}
    state = write(tmp_path / "a.pth", VARIANTS[variant], meta=meta)
    assert main(["zoo", "convert", str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")]) == 0
    report = convert(tmp_path / "b.safetensors", tmp_path / "c.pth")
    assert (report.matched, report.missing, report.unexpected) == (len(state), (), ())
    assert (report.notes, report.class_names) == ((), classes)
    content: Any = torch.load(tmp_path / "c.pth", weights_only=True)
    assert list(content["state_dict"]) == list(state)
    assert all(torch.equal(content["state_dict"][name], state[name]) for name in state)


@pytest.mark.parametrize("to", ["pyslowfast", "pytorchvideo"])
def test_a_detector_has_no_form_in_other_code_bases(tmp_path: Path, to: Any) -> None:
    write(tmp_path / "a.pth", PLAIN)
    with pytest.raises(CheckpointError, match=r"a.pth is a detector, whose head PySlowFast and"):
        convert(tmp_path / "a.pth", tmp_path / "b.pyth", to)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    "entry",
    [
        *VARIANTS.values(),
        ActorDetector(network=SLOWFAST, context=True, hidden_layer=True),
        ActorDetector(network=NON_LOCAL),
        *(RECIPES[name].model for name in kinds() if RECIPES[name].model.bank not in BANK_POOLS),
    ],
)  # fmt: skip
def test_a_detector_is_told_from_its_names_and_shapes(entry: ActorDetector) -> None:
    with torch.device("meta"):
        wanted = entry.build().state_dict()
        found = entry_of(wanted)
        assert isinstance(found, ActorDetector)
        assert (found.context, found.acrn, found.hidden_layer, found.bank) == (
            entry.context,
            entry.acrn,
            entry.hidden_layer,
            entry.bank,
        )
        shapes = {name: tensor.shape for name, tensor in found.build().state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in wanted.items()}


@pytest.mark.parametrize("tensor", [torch.tensor(1.0), torch.zeros(6), torch.zeros(1, 256)])
def test_a_head_that_no_detector_has_is_no_network_s(tmp_path: Path, tensor: Tensor) -> None:
    state = PLAIN.build().state_dict() | {HEAD[0]: tensor}
    assert entry_of(state) is None
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    report = convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert "no network here has all of these names" in report.notes
