from typing import Any

from praxiscope.zoo.trees import DEEPEST, all_values


def is_number(value: object) -> bool:
    return isinstance(value, int)


def test_every_value_is_looked_at_and_keys_on_request() -> None:
    tree = {"a": [1, (2, {"b": 3})], "c": ()}
    assert all_values(tree, is_number)
    assert not all_values(tree, is_number, keys=True)
    assert all_values({1: {2: [3]}}, is_number, keys=True)
    assert not all_values({"a": [1, (2, {"b": "3"})]}, is_number)
    assert all_values(1, is_number) and not all_values("1", is_number)


def test_a_part_in_many_places_is_looked_at_once() -> None:
    looked_at: list[object] = []

    def note(value: object) -> bool:
        looked_at.append(value)
        return True

    tree: list[Any] = [0]
    for _ in range(DEEPEST - 1):
        tree = [tree, tree]
    assert all_values(tree, note) and looked_at == [0]  # not 2 ** 49 times


def test_what_holds_itself_or_goes_too_deep_is_wrong() -> None:
    ring: list[Any] = [1]
    ring.append({"again": ring})
    assert not all_values(ring, is_number)
    tower: list[Any] = [1]
    for _ in range(DEEPEST):
        tower = [tower]
    assert not all_values(tower, is_number) and all_values(tower[0], is_number)
