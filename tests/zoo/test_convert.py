import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from praxiscope.cli import main
from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import OPENMMLAB, PYSLOWFAST, RGB
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.convert import convert
from praxiscope.zoo.recorded import RecordedClip, recorded_clip
from praxiscope.zoo.structure import entry_of
from praxiscope.zoo.weights import load_checkpoint
from tests.zoo.foreign import caffe2_blobs, python2_pickle, tiny_pyslowfast, under_our_names

CONFIG = "dict(type='SampleFrames', clip_len=8, frame_interval=8, num_clips=1)"


def published(entry: Any = None) -> dict[str, Tensor]:
    """A state dict in another order and of several types, as files of many years are."""
    entry = entry or SlowOnly(depth=14, width=8, num_classes=5)
    state = {f"{name}": tensor for name, tensor in reversed(entry.build().state_dict().items())}
    first, second, *_ = state
    return state | {first: state[first].half(), second: state[second].bfloat16()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Names, their order, types, shapes and bits."""
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        raw, wanted = (t.contiguous().view(-1).view(torch.uint8) for t in (found[name], tensor))
        assert torch.equal(raw, wanted), name


@pytest.mark.parametrize(
    "entry",
    [
        None,
        SlowFast(depth=14, width=16, num_classes=5),
        SlowOnly(depth=14, width=8, num_classes=5, non_local=NonLocal(after=((), (0,), (), ()))),
    ],
)
@pytest.mark.parametrize("old", [True, False])
def test_openmmlab_to_ours_and_back_is_exact_to_the_bit(
    tmp_path: Path, entry: Any, old: bool
) -> None:
    state, classes = published(entry), ("a", "b c", "d", "e", "f")
    if old:
        meta: dict[str, Any] = {"CLASSES": classes, "mmcv_version": "1.3", "config": CONFIG}
    else:
        meta = {"dataset_meta": {"classes": classes}, "mmengine_version": "0.10", "cfg": CONFIG}
    meta["epoch"] = 3
    torch.save({"meta": meta, "state_dict": state, "optimizer": {}}, tmp_path / "a.pth")
    report = convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert (report.matched, report.renamed) == (len(state), ())
    assert (report.missing, report.unexpected, report.notes) == ((), (), ())
    convert(tmp_path / "b.safetensors", tmp_path / "c.pth")
    content: Any = torch.load(tmp_path / "c.pth", weights_only=True)
    assert_same(content["state_dict"], state)
    assert content["meta"]["CLASSES"] == classes
    assert content["meta"]["dataset_meta"] == {"classes": classes}
    assert recorded_clip(content) == RecordedClip(8, 8)
    with safe_open(tmp_path / "b.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(state)


def test_numbers_and_sizes_that_no_network_has_say_nothing() -> None:
    assert recorded_clip({"meta": {"clip": "32x2/4"}}) == RecordedClip(32, 2, 4)
    assert recorded_clip({"meta": {"clip": "32x2/" + "4" * 5000}}) is None
    entry = SlowOnly(depth=14, width=8, num_classes=3, non_local=NonLocal(after=((0,), (), (), ())))
    state = entry.build().state_dict()
    assert entry_of(state) == entry
    far = "backbone.layer1." + "9" * 5000 + ".non_local_block.g.0.conv.weight"
    assert entry_of(state | {far: torch.zeros(1)}) == entry
    empty = {"backbone.conv1.conv.weight": torch.zeros(10**15, 3, 0, 7, 7)}
    assert entry_of(state | empty) is None


@pytest.mark.parametrize("target", ["pyslowfast", "pytorchvideo"])
def test_theirs_to_ours_and_back_is_exact_to_the_bit(tmp_path: Path, target: Any) -> None:
    state = dict(reversed(tiny_pyslowfast().items()))
    torch.save({"model_state": state}, tmp_path / "a.pyth")
    if target == "pytorchvideo":
        convert(tmp_path / "a.pyth", tmp_path / "p.pyth", "pytorchvideo")
        torch.save(torch.load(tmp_path / "p.pyth")["model_state"], tmp_path / "a.pyth")
        state = torch.load(tmp_path / "a.pyth")
        assert "blocks.6.proj.weight" in state
    report = convert(tmp_path / "a.pyth", tmp_path / "b.safetensors")
    assert len(report.renamed) == report.matched == len(state)
    assert (report.missing, report.unexpected) == ((), ())
    convert(tmp_path / "b.safetensors", tmp_path / "c.pyth", target)
    assert_same(torch.load(tmp_path / "c.pyth")["model_state"], state)


def test_a_converted_file_keeps_its_conventions_whatever_its_names(tmp_path: Path) -> None:
    torch.save({"model_state": tiny_pyslowfast()}, tmp_path / "a.pyth")
    source = tmp_path / "a.pyth"
    for name in ("b.safetensors", "c.pth", "d.pyth"):
        convert(source, tmp_path / name, "pytorchvideo" if name == "d.pyth" else None)
        source = tmp_path / name
        model = SlowFast(depth=14, width=16, num_classes=8, lateral_frames=7).build()
        load_checkpoint(model, source)
        assert model.conventions == PYSLOWFAST
        expected = under_our_names(tiny_pyslowfast())
        assert_same({n: model.state_dict()[n] for n in expected}, expected)


@pytest.mark.parametrize("target", ["pyslowfast", "pytorchvideo"])
def test_weights_of_openmmlab_stay_so_under_the_names_of_others(
    tmp_path: Path, target: Any
) -> None:
    torch.save({"state_dict": published()}, tmp_path / "a.pth")
    report = convert(tmp_path / "a.pth", tmp_path / "b.pyth", target)
    assert any(note.startswith("the weights follow OpenMMLab, which P") for note in report.notes)
    convert(tmp_path / "b.pyth", tmp_path / "c.pth")
    for name in ("b.pyth", "c.pth"):
        model = SlowOnly(depth=14, width=8, num_classes=5).build()
        load_checkpoint(model, tmp_path / name)
        assert model.conventions == OPENMMLAB
        assert model.mean.flatten().tolist() == pytest.approx(RGB.mean)


def test_a_safetensors_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    torch.save({"state_dict": published()}, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    (tmp_path / "other").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("b.safetensors", "other")]
    assert modes[0] == modes[1]


def test_caffe2_blobs_become_weights_of_ours(tmp_path: Path) -> None:
    state = tiny_pyslowfast()
    blobs = caffe2_blobs(state, (1, 1, 1, 1))
    (tmp_path / "a.pkl").write_bytes(python2_pickle(blobs))
    report = convert(tmp_path / "a.pkl", tmp_path / "b.safetensors")
    assert ("t_pool1_subsample_bn_riv", "backbone.slow_path.conv1_lateral.bn.running_var") in (
        report.renamed
    )
    assert (report.missing, report.unexpected) == ((), ())
    content: Any = read_checkpoint_file(tmp_path / "b.safetensors")
    for name, tensor in under_our_names(state).items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(content["state_dict"][name], tensor)


def test_the_report_names_what_is_missing_and_what_has_no_place(tmp_path: Path) -> None:
    state = published() | {"neck.fc": torch.ones(2, 3), "cls_head.note": "text"}
    del state["backbone.layer4.0.conv2.bn.weight"]
    torch.save(state, tmp_path / "a.pth")
    arguments = ["zoo", "convert", str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")]
    assert main([*arguments, "--report", str(tmp_path / "report.txt")]) == 0
    text = (tmp_path / "report.txt").read_text()
    assert "missing (1)\n  backbone.layer4.0.conv2.bn.weight (64)\n" in text
    assert "unexpected (2)\n  neck.fc (2x3)\n  cls_head.note\n" in text
    assert f"matched ({len(state) - 2})" in text
    assert "  backbone.conv1.conv.weight (8x3x1x7x7)\n" in text


def test_weights_of_another_family_are_converted_as_they_are(tmp_path: Path) -> None:
    torch.save({"encoder.w": torch.ones(3)}, tmp_path / "a.pth")
    report = convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert "no network here has all of these names" in report.notes
    assert report.matched == 1


def test_networks_without_lateral_norms_have_no_other_form(tmp_path: Path) -> None:
    torch.save(published(SlowFast(depth=14, width=16, num_classes=5)), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="no norms after its lateral convolutions"):
        convert(tmp_path / "a.pth", tmp_path / "b.pyth")
    assert not (tmp_path / "b.pyth").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.pth", "b.onnx"), "nothing is written with this ending"),
        (("a.pth", "a.pth"), "would replace what it is made of"),
        (("a.pth",), "takes two files"),
        (("none.pth", "b.pth"), "does not exist"),
        (("bad.pth", "b.pth"), "is no checkpoint"),
    ],
)
def test_a_mistaken_command_is_one_sentence(
    workdir: Path, names: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(published(), "a.pth")
    Path("bad.pth").write_text("<html>")
    assert main(["zoo", "convert", *names]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert {path.name for path in workdir.iterdir()} == {"a.pth", "bad.pth"}


@pytest.mark.parametrize(
    "entry",
    [
        SlowOnly(depth=50, num_classes=3),
        SlowOnly(depth=101, num_classes=400, channels=2),
        SlowOnly(depth=50, num_classes=3, non_local=NonLocal()),
        SlowOnly(depth=50, num_classes=3, non_local=NonLocal(pairwise="gaussian")),
        SlowOnly(depth=50, num_classes=3, non_local=NonLocal(pairwise="concatenation")),
        SlowOnly(depth=50, num_classes=3, non_local=NonLocal(sub_sample=False)),
        SlowFast(depth=152, fast_depth=50, num_classes=600, lateral_frames=7),
    ],
)
def test_a_network_is_told_from_its_names_and_shapes(entry: Any) -> None:
    with torch.device("meta"):
        wanted = entry.build().state_dict()
        found = entry_of(wanted)
        assert found is not None
        assert {n: t.shape for n, t in found.build().state_dict().items()} == {
            n: t.shape for n, t in wanted.items()
        }


MEMORY = """
import os, resource, sys
from praxiscope.zoo.convert import convert
small, large, folder, *outs = sys.argv[1:]
convert(small, folder + "/warm.safetensors")  # what the libraries themselves take
convert(folder + "/warm.safetensors", folder + "/warm.pth")
for out in outs:
    if os.fork() == 0:  # a process has one peak
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        convert(large, out)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("source", ["large.pth", "large.pkl", "large.safetensors"])
def test_conversion_takes_less_memory_than_twice_the_file(tmp_path: Path, source: str) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "small.pth")
    state = {f"w{i}": torch.full((1 << 20,), float(i)) for i in range(48)}  # 192 MiB
    path = tmp_path / source
    match path.suffix:
        case ".pth":
            torch.save({"state_dict": state}, path)
        case ".pkl":
            path.write_bytes(python2_pickle({n: t.numpy() for n, t in state.items()}))
        case _:
            header = {
                name: {"dtype": "F32", "shape": [1 << 20], "data_offsets": [i << 22, (i + 1) << 22]}
                for i, name in enumerate(state)
            }
            text = json.dumps(header).encode()
            with path.open("wb") as file:
                file.write(struct.pack("<Q", len(text)) + text)
                file.writelines(tensor.numpy().tobytes() for tensor in state.values())
    outs = [str(tmp_path / f"out{suffix}") for suffix in (".safetensors", ".pth")]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEMORY,
            str(tmp_path / "small.pth"),
            str(path),
            str(tmp_path),
            *outs,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    used, size = [int(line) * 1024 for line in done.stdout.split()], path.stat().st_size
    assert len(used) == 2 and max(used) < 2 * size
