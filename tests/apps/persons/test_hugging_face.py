import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.apps.persons import find_provider
from praxiscope.errors import CheckpointError, PraxiscopeError
from tests.apps.persons.figures import blank


class FakeTransformers(ModuleType):
    """What of the library is used, and how."""

    def __init__(self) -> None:
        super().__init__("transformers")
        self.id2label: dict[Any, str] = {0: "cat", 1: "Person", 2: "person "}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusal: Exception | None = None
        self.config: dict[str, Any] = {"backbone_config": {"attn_implementation": "sdpa"}}
        self.PretrainedConfig = SimpleNamespace(get_config_dict=lambda *_, **__: (self.config, {}))
        self.AutoImageProcessor = SimpleNamespace(from_pretrained=self.processor)
        self.AutoModelForObjectDetection = SimpleNamespace(from_pretrained=self.model)

    def processor(self, name: str, **options: Any) -> Any:
        self.calls.append((name, options))

        class Inputs(dict[str, Any]):
            def to(self, device: torch.device) -> "Inputs":
                return Inputs(self, device=device.type)

        class Processor:
            def __call__(self, images: Any, input_data_format: str, return_tensors: str) -> Inputs:
                assert return_tensors == "pt" and input_data_format == "channels_last"
                if min(images.shape[:2]) < 2:
                    raise ValueError("Size must be positive. Got 0")
                return Inputs(pixel_values=images)

            def post_process_object_detection(
                self, outputs: Any, threshold: float, target_sizes: list[tuple[int, int]]
            ) -> list[dict[str, torch.Tensor]]:
                assert outputs["pixel_values"].shape == (24, 32, 3) and outputs["device"] == "cpu"
                assert target_sizes == [(24, 32)]
                found = {
                    "labels": torch.tensor([0, 1, 2]),
                    "scores": torch.tensor([0.9, 0.6, threshold]),
                    "boxes": torch.tensor([[0.0, 0, 9, 9], [8, 6, 16, 12], [0, 0, 32, 24]]),
                }
                return [found]

        return Processor()

    def model(self, name: str, **options: Any) -> Any:
        self.calls.append((name, options))
        if self.refusal:
            raise self.refusal

        class Model(torch.nn.Module):
            config = SimpleNamespace(id2label=self.id2label)

            def forward(self, **inputs: Any) -> dict[str, Any]:
                assert not torch.is_grad_enabled() and not self.training
                return inputs

        return Model()


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> FakeTransformers:
    """A stand-in, also where the library is installed."""
    fake = FakeTransformers()
    monkeypatch.setitem(sys.modules, "transformers", fake)
    return fake


def test_what_the_model_calls_a_person_is_one(transformers: FakeTransformers) -> None:
    provider = find_provider("hf:some/model", device="cpu")
    found = provider(blank(24, 32), 0)
    assert found.boxes.tolist() == [[0.25, 0.25, 0.5, 0.5], [0, 0, 1, 1]]
    assert found.scores == pytest.approx(np.array([0.6, 0.5]))
    assert provider.name == "some/model"


def test_no_code_of_a_model_and_no_pickle_is_run(
    transformers: FakeTransformers, tmp_path: Path
) -> None:
    find_provider("hf:some/model", device="cpu")
    find_provider(f"hf:{tmp_path}", device="cpu")
    names = [name for name, _ in transformers.calls]
    assert names == ["some/model"] * 2 + [str(tmp_path)] * 2
    options = [given for _, given in transformers.calls]
    assert all(given["trust_remote_code"] is False for given in options)
    assert [given["local_files_only"] for given in options] == [False, False, True, True]
    assert options[1]["use_safetensors"] is options[3]["use_safetensors"] is True


def test_a_model_that_names_code_elsewhere_is_refused_before_it_is_loaded(
    transformers: FakeTransformers,
) -> None:
    for config in (
        {"attn_implementation": "some/kernels"},
        {"backbone_config": {"_attn_implementation": {"text": "some/kernels"}}},
    ):
        transformers.config = config
        with pytest.raises(CheckpointError, match="refused: .*_?attn_implementation'.*elsewhere"):
            find_provider("hf:some/model", device="cpu")
    assert transformers.calls == []


def test_a_frame_that_the_model_cannot_take_is_one_sentence(
    transformers: FakeTransformers,
) -> None:
    provider = find_provider("hf:some/model", device="cpu")
    with pytest.raises(CheckpointError, match="a frame of 64 x 1 pixels: Size must be positive"):
        provider(blank(1, 64), 0)


def test_a_model_that_cannot_be_had_is_one_sentence(transformers: FakeTransformers) -> None:
    transformers.refusal = OSError("no file named model.safetensors. If you wanted\nmore lines")
    with pytest.raises(CheckpointError) as raised:
        find_provider("hf:some/model", device="cpu")
    assert "some/model cannot be had" in str(raised.value)
    assert "no file named model.safetensors. Expected" in str(raised.value)


def test_a_model_without_persons_is_refused(transformers: FakeTransformers) -> None:
    transformers.id2label = {0: "cat", 1: "dog"}
    with pytest.raises(CheckpointError, match="no class 'person' among its 2, such as cat, dog"):
        find_provider("hf:some/model", device="cpu")


@pytest.mark.parametrize("name", ["hf:", "hf:./models/none", "hf:a b", "hf:a/b/c"])
def test_what_is_neither_a_folder_nor_a_name_is_refused(
    transformers: FakeTransformers, name: str
) -> None:
    with pytest.raises(CheckpointError, match="Expected --persons hf:FOLDER or hf:ORG/NAME"):
        find_provider(name, device="cpu")
    assert transformers.calls == []


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PraxiscopeError, match=r"pip install 'praxiscope\[hf\]'"):
        find_provider("hf:some/model", device="cpu")


def test_a_real_model_gives_what_transformers_gives(tmp_path: Path) -> None:
    library = pytest.importorskip("transformers")
    config = library.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[64, 64],
        num_detection_tokens=6,
        id2label={0: "person"},
        label2id={"person": 0},
    )
    torch.manual_seed(0)
    network = library.YolosForObjectDetection(config).eval()
    processor = library.YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128})
    network.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    frame = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    ours = find_provider(f"hf:{tmp_path}", min_score=0, device="cpu")(frame, 0)
    with torch.inference_mode():
        outputs = network(**processor(images=frame, return_tensors="pt"))
    (expected,) = processor.post_process_object_detection(outputs, 0, [(48, 80)])
    order = expected["scores"].argsort(descending=True, stable=True)
    shares = expected["boxes"][order].numpy() / np.array([80, 48, 80, 48])
    assert len(ours) == 6
    assert ours.scores == pytest.approx(expected["scores"][order].numpy(), abs=1e-6)
    assert ours.boxes == pytest.approx(np.clip(shares, 0, 1), abs=1e-6)
