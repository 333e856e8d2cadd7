"""The head of a file and that of a model: of another task, of other classes, or of another form."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import PYSLOWFAST, Conventions
from praxiscope.zoo import pyslowfast
from praxiscope.zoo.report import some

_TASKS = {"cls_head": "recogniser", "roi_head": "detector"}  # the part that only this task has
DETECTION = "roi_head"


def without_other_task(
    wanted: Mapping[str, Tensor],
    given: dict[str, Tensor],
    *,
    num_classes: int | None,
    conventions: Conventions | None,
    path: Path,
) -> str | None:
    """Take the head of another task out of ``given``, so that the backbone is left; say so.

    Args:
        wanted: The model's weights.
        given: Those of the file, whose code base has ``conventions``.

    Returns:
        What was done, or None if the two heads are of the same task or one side has none.

    Raises:
        CheckpointError: The head is of another task, and no ``num_classes`` asks for a fresh one;
            or it is that of a detector of PySlowFast under the name of a recogniser's.
    """
    ours, theirs = (_TASKS.keys() & {part(name) for name in names} for names in (wanted, given))
    if not ours or not theirs or ours & theirs:
        return None
    head, other = min(ours), min(theirs)
    from_pyslowfast = conventions is not None and conventions.name == PYSLOWFAST.name
    if from_pyslowfast and classifier_sizes(given) == {pyslowfast.AVA_CLASSES}:
        raise pyslowfast.detector_refused(str(path))
    if num_classes is None:
        classes = max(classifier_sizes(wanted), default=0)
        raise CheckpointError(
            f"{path} is a {_TASKS[other]}'s ('{other}'), the model is a {_TASKS[head]}: only the "
            f"backbone could be of use. Expected the weights of a {_TASKS[head]}; pass "
            f"num_classes={classes} to load the backbone and train a new head."
        )
    for name in [name for name in given if part(name) == other]:
        del given[name]
    return (
        f"the file is a {_TASKS[other]}'s: its head ('{other}') was left out, and the model's own "
        f"('{head}') is fresh and has to be trained"
    )


def without_other_head(wanted: Mapping[str, Tensor], given: dict[str, Tensor]) -> str | None:
    """Take a detector's head of another form out of ``given``, as one without a bank; say so.

    The number of classes is no matter of form.

    Returns:
        What was done, or None if the heads are of one form or one side has none.
    """
    forms = [
        {
            name: tensor.shape[1:] if name in _classifier(state) else tensor.shape
            for name, tensor in state.items()
            if part(name) == DETECTION
        }
        for state in (wanted, given)
    ]
    if not all(forms) or forms[0] == forms[1]:
        return None
    for name in forms[1]:
        del given[name]
    return (
        "the file is that of another detector: its head ('roi_head') was left out, and the model's "
        "own is fresh and has to be trained"
    )


def check_classes(wanted: Mapping[str, Tensor], num_classes: int | None) -> None:
    """Raise :class:`CheckpointError` unless ``num_classes`` is None or the model's own number."""
    sizes = classifier_sizes(wanted)
    if num_classes is not None and sizes and sizes != {num_classes}:
        raise CheckpointError(
            f"num_classes={num_classes} was asked for, but the model has {min(sizes)} classes. "
            "Expected the model's own number: build the model with the number you want."
        )


def other_classifier(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Return the classifier's names if the file has another number of classes, else nothing."""
    names = [name for name in _classifier(wanted) if name in given]
    pairs = [(given[name].shape, wanted[name].shape) for name in names]
    if any(len(found) != len(size) or found[1:] != size[1:] for found, size in pairs):
        return []  # not a matter of classes; the check of shapes says what it is
    return names if any(found != size for found, size in pairs) else []


def unit(classifier: str) -> str:
    """Return what the rows of a classifier of this name are."""
    return "outputs (the background included)" if part(classifier) == DETECTION else "classes"


def check_detection_head(
    matched: Iterable[str], missing: Iterable[str], unexpected: Iterable[str], path: Path
) -> None:
    """Refuse a detector whose head has parts that the model's has not, or the other way round.

    A backbone with a few strays is of use; a head with a missing or a superfluous part gives
    scores that mean nothing.

    Raises:
        CheckpointError: The heads differ in their parts.
    """
    lacks, extra = ([n for n in names if part(n) == DETECTION] for names in (missing, unexpected))
    if (lacks and extra) or ((lacks or extra) and any(part(n) == DETECTION for n in matched)):
        raise CheckpointError(
            f"{path} belongs to another detector: of its head, {some(lacks, 2)} would be missing "
            f"and {some(extra, 2)} would have no place. Expected the same variant (ACRN, a second "
            "layer): check the model's name."
        )


def classifier_sizes(names: Mapping[str, Tensor]) -> set[int]:
    """Return the number of outputs, once if all tensors of the classifier agree."""
    shapes = [names[name].shape for name in _classifier(names)]
    return {shape[0] if shape else 1 for shape in shapes}


def part(name: str) -> str:
    """Return the part of a network that a tensor is in: ``backbone``, ``cls_head`` ..."""
    return name.partition(".")[0]


def _classifier(names: Iterable[str]) -> list[str]:
    """Return the tensors of the last linear layer: ``fc_cls.2`` where there are two."""
    found = [name for name in names if ".fc_cls." in f".{name}"]
    return [name for name in found if name.rpartition(".")[0] == found[-1].rpartition(".")[0]]
