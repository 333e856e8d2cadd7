"""RoIAlign against figures of the reference, a sample-by-sample computation, and its own limits.

``data/roi_align.json`` has what torchvision's ``roi_align`` (aligned, adaptive) returns for seven
boxes on a made-up map, checked there against mmcv's source.
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from praxiscope.errors import DataError
from praxiscope.models import roi
from praxiscope.models.roi import roi_align
from tests.parity.made_up import uniform

REFERENCE = json.loads((Path(__file__).parent / "data/roi_align.json").read_text())


def reference_input() -> tuple[Tensor, list[Tensor], list[int]]:
    """Return maps, boxes per image, and which of the file's boxes each result belongs to."""
    u = uniform(zlib.crc32(b"roialign"), 2 * 3 * 7 * 9)
    maps = torch.from_numpy(2 * u - 1).float().view(2, 3, 7, 9)
    rows = torch.tensor(REFERENCE["rois_batch_xyxy"])
    places = [(rows[:, 0] == image).nonzero()[:, 0] for image in range(2)]
    return maps, [rows[place, 1:] for place in places], torch.cat(places).tolist()


def sample_by_sample(maps: Tensor, boxes: list[Tensor], size: int, stride: int) -> Tensor:
    """Return the mean of bilinear samples per bin, as the paper says it, one sample at a time."""
    results = []
    for of_image, image in zip(boxes, maps, strict=True):
        for box in of_image:
            x1, y1, x2, y2 = (box / stride - 0.5).tolist()
            rows, columns = steps(y1, y2, size), steps(x1, x2, size)
            bins = [
                sum((bilinear(image, y, x) for y in ys for x in xs), torch.zeros(len(image)))
                / max(len(ys) * len(xs), 1)
                for ys in rows
                for xs in columns
            ]
            results.append(torch.stack(bins, 1).view(len(image), size, size))
    return torch.stack(results)


def steps(low: float, high: float, size: int) -> list[list[float]]:
    width = (high - low) / size
    count = max(math.ceil(width), 0)
    return [
        [low + p * width + (j + 0.5) * width / count for j in range(count)] for p in range(size)
    ]


def bilinear(image: Tensor, y: float, x: float) -> Tensor:
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(len(image), dtype=image.dtype)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = image[:, top, left] * (left + 1 - x) + image[:, top, right] * (x - left)
    lower = image[:, bottom, left] * (left + 1 - x) + image[:, bottom, right] * (x - left)
    return upper * (top + 1 - y) + lower * (y - top)


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: f"size {case['size']}")
def test_the_figures_of_the_reference_hold(case: dict[str, Any]) -> None:
    maps, boxes, order = reference_input()
    found = roi_align(maps, boxes, size=case["size"])
    for key, ours in (
        ("output_channel0", found[:, 0]),
        ("sum_per_roi", found.sum((1, 2, 3))),
        ("output", found),
    ):
        if key in case:
            expected = torch.tensor(case[key])[order]
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    cells=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.sampled_from([1, 2, 3, 8]),
    longest=st.sampled_from([1.0, 40.0, 400.0, 3000.0]),
)
def test_any_box_is_the_mean_of_its_samples(
    seed: int, cells: tuple[int, int], size: int, longest: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(1, 2, *cells, generator=generator, dtype=torch.float64)
    corner = torch.rand(3, 2, generator=generator, dtype=torch.float64) * 300 - 80
    extent = torch.rand(3, 2, generator=generator, dtype=torch.float64) * longest
    boxes = [torch.cat((corner, corner + extent), 1)]
    expected = sample_by_sample(maps, boxes, size, 16)
    torch.testing.assert_close(roi_align(maps, boxes, size=size), expected)


def test_boxes_outside_empty_or_reversed_are_zeros() -> None:
    boxes = [[-60, -60, -30, -30], [400, 10, 500, 60], [20, 20, 20, 20], [50, 60, 10, 20]]
    found = roi_align(torch.ones(1, 2, 4, 6), [torch.tensor(boxes, dtype=torch.float32)])
    assert found.shape == (4, 2, 8, 8)
    assert not found.any()


def test_a_tiny_box_is_the_value_at_its_place() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 4, 6)  # the value is the column
    box = torch.tensor([[40.0, 30.0, 40.001, 30.001]])  # column 40 / 16 - 0.5
    torch.testing.assert_close(
        roi_align(ramp, [box]), torch.full((1, 1, 8, 8), 2.0), atol=1e-4, rtol=0
    )


