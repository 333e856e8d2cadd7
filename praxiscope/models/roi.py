"""RoIAlign: a small square of features for every person box, as matrix products.

A bilinear sample weighs rows and columns apart, so the mean of the samples of one bin is a weighted
sum over rows times one over columns. For the boxes of an image these weights form one matrix; its
product with the feature map is the result, and its transpose gives the gradient. Matrix products
add up in a fixed order: results and gradients are the same in every run.

Letters: N images, C channels, H x W cells of the feature map, K boxes of all images together,
P x P bins of a box, L cells along one axis (H or W).

Source: Mask R-CNN, arXiv:1703.06870, Section 3 (RoIAlign).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from praxiscope.errors import DataError

MATRIX_NUMBERS = 2**22  # of the weight matrix at a time: 16 MiB, whatever the number of boxes


def roi_align(maps: Tensor, boxes: Sequence[Tensor], *, size: int = 8, stride: int = 16) -> Tensor:
    """Return the features of every box, (N, C, H, W) -> (K, C, size, size), in channels-last order.

    A bin is the mean of ``ceil(box / size)`` evenly spaced bilinear samples along each axis (boxes
    measured in cells, so an empty or reversed box gives zeros); cell centres are half a cell from
    the cell's edges; a sample more than one cell outside the map counts as zero. The gradient goes
    to the maps; boxes are constants. Weights are computed in float32 at least.

    Args:
        maps: Feature maps.
        boxes: One (n, 4) per image, xyxy in pixels of the clip; n may be 0. Results come in this
            order.
        size: Bins along each axis of a box.
        stride: Pixels of the clip per cell.

    Raises:
        DataError: If there is not one tensor of boxes per image, or one is not (n, 4).
    """
    if len(boxes) != len(maps):
        raise DataError(
            f"{len(boxes)} tensors of boxes for {len(maps)} images: give one (n, 4) per image, "
            "(0, 4) where nobody is."
        )
    for image, of_image in enumerate(boxes):
        if of_image.ndim != 2 or of_image.shape[1] != 4:
            raise DataError(
                f"The boxes of image {image} are {tuple(of_image.shape)}: expected (n, 4), xyxy in "
                "pixels, (0, 4) where nobody is."
            )
    precision = torch.promote_types(maps.dtype, torch.float32)
    edges = torch.cat(list(boxes)).detach().to(maps.device, precision) / stride - 0.5
    x1, y1, x2, y2 = edges.unbind(1)
    rows = bin_weights(y1, y2, size, maps.shape[2]).to(maps.dtype)
    columns = bin_weights(x1, x2, size, maps.shape[3]).to(maps.dtype)
    counts = [of_image.shape[0] for of_image in boxes]  # len() would fix it in an exported graph
    if torch.compiler.is_exporting():  # plain operations, for any number of boxes
        matrices = map(_matrix, torch.split(rows, counts), torch.split(columns, counts))
        cells = maps.flatten(2).mT
        pooled = torch.cat([matrix @ cells[image] for image, matrix in enumerate(matrices)])
    else:
        pooled = _Pool.apply(maps, rows, columns, counts)
    return pooled.view(-1, size, size, maps.shape[1]).permute(0, 3, 1, 2)


def bin_weights(low: Tensor, high: Tensor, size: int, length: int) -> Tensor:
    """Return what each cell of an axis adds to each bin, (K,) edges in cells -> (K, size, L).

    Of one bin's samples at most five meet a given cell: neighbours are at least half a cell apart
    where there are several, and a cell is met from less than one cell away (the outermost also from
    one cell outside). So six candidates are looked at, whatever the size of a box.
    """
    cell = torch.arange(length, device=low.device, dtype=low.dtype)[:, None]
    width = ((high - low) / size)[:, None, None, None]
    bins = torch.arange(size, device=low.device, dtype=low.dtype)[:, None, None]
    start = low[:, None, None, None] + bins * width
    count = width.ceil()  # samples in a bin
    first = ((cell - 1 - start) / (width / count.clamp(min=1)).clamp(min=0.5) - 0.5).floor()
    sample = first + torch.arange(6, device=low.device, dtype=low.dtype)  # (K, size, L, 6)
    # the order of operations that others use: at the edge of what counts, rounding decides
    position = start + (sample + 0.5) * width / count.clamp(min=1)
    counted = (sample >= 0) & (sample < count) & (position >= -1) & (position <= length)
    near = (1 - (position.clamp(0, length - 1) - cell).abs()).clamp(min=0)
    return torch.where(counted, near, 0).sum(-1) / count[..., 0].clamp(min=1)


class _Pool(torch.autograd.Function):
    """The products in parts, so that the weight matrix never exists for many boxes at once."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rows: Tensor, columns: Tensor, counts: list[int]) -> Tensor:
        """(N, C, H, W), (K, P, H), (K, P, W) -> (K * P * P, C)."""
        ctx.save_for_backward(rows, columns)
        ctx.shape, ctx.counts = maps.shape, counts
        bins = rows.shape[1] ** 2
        pooled = maps.new_empty(len(rows) * bins, maps.shape[1])
        cells = maps.flatten(2).mT
        for image, begin, end in _parts(counts, bins * cells.shape[1]):
            matrix = _matrix(rows[begin:end], columns[begin:end])
            torch.mm(matrix, cells[image], out=pooled[begin * bins : end * bins])
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, pooled: Tensor) -> tuple[Tensor, None, None, None]:
        """Turn the gradient of the result into that of the maps."""
        rows, columns = ctx.saved_tensors
        bins = rows.shape[1] ** 2
        maps = pooled.new_zeros(ctx.shape)
        cells = maps.flatten(2)
        for image, begin, end in _parts(ctx.counts, bins * cells.shape[2]):
            matrix = _matrix(rows[begin:end], columns[begin:end])
            cells[image].addmm_(pooled[begin * bins : end * bins].mT, matrix)
        return maps, None, None, None


def _matrix(rows: Tensor, columns: Tensor) -> Tensor:
    """(K, P, H), (K, P, W) -> (K * P * P, H * W)."""
    products = rows[:, :, None, :, None] * columns[:, None, :, None, :]
    return products.flatten(3).flatten(0, 2)


def _parts(counts: list[int], numbers_per_box: int) -> Iterator[tuple[int, int, int]]:
    """Yield (image, first box, end) of parts whose weight matrix is small enough."""
    step = max(1, MATRIX_NUMBERS // max(1, numbers_per_box))
    begin = 0
    for image, count in enumerate(counts):
        end = begin + count
        for first in range(begin, end, step):
            yield image, first, min(first + step, end)
        begin = end
