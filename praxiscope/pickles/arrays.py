"""NumPy's arrays and scalars in a pickle, as data: made by us, of numbers and strings alone."""

import re
from typing import Any

import numpy as np

from praxiscope.pickles.inert import Inert, placeholder_type


class ArrayType(Inert):
    """A numpy dtype of numbers, booleans or strings; ``name`` is None for any other."""

    __slots__ = ("name", "order")

    def __init__(self, name: object, *flags: object) -> None:
        plain_name = isinstance(name, str) and re.fullmatch(r"[biufcSU]\d{1,5}", name)
        self.name, self.order = (name if plain_name else None), "="

    def __setstate__(self, *state: object) -> None:
        """Take the byte order; the rest describes records, which are not read."""
        if (
            state
            and isinstance(state[0], tuple)
            and len(state[0]) > 1
            and state[0][1] in ("<", ">")
        ):
            self.order = str(state[0][1])

    def read(self, raw: object) -> "np.ndarray[Any, Any] | None":
        """Bytes of n elements -> (n,); None for types that are not read."""
        raw = raw.encode("latin1") if isinstance(raw, str) else raw  # written by Python 2
        if not isinstance(self.name, str) or not isinstance(raw, bytes | bytearray):
            return None
        dtype = np.dtype(self.order + self.name)
        return np.frombuffer(raw, dtype).copy() if raw else np.empty(0, dtype)


class Array(Inert):
    """A numpy array to be: filled by BUILD, as numpy's own pickles do it."""

    __slots__ = ("state",)

    def __init__(self, *ignored: object) -> None:
        self.state: object = None

    def __setstate__(self, *state: object) -> None:
        """Take (version, shape, dtype, is Fortran order, raw bytes)."""
        self.state = state[0] if state else None

    def build(self) -> object:
        """Return the array, or a placeholder for arrays of objects and records."""
        state, self.state = self.state, None  # its bytes may be as large as the file
        if isinstance(state, tuple) and len(state) == 5:
            _, shape, dtype, fortran, raw = state
            flat = dtype.read(raw) if isinstance(dtype, ArrayType) else None
            if flat is not None:
                return flat.reshape(whole_numbers(shape), order="F" if fortran else "C")
        return placeholder_type("numpy.ndarray")()


def scalar(dtype: object, raw: object = None) -> object:
    """Return a number or string as Python's own, or a placeholder for other types."""
    flat = dtype.read(raw) if isinstance(dtype, ArrayType) else None
    return placeholder_type("numpy scalar")() if flat is None else flat.reshape(()).item()


def array_from_buffer(raw: object, dtype: object, shape: object, order: object) -> Array:
    """Return an array to be, as protocol 5 writes it."""
    array = Array()
    array.__setstate__((1, shape, dtype, order == "F", raw))
    return array


def whole_numbers(values: object) -> tuple[int, ...]:
    """Return ``values`` if it is a tuple or list of numbers >= 0; raise ValueError if not."""
    if not isinstance(values, tuple | list):
        raise ValueError("a size is no tuple of numbers")
    if not all(type(value) is int and value >= 0 for value in values):
        raise ValueError(f"a size is not made of whole numbers: {values}")
    return tuple(values)
