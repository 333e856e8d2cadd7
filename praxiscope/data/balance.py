"""Training on a list in which some classes have many more videos than others."""

from collections.abc import Sequence

import numpy as np

from praxiscope.types import Indices


class ClassBalance:
    """Items of a list, each class drawn in proportion to ``count ** power``.

    Power 1 is the list as it is, 0 makes all classes equal, and between them lies what is between.
    A class with more items than its share shows a part of them in an epoch and another part in the
    next; one with fewer shows each several times, none twice as long as another was not shown.

    Args:
        labels: The class of every item.
    """

    def __init__(self, labels: Sequence[int], power: float) -> None:
        _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
        self._members = np.split(np.argsort(places, kind="stable"), np.cumsum(counts)[:-1])
        shares = np.cumsum(counts.astype(np.float64) ** power)
        ends = np.rint(shares / shares[-1] * len(labels)).astype(int)
        self._wanted = np.diff(ends, prepend=0).tolist()  # items of each class, in an epoch

    def draw(self, rng: np.random.Generator) -> Indices:
        """Return as many items as the list has, class after class."""
        drawn = [
            rng.permutation(items)[: count - done]
            for items, count in zip(self._members, self._wanted, strict=True)
            for done in range(0, count, len(items))
        ]
        return np.concatenate(drawn)


def turns_of(order: Indices) -> Indices:
    """Return how often the item at each place has come before, (N,) -> (N,)."""
    places = np.argsort(order, kind="stable")  # those of an item together, in their order
    items = order[places]
    turns = np.empty_like(order)
    turns[places] = np.arange(len(order)) - np.searchsorted(items, items)
    return turns
