import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from praxiscope.apps.persons import find_provider
from praxiscope.apps.persons.onnx_file import fit
from praxiscope.apps.persons.provider import MOST_PERSONS
from praxiscope.errors import CheckpointError, PraxiscopeError
from tests.apps.persons.figures import blank

Array = npt.NDArray[Any]


class FakeRuntime(ModuleType):
    """Stands for onnxruntime, with one network."""

    def __init__(self) -> None:
        super().__init__("onnxruntime")
        self.inputs = [SimpleNamespace(name="images", type="tensor(float)", shape=[1, 3, 64, 64])]
        self.outputs: Callable[[Array], Sequence[Array]] = lambda _: [np.zeros((1, 84, 100))]
        self.output_names: list[str] = ["output0"]
        self.meta: dict[str, str] = {}
        self.given: list[Array] = []
        self.providers: list[str] = []

    def get_available_providers(self) -> list[str]:
        return ["AzureExecutionProvider", "CPUExecutionProvider"]

    def InferenceSession(self, path: str, providers: list[str]) -> Any:  # noqa: N802
        if not Path(path).read_bytes():
            raise RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : broken. And more")
        self.providers = providers

        def run(names: None, feed: dict[str, Array]) -> Sequence[Array]:
            (pixels,) = feed.values()
            assert list(feed) == ["images"]
            self.given.append(pixels)
            return self.outputs(pixels)

        return SimpleNamespace(
            get_inputs=lambda: self.inputs,
            get_outputs=lambda: [SimpleNamespace(name=name) for name in self.output_names],
            get_modelmeta=lambda: SimpleNamespace(custom_metadata_map=self.meta),
            run=run,
        )


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    """A stand-in, also where the library is installed."""
    fake = FakeRuntime()
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    return fake


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "detector.onnx"
    path.write_bytes(b"network")
    return str(path)


def columns(*rows: Sequence[float], classes: int = 80, spare: int = 100) -> Array:
    """Return (1, 4 + classes, spare): centre, size, then scores; what is not given is 0."""
    array = np.zeros((1, 4 + classes, spare), np.float32)
    for place, row in enumerate(rows):
        array[0, : len(row), place] = row
    return array


def torchvision_outputs(pixels: Array) -> list[Array]:
    boxes = [[8, 6, 16, 12], [0, 0, 32, 24], [2, 2, 10, 10]]
    return [np.array(boxes, np.float32), np.array([1, 2, 1]), np.array([0.9, 0.99, 0.3])]


def test_outputs_of_torchvision_are_told_by_their_shapes_in_any_order(
    runtime: FakeRuntime, file: str
) -> None:
    runtime.inputs[0].shape = [3, "height", "width"]
    runtime.output_names = ["1", "2", "3"]
    frame = blank(480, 640)
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        runtime.outputs = lambda x, order=order: [torchvision_outputs(x)[i] for i in order]
        provider = find_provider(file, device="cpu")
        found = provider(frame, 0)
        assert runtime.given[-1].shape == (3, 480, 640)
        expected = np.array([[8 / 640, 6 / 480, 16 / 640, 12 / 480]], np.float32)
        assert found.boxes == pytest.approx(expected)
        assert found.scores == pytest.approx(np.array([0.9], np.float32))
        assert provider.name == "detector.onnx"
    assert runtime.providers == ["CPUExecutionProvider"]


def test_classes_in_columns_are_those_of_yolo(runtime: FakeRuntime, file: str) -> None:
    runtime.outputs = lambda _: [
        columns(
            [32, 32, 16, 32, 0.9],  # a person
            [33, 32, 16, 32, 0.8],  # the same
            [10, 28, 8, 16, 0.6],  # another
            [50, 32, 8, 8, 0.1, 0.95],  # a bicycle
        )
    ]
    found = find_provider(file, device="cpu")(blank(32, 64), 0)  # 16 grey rows above and below
    assert found.boxes == pytest.approx(
        np.array([[24 / 64, 0, 40 / 64, 1], [6 / 64, 4 / 32, 14 / 64, 20 / 32]], np.float32)
    )
    assert found.scores == pytest.approx(np.array([0.9, 0.6], np.float32))
    assert len(find_provider(file, min_score=0.7, device="cpu")(blank(32, 64), 0)) == 1


