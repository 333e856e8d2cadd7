"""A pickle read as data: tensors, arrays, numbers and plain containers come out, nothing is run.

A pickle is a small program that may call any importable function. Here a name is looked up in one
table. What is not in it becomes an inert :class:`~praxiscope.pickles.inert.Placeholder`: a file
that mentions classes which are not installed still gives its tensors, and one that mentions
``os.system`` does nothing with it.

Nothing that a pickle can reach while it is read can be changed by it: every object of ours ignores
BUILD, and tensors and arrays are made only after the last opcode (:func:`plain`).
"""

import io
import math
import pickle
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import IO, Final

import torch
from torch import Tensor

from praxiscope.pickles.arrays import Array, ArrayType, array_from_buffer, scalar, whole_numbers
from praxiscope.pickles.inert import Inert, Placeholder, placeholder_type
from praxiscope.pickles.nested import storage_within
from praxiscope.pickles.opcodes import check_opcodes

MAX_UNKNOWN = 10_000


class _Dict(dict[object, object], Inert):
    """An OrderedDict whose methods a pickle cannot shadow."""

    __slots__ = ()


class _Function(Inert):
    """A call that the table allows."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *args: object) -> object:
        return self._call(*args)


class StorageType(Inert):
    """``torch.FloatStorage`` and its like: the name of an element type."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class Storage(Inert):
    """The bytes that tensors are views of, (nbytes,) uint8, and their element type."""

    __slots__ = ("data", "dtype")

    def __init__(self, data: Tensor, dtype: torch.dtype) -> None:
        self.data, self.dtype = data, dtype


class _TensorView(Inert):
    """A tensor to be: a checked window on a storage."""

    __slots__ = ("dtype", "offset", "size", "storage", "stride")

    def __init__(
        self, storage: object, offset: object, size: object, stride: object, dtype: object = None
    ) -> None:
        if not isinstance(storage, Storage) or not isinstance(offset, int):
            raise ValueError("a tensor has no storage")
        dtype = storage.dtype if dtype is None else dtype
        if not isinstance(dtype, torch.dtype):
            raise ValueError("a tensor has no known element type")
        self.storage, self.offset, self.dtype = storage, offset, dtype
        self.size, self.stride = whole_numbers(size), whole_numbers(stride)
        if len(self.size) != len(self.stride) or offset < 0:
            raise ValueError("a tensor's size and stride do not belong together")
        available = storage.data.numel() // dtype.itemsize
        steps = (n * step for n, step in zip(self.size, self.stride, strict=True))
        last = offset + sum(steps) - sum(self.stride)
        elements = math.prod(self.size)
        if elements > available or (elements and last >= available):
            raise ValueError(
                f"a tensor of size {self.size} does not fit its storage of {available} elements"
            )

    def build(self) -> Tensor:
        """Return the tensor; it shares the storage's memory."""
        elements = self.storage.data.view(self.dtype)
        first = elements.storage_offset() + self.offset  # the data may be a part of a storage
        return elements.as_strided(self.size, self.stride, first)


def _parameter(data: object, *ignored: object) -> object:
    return data  # the rest: requires_grad, hooks, attributes


def _tensor_with_dtype(*args: object) -> _TensorView:
    storage, offset, size, stride, _, _, dtype = args[:7]
    return _TensorView(storage, offset, size, stride, dtype)


def _storage_from_bytes(raw: object) -> Storage:
    if not isinstance(raw, bytes):
        raise ValueError("a tensor's storage is not made of bytes")
    name, elements, data = storage_within(raw)
    dtype = _STORAGES.get(name)
    if dtype is None or len(data) != elements * dtype.itemsize:
        raise ValueError("a tensor's storage is not as long as declared")
    if not elements:
        return Storage(torch.empty(0, dtype=torch.uint8), dtype)
    with warnings.catch_warnings():  # of memory that must not be written to, and is not
        warnings.simplefilter("ignore")
        # Without a copy: a pickle may name the same bytes again and again.
        return Storage(torch.frombuffer(data, dtype=torch.uint8), dtype)


def _empty_bytes() -> bytes:
    return b""  # which protocol 2 writes as a call of bytes without arguments


def _encoded(text: object, encoding: object = "latin1") -> bytes:
    # Protocol 2, which torch.save writes, has no bytes: they are text, one character a byte.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes are not written as latin1")
    return text.encode("latin1")


