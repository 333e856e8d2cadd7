"""Whether lists in AVA's format fit together as parts of one dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.doctor.examine import Examined
from praxiscope.data.doctor.findings import Finding, judge
from praxiscope.data.doctor.labels import classes_seen


def compare(lists: Mapping[str, Examined]) -> tuple[Finding, ...]:
    """Return what is wrong with lists, by their names, as parts of one dataset.

    Others are compared with the one named "train", if it is among them.
    """
    findings: list[Finding] = []
    train = lists.get("train")
    for name, other in lists.items():
        if train is not None and train.rows is not None and name != "train":
            findings += _beside_train(train, name, other)
    return (*findings, *_not_annotated(list(lists.values())))


def _beside_train(train: Examined, name: str, other: Examined) -> list[Finding]:
    if train.rows is None or other.rows is None:
        return []
    shared = sorted(_places(train) & _places(other))
    seen, tested = classes_seen(train.ava, train.rows), classes_seen(other.ava, other.rows)
    return [
        judge(
            "warning",
            f"videos in both train and {name}",
            len(shared),
            next(iter(shared), ""),
            "Figures will be better than they should: give each video to one list.",
        ),
        judge(
            "warning" if seen & tested else "error",
            f"classes in {name} that train does not have",
            len(tested - seen),
            f"label {min(tested - seen, default='')}",
            "They cannot be learnt: their AP will be about 0.",
        ),
        judge(
            "warning",
            f"classes in train that {name} does not have",
            len(seen - tested),
            f"label {min(seen - tested, default='')}",
            "Whether they are learnt is not measured.",
        ),
    ]


def _not_annotated(lists: Sequence[Examined]) -> list[Finding]:
    """Judge what else is in the folders of the videos; not where ``sources`` say the paths."""
    roots: dict[tuple[Path, str], set[str]] = {}
    for one in lists:
        if one.rows is not None and one.ava.sources is None and Path(one.ava.root).is_dir():
            names = {part for video in one.rows.videos for part in Path(video).parts[:1]}
            roots.setdefault((Path(one.ava.root), one.ava.kind), set()).update(names)
    findings = []
    for (root, kind), names in roots.items():
        others = [
            path.name
            for path in root.iterdir()
            if (path.is_dir() if kind == "frames" else path.suffix.lower() in VIDEO_SUFFIXES)
            and not {path.name, path.stem} & names
        ]
        findings.append(
            judge(
                "warning",
                "videos on disk but not in annotations",
                len(others),
                str(root / min(others, default="")),
                "Not used. Are their names spelt otherwise, or do they belong to another list?",
            )
        )
    return findings


def _places(one: Examined) -> set[str]:
    """Return the videos of a list with their folder: another dataset may use the same names."""
    assert one.rows is not None
    return {str(Path(one.ava.root) / video) for video in one.rows.videos}