def test_rows_of_six_have_corners_score_and_class(runtime: FakeRuntime, file: str) -> None:
    rows = [[0, 16, 32, 48, 0.9, 0], [0, 16, 30, 48, 0.8, 0], [0, 0, 9, 9, 0.9, 5]]
    runtime.outputs = lambda _: [np.array([rows], np.float32)]
    found = find_provider(file, device="cpu")(blank(32, 64), 0)
    assert found.boxes == pytest.approx(np.array([[0, 0, 0.5, 1], [0, 0, 30 / 64, 1]], np.float32))


def test_the_class_names_in_a_file_say_which_is_the_person(runtime: FakeRuntime, file: str) -> None:
    runtime.meta = {"names": "{0: 'ball', 1: 'Person'}"}
    runtime.outputs = lambda _: [columns([32, 32, 16, 16, 0.9, 0.6], [9, 32, 8, 8, 0.9], classes=2)]
    found = find_provider(file, device="cpu")(blank(64, 64), 0)
    assert found.scores == pytest.approx(np.array([0.6], np.float32))
    runtime.meta = {"names": "{0: 'ball', 1: 'bat'}"}
    with pytest.raises(CheckpointError, match="finds ball, bat, but no 'person'"):
        find_provider(file, device="cpu")
    runtime.meta = {"names": "__import__('os').system('false')"}  # is not run, and says nothing
    assert len(find_provider(file, device="cpu")(blank(64, 64), 0)) == 2


def test_a_box_as_large_as_the_frame_is_that_of_frames_of_any_shape(
    runtime: FakeRuntime, file: str
) -> None:
    provider = find_provider(file, device="cpu")
    for height, width in ((1, 64), (64, 1), (3, 640), (31, 17), (719, 1277)):
        frame = blank(height, width)
        image, (left, top, columns_, rows) = fit(frame, 64, 64)
        whole = [left + columns_ / 2, top + rows / 2, columns_, rows, 0.9]
        runtime.outputs = lambda _, whole=whole: [columns(whole)]
        assert provider(frame, 0).boxes.tolist() == [[0, 0, 1, 1]], image.shape


def test_a_network_of_a_crowd_gives_the_surest_persons_soon(
    runtime: FakeRuntime, file: str
) -> None:
    rng = np.random.default_rng(0)
    table = np.zeros((1, 5, 100_000), np.float32)
    table[0, :2], table[0, 2:4] = rng.uniform(0, 64, (2, 100_000)), 0.1
    table[0, 4] = rng.uniform(0.5, 1, 100_000)
    runtime.outputs = lambda _: [table]
    found = find_provider(file, device="cpu")(blank(64, 64), 0)
    assert len(found) == MOST_PERSONS
    assert found.scores.max() == table[0, 4].max() and found.scores.min() > 0.99


def test_the_person_of_strange_class_names_is_that_of_coco(runtime: FakeRuntime, file: str) -> None:
    runtime.outputs = lambda _: [columns([32, 32, 16, 16, 0.9])]
    runtime.meta = {"names": "{1e999: 'person'}"}
    assert len(find_provider(file, device="cpu")(blank(64, 64), 0)) == 1


def test_images_are_rgb_from_0_to_1_in_the_type_of_the_input(
    runtime: FakeRuntime, file: str
) -> None:
    frame = np.full((64, 64, 3), (255, 0, 51), np.uint8)
    for kind, dtype in (("tensor(float)", np.float32), ("tensor(float16)", np.float16)):
        runtime.inputs[0].type = kind
        find_provider(file, device="cpu")(frame, 0)
        pixels = runtime.given[-1]
        assert pixels.shape == (1, 3, 64, 64) and pixels.dtype == dtype
        assert pixels[0, :, 5, 7] == pytest.approx([1, 0, 0.2], abs=1e-4)


@pytest.mark.parametrize(
    ("size", "given", "expected", "inner"),
    [
        ((240, 320), (640, 640), (640, 640), (0, 80, 640, 480)),
        ((320, 240), (640, 640), (640, 640), (80, 0, 480, 640)),
        ((720, 1280), (None, None), (384, 640), (0, 12, 640, 360)),
        ((1280, 720), (None, None), (640, 384), (12, 0, 360, 640)),
        ((100, 100), (50, 200), (50, 200), (75, 0, 50, 50)),
    ],
)
def test_frames_are_fitted_with_a_grey_border(
    size: tuple[int, int],
    given: tuple[int | None, int | None],
    expected: tuple[int, int],
    inner: tuple[int, int, int, int],
) -> None:
    image, place = fit(blank(*size), *given)
    assert image.shape == (*expected, 3) and place == inner
    left, top, columns, rows = inner
    assert (image[top : top + rows, left : left + columns] == 200).all()
    assert (image == 200).sum() == rows * columns * 3
    assert set(np.unique(image)) <= {114, 200}


