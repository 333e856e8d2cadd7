"""Checkpoints as other programs write them, and hostile ones, made on the spot."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

LEGACY = {"_use_new_zipfile_serialization": False}


@contextmanager
def fake_mmengine() -> Iterator[types.SimpleNamespace]:
    """Modules under mmengine's names for as long as a file is written, gone when it is read."""
    buffers = types.ModuleType("mmengine.logging.history_buffer")
    config = types.ModuleType("mmengine.config.config")

    class HistoryBuffer:
        def __init__(self) -> None:
            self._max_length = 1000000
            self._log_history = np.array([0.5, 0.25])
            self._count_history = np.array([1, 1])
            self._statistics_methods = {"mean": HistoryBuffer.mean}

        def mean(self) -> float:
            return float(self._log_history.mean())

    class ConfigDict(dict):  # type: ignore[type-arg]
        def __reduce_ex__(self, protocol: Any) -> Any:
            return ConfigDict, ({k: v for k, v in self.items()},)  # noqa: C416

    for module, cls in ((buffers, HistoryBuffer), (config, ConfigDict)):
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
        HistoryBuffer.mean.__qualname__ = "HistoryBuffer.mean"
        HistoryBuffer.mean.__module__ = buffers.__name__
        setattr(module, cls.__name__, cls)
    names = {"mmengine": types.ModuleType("mmengine"), buffers.__name__: buffers}
    names |= {config.__name__: config}
    sys.modules.update(names)
    try:
        yield types.SimpleNamespace(HistoryBuffer=HistoryBuffer, ConfigDict=ConfigDict)
    finally:
        for name in names:
            del sys.modules[name]


def weights() -> "OrderedDict[str, torch.Tensor]":
    rng = torch.Generator().manual_seed(0)
    return OrderedDict(
        {
            "backbone.conv1.weight": torch.randn(4, 3, 1, 2, 2, generator=rng),
            "backbone.bn.running_mean": torch.randn(4, generator=rng, dtype=torch.float64),
            "backbone.bn.num_batches_tracked": torch.tensor(7),
            "cls_head.fc_cls.weight": torch.randn(5, 4, generator=rng).half(),
            "cls_head.fc_cls.bias": torch.randn(5, generator=rng).bfloat16(),
        }
    )


def mmengine_checkpoint(path: Path, **options: Any) -> "OrderedDict[str, torch.Tensor]":
    """Write what a runner of mmengine 0.10 saves; return the weights in it."""
    tensors = weights()
    with fake_mmengine() as mmengine:
        hub = {"log_scalars": OrderedDict({"train/loss": mmengine.HistoryBuffer()})}
        meta = {
            "epoch": 12,
            "iter": 3400,
            "cfg": "model = dict(type='Recognizer3D')\n",
            "experiment_name": "slowonly_20220901",
            "dataset_meta": {"classes": ("abseiling", "air drumming")},
            "seed": np.int64(1234),
            "lr": np.float64(0.1),
            "hooks": mmengine.ConfigDict({"a": mmengine.ConfigDict(b=1)}),
        }
        content = {"meta": meta, "state_dict": tensors, "message_hub": hub, "optimizer": None}
        torch.save(content, path, **options)
    return tensors


class Calls:
    """Pickles to a call of ``function(*args)``."""

    def __init__(self, function: Any, *args: object) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args

    def __call__(self) -> None:
        """Only callables may stand where a pickle calls something."""


def zip_with(path: Path, data_pkl: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """A torch archive around a hand-made pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data_pkl)
        archive.writestr("archive/byteorder", "little")
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def legacy_with(path: Path, data_pkl: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """A torch file before 1.6 around a hand-made pickle; storages are of float32."""
    with path.open("wb") as file:
        for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(item, file, protocol=2)
        file.write(data_pkl)
        pickle.dump(list(storages or {}), file, protocol=2)
        for data in (storages or {}).values():
            file.write(struct.pack("<q", len(data) // 4) + data)
    return path


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Pid) else None

    def reducer_override(self, obj: Any) -> Any:
        # Python's own pickler refuses modules; a hostile one would not.
        return (
            (__import__, (obj.__name__,)) if isinstance(obj, types.ModuleType) else NotImplemented
        )


class Pid:
    """Pickles to a persistent id."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


def storage(elements: Any = 4, kind: Any = torch.FloatStorage, key: Any = "0", *view: Any) -> Pid:
    return Pid("storage", kind, key, "cpu", elements, *view)


def tensor_of(storage: Pid, offset: Any, size: Any, stride: Any) -> Calls:
    rebuild = torch._utils._rebuild_tensor_v2  # type: ignore[attr-defined]
    return Calls(rebuild, storage, offset, size, stride, False, OrderedDict())


def dumps(value: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=protocol).dump(value)
    return buffer.getvalue()