_STORAGES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}

_MEANINGS: Final[Mapping[tuple[str, str], object]] = MappingProxyType(
    {("collections", "OrderedDict"): _Function(_Dict)}
    | {("_codecs", "encode"): _Function(_encoded)}
    | {(module, "set"): _Function(set) for module in ("builtins", "__builtin__")}
    | {(module, "bytes"): _Function(_empty_bytes) for module in ("builtins", "__builtin__")}
    | {(module, name): StorageType(dtype)
       for module in ("torch", "torch.cuda", "torch.storage") for name, dtype in _STORAGES.items()}
    | {("torch", str(dtype).removeprefix("torch.")): dtype
       for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
    | {("torch._utils", name): _Function(lambda *args: _TensorView(*args[:4]))
       for name in ("_rebuild_tensor", "_rebuild_tensor_v2")}
    | {("torch.storage", "_load_from_bytes"): _Function(_storage_from_bytes)}
    | {("torch._utils", "_rebuild_tensor_v3"): _Function(_tensor_with_dtype)}
    | {("torch._utils", name): _Function(_parameter)
       for name in ("_rebuild_parameter", "_rebuild_parameter_with_state")}
    | {("numpy", "dtype"): _Function(ArrayType)}
    | {(f"numpy.{core}.multiarray", name): _Function(call)
       for core in ("core", "_core")
       for name, call in (("_reconstruct", Array), ("scalar", scalar))}
    | {(f"numpy.{core}.numeric", "_frombuffer"): _Function(array_from_buffer)
       for core in ("core", "_core")}
)  # fmt: skip


class _Unpickler(pickle.Unpickler):
    """The standard unpickler with both of its ways to the outside replaced."""

    def __init__(self, file: IO[bytes], storage: Callable[[object], Storage]) -> None:
        super().__init__(file, encoding="latin1")  # Python 2 wrote numpy's bytes so
        self._storage = storage
        self._unknown: dict[str, type[Placeholder]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return the table's meaning of a name, by exact match, else a placeholder."""
        known = _MEANINGS.get((module, name))
        if known is not None:
            return known
        unknown = f"{module}.{name}"
        if unknown not in self._unknown:
            if len(self._unknown) == MAX_UNKNOWN:  # each takes a thousand times its name's memory
                raise ValueError(f"it names more than {MAX_UNKNOWN} classes that are not known")
            self._unknown[unknown] = placeholder_type(unknown)
        return self._unknown[unknown]

    def persistent_load(self, pid: object) -> Storage:
        """Return the storage a tensor lies in."""
        return self._storage(pid)


def _no_storage(pid: object) -> Storage:
    raise ValueError("it refers to storages outside its object part")


def unpickle(data: bytes, storage: Callable[[object], Storage] = _no_storage) -> object:
    """Return the object of one pickle, to be passed to :func:`plain` once the storages are filled.

    ``storage`` turns a persistent id into the bytes it names.

    Raises:
        Exception: of many kinds, where the pickle is damaged or refused.
    """
    return unpickle_file(io.BytesIO(data), storage)


def unpickle_file(file: IO[bytes], storage: Callable[[object], Storage] = _no_storage) -> object:
    """Return the object of the pickle that begins here in a file, without a copy of the file."""
    begin = file.tell()
    check_opcodes(file)
    file.seek(begin)
    return _Unpickler(file, storage).load()


def plain(value: object, seen: dict[int, object] | None = None) -> object:
    """Return ``value`` with its tensors and arrays made; dicts and lists become plain ones."""
    seen = {} if seen is None else seen  # containers may hold themselves
    if id(value) in seen:
        return seen[id(value)]
    result: object = value
    if isinstance(value, _TensorView | Array):
        result = seen[id(value)] = value.build()
    elif isinstance(value, dict):
        mapping: dict[object, object] = {}
        result = seen[id(value)] = mapping
        mapping.update((plain(key, seen), plain(item, seen)) for key, item in value.items())
    elif isinstance(value, list):
        items: list[object] = []
        result = seen[id(value)] = items
        items.extend(plain(item, seen) for item in value)
    elif isinstance(value, tuple):
        result = seen[id(value)] = tuple(plain(item, seen) for item in value)
    return result