@pytest.mark.parametrize(
    "outputs",
    [
        [np.zeros((1, 100, 85))],
        [np.zeros((2, 84, 100))],
        [np.zeros((1, 100, 4)), np.zeros((1, 100, 91))],
        [np.zeros((100, 4)), np.zeros(100), np.zeros(100)],
        [],
    ],
)
def test_other_outputs_are_refused(runtime: FakeRuntime, file: str, outputs: list[Array]) -> None:
    runtime.outputs = lambda _: outputs
    runtime.output_names = [f"out{i}" for i in range(len(outputs))]
    with pytest.raises(CheckpointError, match=r"detector.onnx has the outputs .*\(1, N, 6\)"):
        find_provider(file, device="cpu")


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("tensor(uint8)", [1, 3, 64, 64]),
        ("tensor(float)", [1, 64, 64, 3]),
        ("tensor(float)", [8, 3, 64, 64]),
        ("tensor(float)", [1, 3]),
        ("tensor(float)", [1, 3, 60_000, 60_000]),  # 40 GB
    ],
)
def test_other_inputs_are_refused(
    runtime: FakeRuntime, file: str, kind: str, shape: list[int]
) -> None:
    runtime.inputs[0].type, runtime.inputs[0].shape = kind, shape
    with pytest.raises(CheckpointError, match=r"has the inputs images .* one was expected"):
        find_provider(file, device="cpu")
    runtime.inputs = []
    with pytest.raises(CheckpointError, match="has the inputs none"):
        find_provider(file, device="cpu")


def test_a_missing_or_damaged_file_is_one_sentence(runtime: FakeRuntime, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no file .*none\.onnx"):
        find_provider(str(tmp_path / "none.onnx"), device="cpu")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"empty\.onnx is no ONNX file .* broken\. Export"):
        find_provider(str(tmp_path / "empty.onnx"), device="cpu")


def test_a_network_that_fails_is_one_sentence(runtime: FakeRuntime, file: str) -> None:
    def fails(pixels: Array) -> Sequence[Array]:
        raise RuntimeError("[ONNXRuntimeError] : bad shape")

    runtime.outputs = fails
    with pytest.raises(CheckpointError, match=r"cannot be run on an image of \(1, 3, 64, 64\)"):
        find_provider(file, device="cpu")


@pytest.mark.parametrize(
    "outputs",
    [
        [[np.zeros((1, 6), np.float32)]],  # a sequence
        [np.full((1, 10, 6), "text", object)],
    ],
)
def test_outputs_that_are_no_numbers_are_one_sentence(
    runtime: FakeRuntime, file: str, outputs: list[Any]
) -> None:
    runtime.outputs = lambda _: outputs
    with pytest.raises(CheckpointError, match="gives outputs that are no numbers"):
        find_provider(file, device="cpu")


def test_boxes_labels_and_scores_of_other_numbers_are_one_sentence(
    runtime: FakeRuntime, file: str
) -> None:
    runtime.output_names = ["1", "2", "3"]
    runtime.outputs = torchvision_outputs
    provider = find_provider(file, device="cpu")
    runtime.outputs = lambda x: [*torchvision_outputs(x)[:2], np.ones(2, np.float32)]
    with pytest.raises(CheckpointError, match=r"gives \(3, 4\), \(3,\), \(2,\) for a frame"):
        provider(blank(24, 32), 0)


def test_a_missing_library_is_one_sentence(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PraxiscopeError, match=r"onnxruntime.*pip install 'praxiscope\[onnx\]'"):
        find_provider(file, device="cpu")


def test_a_real_file_is_run_by_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    table = columns([40, 32, 16, 32], [9, 32, 8, 8, 0.01])
    score = np.zeros_like(table)
    score[0, 4, 0] = 1  # of the first box: the brightest pixel
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
            helper.make_node("Mul", ["score", "brightest"], ["scored"]),
            helper.make_node("Add", ["table", "scored"], ["output0"]),
        ],
        "detector",
        [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, list(table.shape))],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(score, "score")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "detector.onnx"
    onnx.save(model, path)
    found = find_provider(str(path), device="cpu")(blank(640, 640), 0)
    assert found.scores == pytest.approx(np.array([200 / 255], np.float32))
    assert found.boxes == pytest.approx(np.array([[32, 16, 48, 48]], np.float32) / 640)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="is no ONNX file that can be run"):
        find_provider(str(path), device="cpu")
