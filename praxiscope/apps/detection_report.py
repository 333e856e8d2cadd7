"""The page of the detection quickstart: detectors side by side, on labels of several kinds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from praxiscope.apps.charts import Curve, shares_table
from praxiscope.apps.key_frames import key_frame_cards
from praxiscope.apps.report import Report, write_report
from praxiscope.data.ava_lists import AvaList
from praxiscope.types import ScoredFrame

Groups = Mapping[str, Sequence[str]]  # labels by what tells them


@dataclass(frozen=True, kw_only=True)
class DetectorResult:
    """What the test of one detector gave, or what the class prior would have given."""

    name: str
    mean_precision: float  # mAP
    per_class: Mapping[str, float]  # AP, NaN where the mean leaves a class out
    frames: Sequence[ScoredFrame]
    curves: Sequence[Curve] = ()
    meant_for: str | None = None  # a group of labels

    def by_group(self, groups: Groups) -> dict[str, float]:
        """Return the mean AP of each group; NaN where the mean leaves all of it out."""
        found = {}
        for group, labels in groups.items():
            values = np.array([self.per_class[label] for label in labels])
            known = values[np.isfinite(values)]
            found[group] = float(known.mean()) if len(known) else float("nan")
        return found


def write_detection_report(
    path: Path,
    prior: DetectorResult,
    detectors: Sequence[DetectorResult],
    *,
    groups: Groups,
    ava: AvaList,
    settings: Mapping[str, str],
    notes: str,
) -> None:
    """Write one page on detectors that were tested on the same list.

    Args:
        prior: What they are held against.

    Raises:
        DataError: A video that the page shows a key frame of cannot be read.
    """
    results = [prior, *detectors]
    names = [result.name for result in results]
    by_group = [result.by_group(groups) for result in results]
    rows = {group: [values[group] for values in by_group] for group in groups}
    rows["all labels (mAP)"] = [result.mean_precision for result in results]
    labels = {
        f"{label} ({group})": [result.per_class[label] for result in results]
        for group, of_group in groups.items()
        for label in of_group
    }
    parts = {
        "Labels by what tells them": shares_table(
            "Average precision at IoU 0.5, per cent. A frame marks the detector that is meant for "
            "the labels.",
            "labels",
            names,
            rows,
            [(result.meant_for, result.name) for result in detectors if result.meant_for],
        ),
        "Every label": shares_table(
            "Average precision at IoU 0.5, per cent.", "label", names, labels
        ),
        "Key frames": key_frame_cards(ava, {one.name: one.frames for one in detectors}),
    }
    headline = {f"mAP, {one.name}": f"{100 * one.mean_precision:.1f}%" for one in results}
    report = Report(
        title="Praxiscope quickstart: detection",
        headline={**headline, "test key frames": str(len(prior.frames))},
        curves=[curve for result in results for curve in result.curves],
        class_names=(),
        confusion=np.zeros((0, 0), np.int64),
        clips=(),
        settings=settings,
        notes=notes,
        parts=parts,
    )
    write_report(path, report)
