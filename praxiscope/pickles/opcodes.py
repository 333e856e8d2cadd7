"""A look at a pickle before it is read: opcodes are listed, none is carried out.

The restricted unpickler decides which names mean something. What it cannot see are a pickle's ways
to crash or stall the interpreter itself, and one that skips name look-up. They are refused here.
"""

import pickletools
from typing import IO, NamedTuple

MAX_TUPLE_ITEMS = 100_000  # 400 class names in a tuple are 401
MAX_REPEATED = 1 << 26  # characters of texts and bytes that are named again
REPEATED_PER_BYTE = 16  # as many more for every byte of the pickle

_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_EXTENSIONS = {"EXT1", "EXT2", "EXT4"}  # resolved by a process-wide cache, past ``find_class``


def check_opcodes(stream: IO[bytes]) -> None:
    """Leave ``stream`` after the STOP of one well-formed, harmless pickle.

    Refused are extension codes; memo slots beyond the pickle's own length (they reserve memory);
    tuples within tuples that count more than ``MAX_TUPLE_ITEMS`` items when written out, since
    the hash of a tuple recurses in C without a limit and visits shared parts again and again; and
    long texts and bytes that are named over and over, each time to be made into others.

    Raises:
        ValueError: The bytes are no pickle, end early, or are refused.
    """
    stack: list[_Item | None] = []  # None for a mark
    memo: dict[int, _Item] = {}
    repeated = 0
    for count, (opcode, argument, place) in enumerate(pickletools.genops(stream)):
        if opcode.name in _EXTENSIONS:
            raise ValueError("it names classes by extension code")
        if opcode.name in _PUTS or opcode.name == "MEMOIZE":
            slot = len(memo) if opcode.name == "MEMOIZE" else argument
            if not isinstance(slot, int) or not 0 <= slot <= count:
                raise ValueError("it numbers its objects beyond its own length")
            memo[slot] = _top(stack) or _NOTHING
            continue
        if opcode.name in _GETS or opcode.name == "DUP":
            slot = argument if isinstance(argument, int) else -1
            again = _top(stack) if opcode.name == "DUP" else memo.get(slot, _NOTHING)
            stack.append(again)
            repeated += again.length if again else 0
            if repeated > MAX_REPEATED + REPEATED_PER_BYTE * (place or 0):
                raise ValueError("it names long texts again and again")
            continue
        popped = _pop(stack, opcode)
        if opcode.name in _TUPLES or opcode.name == "REDUCE":
            items = length = 0
            for item in popped:
                items += item.items + 1
                length += item.length
            if items > MAX_TUPLE_ITEMS and opcode.name in _TUPLES:
                raise ValueError("it nests tuples without end")
            stack.append(_Item(items if opcode.name in _TUPLES else 0, length))
        else:
            text = argument if isinstance(argument, str | bytes | bytearray) else ""
            made = _Item(0, len(text)) if text else _NOTHING
            stack.extend(None if is_mark else made for is_mark in _PUSHES[opcode.name])


class _Item(NamedTuple):
    """What the stack holds, as far as it matters."""

    items: int  # of a tuple, written out
    length: int  # of the texts and bytes in it, or that it was made of


_NOTHING = _Item(0, 0)


def _top(stack: list[_Item | None]) -> _Item | None:
    if not stack:
        raise ValueError("it takes from an empty stack")
    return stack[-1]


def _pop(stack: list[_Item | None], opcode: pickletools.OpcodeInfo) -> list[_Item]:
    """Take off what the opcode consumes and return it, down to the last mark if it asks."""
    popped: list[_Item] = []
    to_mark, more = _POPS[opcode.name]
    if to_mark:
        while (item := _top(stack)) is not None:
            popped.append(item)
            stack.pop()
        stack.pop()
    for _ in range(more):
        popped.append(_top(stack) or _NOTHING)  # POP may take a mark
        stack.pop()
    return popped


def _pops(opcode: pickletools.OpcodeInfo) -> tuple[bool, int]:
    """Return whether an opcode takes everything down to a mark, and what it takes below that."""
    if pickletools.markobject in opcode.stack_before:
        return True, opcode.stack_before.index(pickletools.markobject)
    return False, len(opcode.stack_before)


_POPS = {opcode.name: _pops(opcode) for opcode in pickletools.opcodes}
_PUSHES = {  # whether each object that an opcode leaves is a mark
    opcode.name: [kind is pickletools.markobject for kind in opcode.stack_after]
    for opcode in pickletools.opcodes
}
