"""What a checkpoint records beside its weights: classes, clip, temporal pooling, conventions.

Configurations in checkpoints are programs or YAML; here they are text in which numbers are looked
for, and nothing else.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from praxiscope.errors import CheckpointError
from praxiscope.models.actor_head import TemporalPool
from praxiscope.models.bank_ops import BankOperator
from praxiscope.models.conventions import Conventions, Normalization
from praxiscope.zoo.pyslowfast import LONGEST, settings

_OPERATORS: Mapping[str, BankOperator] = {"non_local": "nonlocal", "max": "max", "avg": "avg"}


@dataclass(frozen=True)
class RecordedClip:
    """The clips that weights were trained on."""

    frames: int
    stride: int
    slow_stride: int | None = None  # frames of the clip per frame of the slow pathway


def class_names(meta: Mapping[object, object]) -> tuple[str, ...] | None:
    """Return the names under ``CLASSES`` (0.x) or ``dataset_meta.classes`` (1.x)."""
    dataset = meta.get("dataset_meta")
    groups = [meta, dataset if isinstance(dataset, dict) else {}]
    for group in groups:
        for key in ("CLASSES", "classes"):
            names = group.get(key)
            names = names.split("\n") if isinstance(names, str) else names  # safetensors
            if isinstance(names, list | tuple) and names and all(type(n) is str for n in names):
                return tuple(map(str, names))
    return None


def recorded_clip(content: Mapping[object, object]) -> RecordedClip | None:
    """Return the clip that a file of any code base says its weights were trained on, if it does."""
    meta = _mapping(content.get("meta"))
    ours = meta.get("clip")
    if isinstance(ours, str) and (
        match := re.fullmatch(r"(\d{1,4})x(\d{1,4})(?:/(\d{1,4}))?", ours)
    ):
        return RecordedClip(int(match[1]), int(match[2]), int(match[3]) if match[3] else None)
    if isinstance(text := content.get("cfg"), str):  # PySlowFast
        return _of_pyslowfast(text)
    found = (_of_openmmlab(text) for text in _openmmlab_configs(content))
    return next((clip for clip in found if clip), None)


def recorded_pool(content: Mapping[object, object]) -> TemporalPool | None:
    """Return how a detector's file says that frames become one map, if it does."""
    ours = _mapping(content.get("meta")).get("temporal_pool")
    if isinstance(ours, str) and ours in ("avg", "max"):
        return "max" if ours == "max" else "avg"
    for text in _openmmlab_configs(content):
        if "bbox_roi_extractor" in text:
            is_max = re.search(r"\btemporal_pool_mode['\"]?\s*[=:]\s*['\"]max\b", text)
            return "max" if is_max else "avg"
    return None


def recorded_operator(content: Mapping[object, object]) -> BankOperator | None:
    """Return how a detector's file says that it reads a feature bank, if it does."""
    ours = _mapping(content.get("meta")).get("bank")
    if isinstance(ours, str) and ours in _OPERATORS.values():
        return cast(BankOperator, ours)
    for text in _openmmlab_configs(content):
        found = re.search(r"\bfbo_cfg\b[^})]{0,400}\btype['\"]?\s*[=:]\s*['\"](\w{3,9})\b", text)
        if found and found[1] in _OPERATORS:
            return _OPERATORS[found[1]]
    return None


def recorded_bank_checkpoint(content: Mapping[object, object]) -> str | None:
    """Return the SHA-256 of the weights that made the bank of a run, if its file says so."""
    ours = _mapping(content.get("meta")).get("bank_checkpoint")
    return ours if isinstance(ours, str) and re.fullmatch("[0-9a-f]{64}", ours) else None


def _openmmlab_configs(content: Mapping[object, object]) -> Iterator[str]:
    """Yield the configurations in a file of OpenMMLab, 0.x and 1.x."""
    meta = _mapping(content.get("meta"))
    hub = _mapping(_mapping(content.get("message_hub")).get("runtime_info"))
    for text in (meta.get("config"), meta.get("cfg"), hub.get("cfg")):
        if isinstance(text, str):
            yield text[:LONGEST]


def _of_openmmlab(text: str) -> RecordedClip | None:
    def number(name: str) -> int | None:
        found = re.search(rf"\b{name}['\"]?\s*[=:]\s*(\d{{1,4}})\b", text)
        return int(found[1]) if found else None

    frames, stride = number("clip_len"), number("frame_interval")
    return RecordedClip(frames, stride, number("resample_rate")) if frames and stride else None


def _of_pyslowfast(text: str) -> RecordedClip | None:
    def number(section: str, key: str) -> int | None:
        values = settings(text, section).get(key, [])
        return int(values[0]) if len(values) == 1 and re.fullmatch(r"\d{1,4}", values[0]) else None

    frames, stride = number("DATA", "NUM_FRAMES"), number("DATA", "SAMPLING_RATE")
    return RecordedClip(frames, stride, number("SLOWFAST", "ALPHA")) if frames and stride else None


def recorded_conventions(meta: Mapping[object, object], source: str) -> Conventions | None:
    """Return the conventions that a file of ours names, if it does.

    Raises:
        CheckpointError: They are damaged.
    """
    text = meta.get("conventions")
    if not isinstance(text, str):
        return None
    try:
        fields = json.loads(text[:10_000])
        normalization = fields.pop("normalization")
        if normalization is not None:
            mean, std = (tuple(map(float, normalization[key])) for key in ("mean", "std"))
            numbers = [*mean, *std]
            if len(mean) != len(std) or not all(map(math.isfinite, numbers)) or min(std) <= 0:
                raise ValueError("no normalization")
            normalization = Normalization(mean, std)
        found = Conventions(normalization=normalization, **fields)
        window, flags = found.window, (found.reverse_channels, found.softmax_positions)
        if (
            not re.fullmatch(r"\w{1,40}", found.name)
            or found.slow_frames not in ("strided", "linspace")
            or not (window is None or (type(window) is int and 0 < window <= 1000))
            or found.non_local not in ("dot_product", "embedded_gaussian")
            or any(type(flag) is not bool for flag in flags)
        ):
            raise ValueError("a value out of range")
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f"{source}: its entry 'conventions' is damaged ({error}). Expected what Praxiscope "
            "writes: convert or save the weights again."
        ) from error
    return found


def meta_entries(
    *,
    class_names: Sequence[str] = (),
    conventions: Conventions | None = None,
    clip: RecordedClip | None = None,
    temporal_pool: TemporalPool | None = None,
    bank: BankOperator | None = None,
    bank_checkpoint: str | None = None,
) -> dict[str, str]:
    """Return what our own files record, as text (safetensors keep nothing else)."""
    meta: dict[str, str] = {}
    if class_names:
        meta["classes"] = "\n".join(class_names)
    if conventions is not None:
        meta["conventions"] = json.dumps(asdict(conventions))
    if clip is not None:
        slow = f"/{clip.slow_stride}" if clip.slow_stride else ""
        meta["clip"] = f"{clip.frames}x{clip.stride}{slow}"
    if temporal_pool is not None:
        meta["temporal_pool"] = temporal_pool
    if bank is not None:
        meta["bank"] = bank
    if bank_checkpoint is not None:
        meta["bank_checkpoint"] = bank_checkpoint
    return meta


def _mapping(value: object) -> Mapping[object, object]:
    return value if isinstance(value, dict) else {}
