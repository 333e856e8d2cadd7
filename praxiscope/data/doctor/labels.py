"""Whether labels are those of the list's classes."""

from collections.abc import Mapping, Sequence

import numpy as np

from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.findings import Finding, Flags, judge, judge_each
from praxiscope.data.doctor.rows import NO_LABEL, Rows


def classes_of(ava: AvaList) -> Sequence[int]:
    """Return the labels of the list's classes, as its files number them."""
    if ava.classes is not None:
        return ava.classes
    return range(ava.label_base, ava.num_classes - 1 + ava.label_base)


def classes_seen(ava: AvaList, rows: Rows) -> set[int]:
    """Return which of the list's classes somebody does."""
    return set(np.unique(rows.label).tolist()) & set(classes_of(ava))


def check_labels(ava: AvaList, rows: Rows, names: Mapping[int, str]) -> list[Finding]:
    """Judge the labels of an annotation file; ``names`` are those of the label map, if any."""
    classes = classes_of(ava)
    labelled = rows.label != NO_LABEL
    known = np.isin(rows.label, list(classes))
    never = sorted(set(classes) - classes_seen(ava, rows))
    findings = [_check_base(ava, rows)]
    if ava.classes is None:
        findings.append(
            judge_each(
                "error",
                f"labels that are no class ({min(classes)} to {max(classes)})",
                labelled & ~known,
                rows.show_label,
                "Correct the lines, label_base or num_classes.",
            )
        )
    findings += [
        judge(
            "error",
            "lists without a label of any class",
            int(len(rows) > 0 and not known.any()),
            str(rows.path),
            "There is nothing to learn: check the label column, label_base and classes.",
        ),
        judge(
            "warning",
            f"classes that nobody does, of {len(classes)}",
            len(never),
            lambda: _listed(never, names),
            "Nothing can be learnt of them here; AP is not defined for them.",
        ),
    ]
    if names:
        nameless = known & ~np.isin(rows.label, list(names))
        findings.append(
            judge_each(
                "error" if nameless.sum() == known.sum() else "warning",
                "lines whose class the label map does not name",
                nameless,
                rows.show_label,
                "mAP leaves them out: add them to the label map if they should count.",
            )
        )
    if not ava.multi_label:
        findings.append(_check_single(rows, known))
    return findings


def check_label_map(ava: AvaList, names: Mapping[int, str]) -> list[Finding]:
    """Judge the numbers of a label map, which is not empty."""
    classes = classes_of(ava)
    beyond = [label for label in names if label not in classes]
    missing = [label for label in classes if label not in names]
    numbers = range(min(names), max(names) + 1)
    shift = ""
    if ava.classes is None and ava.label_base == 1 and 0 in names:
        shift = " It begins at 0: set label_base=0, if the annotations do so too."
    if ava.classes is not None:
        return [
            judge(
                "error",
                "classes of the list that the label map does not name",
                len(missing),
                f"{ava.label_map}: no id {missing[0] if missing else ''}",
                "Correct classes or the label map.",
            )
        ]
    return [
        judge(
            "error",
            "ids of the label map that are no class",
            len(beyond),
            lambda: f"{ava.label_map}: id {beyond[0]} ('{names[beyond[0]]}')",
            f"Correct label_base or num_classes.{shift}",
        ),
        judge(
            "warning",
            "classes that the label map does not name",
            len(missing),
            lambda: f"{ava.label_map}: {_listed(missing, {})}",
            "mAP leaves them out, as it does 20 of AVA's 80."
            if len(numbers) > len(names)
            else "mAP leaves them out: num_classes may be too large.",
        ),
    ]


def _check_base(ava: AvaList, rows: Rows) -> Finding:
    """Judge whether labels begin where the list says; it cannot be told for ``classes``."""
    what = f"labels that begin elsewhere than at {ava.label_base}"
    labels = rows.label[rows.label != NO_LABEL]
    if ava.classes is not None or not len(labels):
        return judge("error", what, 0, "", "")
    least, most = int(labels.min()), int(labels.max())
    if ava.label_base == 1 and least == 0:
        advice = f"Labels are {least} to {most}. Set label_base=0"
        if most >= ava.num_classes - 1:
            advice += f" and num_classes={most + 2}, or leave these lines out if 0 is no action"
        return judge_each("error", what, rows.label == 0, rows.show_label, f"{advice}.")
    if ava.label_base == 0 and least >= 1:
        surely = most >= ava.num_classes - 1
        return judge(
            "error" if surely else "warning",
            what,
            len(labels),
            lambda: rows.show_label(int((rows.label != NO_LABEL).argmax())),
            f"Labels are {least} to {most}, and 0 never occurs. Set label_base=1"
            + ("." if surely else ", unless class 0 is just never seen."),
        )
    return judge("error", what, 0, "", "")


def _check_single(rows: Rows, known: Flags) -> Finding:
    """Judge whether each person has one label, without those that are no class."""
    persons, first = np.unique(rows.person[known], return_index=True)
    labels = rows.label[known]
    other = np.zeros(len(rows), np.bool_)
    other[known] = labels != labels[first][np.searchsorted(persons, rows.person[known])]
    return judge(
        "error",
        "persons with several labels, where multi_label is False",
        len(np.unique(rows.person[other])),
        lambda: rows.show_label(int(other.argmax())),
        "Keep one label a person, or set multi_label=True.",
    )


def _listed(labels: Sequence[int], names: Mapping[int, str]) -> str:
    """Return a few labels with their names, for a message."""
    shown = [f"{label} ({names[label]})" if label in names else str(label) for label in labels[:5]]
    return ", ".join(shown) + (" ..." if len(labels) > len(shown) else "")