def test_a_box_of_a_million_cells_is_mostly_outside() -> None:
    box = torch.tensor([[-16e6, -16e6, 16e6, 16e6]])
    found = roi_align(torch.ones(1, 1, 4, 6), [box], size=2)
    assert 0 < found.max() < 1e-10


@pytest.mark.parametrize("counts", [(2, 0, 1), (0, 0, 3), (0, 0, 0)])
def test_images_without_boxes_get_no_rows_and_no_gradient(counts: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    maps = torch.randn(3, 2, 4, 6, requires_grad=True)
    boxes = [torch.tensor([[8.0, 8.0, 60.0, 50.0]]).expand(count, 4) for count in counts]
    found = roi_align(maps, boxes)
    assert found.shape == (sum(counts), 2, 8, 8)
    found.sum().backward()
    assert maps.grad is not None
    assert [bool(of_image.any()) for of_image in maps.grad] == [count > 0 for count in counts]


def test_gradients_equal_finite_differences() -> None:
    maps, boxes, _ = reference_input()
    double = maps.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: roi_align(x, boxes, size=2), double)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_results_and_gradients_are_the_same_in_every_run(device: str) -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 64, 16, 22, device=device, requires_grad=True)
    corner = torch.rand(2, 40, 2) * 150
    boxes = list(torch.cat((corner, corner + 100), -1).to(device))  # many on the same cells
    weights = torch.randn(80, 64, 8, 8, device=device)
    runs = []
    for _ in range(3):
        found = roi_align(maps, boxes)
        (gradient,) = torch.autograd.grad((found * weights).sum(), maps)
        runs.append((found, gradient))
    for found, gradient in runs[1:]:
        assert torch.equal(found, runs[0][0])
        assert torch.equal(gradient, runs[0][1])


class LargestResult(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any operation returns."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.largest = max(self.largest, result.untyped_storage().nbytes() // 4)
        return result


def test_memory_does_not_grow_with_boxes_times_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roi, "MATRIX_NUMBERS", 2**19)
    torch.manual_seed(0)
    maps = torch.randn(1, 32, 40, 50, requires_grad=True)
    corner = torch.rand(200, 2) * 400
    boxes = [torch.cat((corner, corner + 200), 1)]
    with LargestResult() as watched:
        found = roi_align(maps, boxes)
        found.sum().backward()
    # all 200 x 64 x 2,000 weights would be 49 times as many as are allowed at a time
    assert watched.largest <= max(2**19, found.numel(), 200 * 8 * 50 * 6)


def test_parts_give_what_one_product_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, boxes, _ = reference_input()
    maps.requires_grad_()
    whole = roi_align(maps, boxes)
    (gradient,) = torch.autograd.grad(whole.square().sum(), maps)
    monkeypatch.setattr(roi, "MATRIX_NUMBERS", 1)  # a part for every box
    parts = roi_align(maps, boxes)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.square().sum(), maps)[0], gradient)


def test_half_precision_maps_keep_their_type_and_exact_boxes() -> None:
    maps, boxes, _ = reference_input()
    found = roi_align(maps.bfloat16(), boxes)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), roi_align(maps, boxes), atol=2e-2, rtol=0)


class Aligned(torch.nn.Module):
    def forward(self, maps: Tensor, boxes: list[Tensor]) -> Tensor:
        return roi_align(maps, boxes)


def test_an_exported_graph_takes_any_number_of_boxes_and_any_map() -> None:
    maps, boxes, _ = reference_input()
    cells, some = torch.export.Dim("cells", min=2, max=64), torch.export.Dim("some", max=300)
    more = torch.export.Dim("more", max=300)
    shapes = {"maps": {3: cells}, "boxes": [{0: some}, {0: more}]}
    graph = torch.export.export(Aligned(), (maps, boxes), dynamic_shapes=shapes)
    names = {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}
    assert all(name.startswith(("aten.", "<built-in", "sym_")) for name in names), names
    other = torch.randn(2, 3, 7, 13), [boxes[0][:1], boxes[1].repeat(5, 1)]
    torch.testing.assert_close(graph.module()(*other), roi_align(*other))


def test_wrong_boxes_are_refused_in_a_sentence() -> None:
    maps, boxes, _ = reference_input()
    with pytest.raises(DataError, match=r"1 tensors of boxes for 2 images: give one \(n, 4\)"):
        roi_align(maps, boxes[:1])
    with pytest.raises(DataError, match=r"boxes of image 1 are \(4,\): expected \(n, 4\)"):
        roi_align(maps, [boxes[0], boxes[1][0]])
