"""Start weights: checkpoints of the zoo, and 2-D ResNets trained on ImageNet, inflated."""

from pathlib import Path

from praxiscope.data.sampling import Clip
from praxiscope.errors import CheckpointError, did_you_mean
from praxiscope.models.detector import ActorDetector
from praxiscope.models.inflate import InflationReport, inflate, is_resnet2d
from praxiscope.models.recognizer import ClipModel
from praxiscope.zoo.cards import cards
from praxiscope.zoo.checkpoint_file import checkpoint_format, read_checkpoint_file
from praxiscope.zoo.create import Entry, find_checkpoint
from praxiscope.zoo.download import fetch_checkpoint
from praxiscope.zoo.openmmlab import published_state
from praxiscope.zoo.weights import LoadReport, load_checkpoint

IMAGENET = "imagenet"
TORCHVISION = "torchvision://"  # how published configs spell it: torchvision://resnet50
# Trained on ImageNet by torchvision's authors ("IMAGENET1K_V1"), by depth.
RESNETS = {
    50: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    101: "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    152: "https://download.pytorch.org/models/resnet152-394f9c45.pth",
}


def load_start(
    model: ClipModel, entry: Entry, start: str, *, clip: Clip | None = None
) -> LoadReport | InflationReport:
    """Load what training begins with into ``model``, and report what fitted.

    Args:
        model: Whose classifier stays fresh if the file has one of another size, and whose head if
            the file is of the other task, or of a detector with a head of another form.
        entry: The recipe entry that the model was built from.
        start: "imagenet" (a ResNet of the model's depth) or "torchvision://resnet50"; the name or
            the https address of a published checkpoint; a file. What is downloaded, once, is
            checked. What a file holds is told from its content: the weights of a 2-D ResNet are
            inflated.
        clip: What the model is going to see; the report warns if a file was trained on another.

    Raises:
        CheckpointError: Nothing has this name, the file is damaged or not whole, or its weights are
            those of another model; the model is unchanged.
    """
    address = _address(start, entry)
    path = fetch_checkpoint(address) if address else _file_of(start)
    state = published_state(read_checkpoint_file(path), str(path)).tensors
    if is_resnet2d(state):
        return inflate(model, state, f"{path} ({checkpoint_format(path)})")
    del state  # read once more: of a checkpoint there is more to know than its tensors
    return load_checkpoint(model, path, num_classes=entry.num_classes, clip=clip, any_head=True)


def _file_of(start: str) -> Path:
    published = [one.name for one in cards()]
    if not Path(start).exists() and start not in published and "://" not in start:
        raise CheckpointError(
            f"there are no start weights '{start}'.{did_you_mean(start, [IMAGENET, *published])} "
            f"Expected a file, the name of a published checkpoint or its address, or '{IMAGENET}'."
        )
    return find_checkpoint(start, "")


def _address(start: str, entry: Entry) -> str | None:
    """Return the address of an ImageNet ResNet; None if ``start`` is something else."""
    if isinstance(entry, ActorDetector):
        depth, field = entry.network.depth, "model.network.depth"
    else:
        depth, field = entry.depth, "model.depth"
    if start == IMAGENET:
        if depth not in RESNETS:
            raise CheckpointError(
                f"there are no ImageNet weights of a ResNet-{depth}, which the model is. Expected "
                f"a depth of {', '.join(map(str, RESNETS))}: change {field} or start."
            )
        return RESNETS[depth]
    if not start.startswith(TORCHVISION):
        return None
    names = {f"{TORCHVISION}resnet{known}": known for known in RESNETS}
    if start not in names:
        raise CheckpointError(
            f"there are no start weights '{start}'.{did_you_mean(start, names)} Expected "
            f"'{IMAGENET}', one of {', '.join(names)}, or a file."
        )
    if names[start] != depth:
        raise CheckpointError(
            f"the start weights '{start}' are those of a ResNet-{names[start]}, the model is a "
            f"ResNet-{depth}. Expected the same depth: change {field} or start."
        )
    return RESNETS[depth]
