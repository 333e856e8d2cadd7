"""Nested dicts and lists that a file held, looked through without trust in their shape."""

from collections.abc import Callable

DEEPEST = 50  # lists within lists


def all_values(
    tree: object,
    is_right: Callable[[object], bool],
    *,
    keys: bool = False,
    seen: dict[int, bool] | None = None,
    depth: int = 0,
) -> bool:
    """Return whether every value in nested dicts, lists and tuples is right.

    ``keys`` asks of the dicts' keys too.
    A part that stands in several places is looked at once: a small file can name one so often that
    nobody lives to see all of them. What holds itself, or goes deeper than ``DEEPEST``, is wrong.
    """
    if not isinstance(tree, dict | list | tuple):
        return is_right(tree)
    seen = {} if seen is None else seen
    if id(tree) not in seen:
        seen[id(tree)] = False  # until all of it has been seen
        items = tree.values() if isinstance(tree, dict) else tree
        if keys and isinstance(tree, dict):
            items = [*tree, *items]
        seen[id(tree)] = depth < DEEPEST and all(
            all_values(item, is_right, keys=keys, seen=seen, depth=depth + 1) for item in items
        )
    return seen[id(tree)]
