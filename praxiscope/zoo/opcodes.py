"""A look at a pickle before it is read: opcodes are listed, none is carried out.

The restricted unpickler decides which names mean something. What it cannot see are a pickle's ways
to crash or stall the interpreter itself, and one that skips name look-up. They are refused here.
"""

import pickletools
from typing import IO

MAX_TUPLE_ITEMS = 100_000  # 400 class names in a tuple are 401

_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_EXTENSIONS = {"EXT1", "EXT2", "EXT4"}  # resolved by a process-wide cache, past ``find_class``


def check_opcodes(stream: IO[bytes]) -> None:
    """Leave ``stream`` after the STOP of one well-formed, harmless pickle.

    Refused are extension codes; memo slots beyond the pickle's own length (they reserve memory);
    and tuples within tuples that count more than ``MAX_TUPLE_ITEMS`` items when written out, since
    the hash of a tuple recurses in C without a limit and visits shared parts again and again.

    Raises:
        ValueError: The bytes are no pickle, end early, or are refused.
    """
    sizes: list[int | None] = []  # the stack: items in a tuple, 0 for the rest, None for a mark
    memo: dict[int, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in _EXTENSIONS:
            raise ValueError("it names classes by extension code")
        if opcode.name in _PUTS or opcode.name == "MEMOIZE":
            slot = len(memo) if opcode.name == "MEMOIZE" else argument
            if not isinstance(slot, int) or not 0 <= slot <= count:
                raise ValueError("it numbers its objects beyond its own length")
            memo[slot] = _top(sizes) or 0
            continue
        if opcode.name == "DUP":
            sizes.append(_top(sizes))
            continue
        popped = _pop(sizes, opcode)
        if opcode.name in _GETS:
            sizes.append(memo.get(argument, 0) if isinstance(argument, int) else 0)
        elif opcode.name in _TUPLES:
            items = sum(size + 1 for size in popped)
            if items > MAX_TUPLE_ITEMS:
                raise ValueError("it nests tuples without end")
            sizes.append(items)
        else:
            is_mark = pickletools.markobject
            sizes.extend(None if kind is is_mark else 0 for kind in opcode.stack_after)


def _top(sizes: list[int | None]) -> int | None:
    if not sizes:
        raise ValueError("it takes from an empty stack")
    return sizes[-1]


def _pop(sizes: list[int | None], opcode: pickletools.OpcodeInfo) -> list[int]:
    """Take off what the opcode consumes and return the sizes, down to the last mark if it asks."""
    popped: list[int] = []
    below_mark = len(opcode.stack_before)
    if pickletools.markobject in opcode.stack_before:
        below_mark = opcode.stack_before.index(pickletools.markobject)
        while (size := _top(sizes)) is not None:
            popped.append(size)
            sizes.pop()
        sizes.pop()
    for _ in range(below_mark):
        popped.append(_top(sizes) or 0)  # POP may take a mark
        sizes.pop()
    return popped
