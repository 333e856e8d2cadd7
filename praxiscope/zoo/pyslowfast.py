"""PySlowFast's files: what they call the parts of a network, and what their settings say.

Facts: the SlowFast repository's model and checkpoint code, and its configurations.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from praxiscope.errors import CheckpointError
from praxiscope.models.conventions import PYSLOWFAST, Conventions, Normalization
from praxiscope.zoo.names import Part


def module_name(part: Part) -> str:
    """Return ``s4.pathway0_res#.branch2.b_bn`` and the like."""
    stage = f"s{part.stage + 1}"
    block = f"{stage}.pathway{part.pathway}_res#"
    match part.conv:
        case "classifier":
            return "head.projection"
        case "stem":
            return f"{stage}.pathway{part.pathway}_stem.{'bn' if part.norm else 'conv'}"
        case "lateral":
            return f"{stage}_fuse.{'bn' if part.norm else 'conv_f2s'}"
        case "shortcut":
            return f"{block}.branch1{'_bn' if part.norm else ''}"
        case "theta" | "phi" | "g" | "out":
            non_local = f"{stage}.pathway{part.pathway}_nonlocal#"
            return f"{non_local}.{'bn' if part.norm else f'conv_{part.conv}'}"
        case conv:
            return f"{block}.branch2.{conv}{'_bn' if part.norm else ''}"


def module_name_caffe2(part: Part) -> str:
    """Return ``t_res4_#_branch2b_bn`` and the like: the blobs of the Caffe2 models."""
    t = "t_" * part.pathway
    bn = "_bn" if part.norm else ""
    block = f"{t}res{part.stage + 1}_#"
    match part.conv:
        case "classifier":
            return "pred"
        case "stem":
            return f"{t}res_conv1_bn" if part.norm else f"{t}conv1"
        case "lateral" if part.stage == 0:
            return f"t_pool1_subsample{bn}"
        case "lateral":  # named after the last block of the fast pathway's stage
            return f"t_{block}_branch2c_bn_subsample{bn}"
        case "shortcut":
            return f"{block}_branch1{bn}"
        case "theta" | "phi" | "g" | "out":  # the slow pathway's alone
            non_local = f"{t}nonlocal_conv{part.stage + 1}_#"
            return f"{non_local}_{'bn' if part.norm else part.conv}"
        case conv:
            return f"{block}_branch2{conv}{bn}"


CAFFE2_LEAVES: Mapping[str, str] = {
    "w": "weight",
    "s": "weight",
    "b": "bias",
    "rm": "running_mean",
    "riv": "running_var",
}


AVA_CLASSES = 80  # outputs of PySlowFast's published detectors, which have none for the background
LONGEST = 1 << 20  # characters of a configuration that are looked at


def settings(text: str, section: str) -> dict[str, list[str]]:
    """Return the values of one section of a configuration, which PySlowFast writes as plain YAML.

    Read line by line: ``KEY: value``, ``KEY: [value, value]``, or ``- value`` lines after ``KEY:``.
    """
    found: dict[str, list[str]] = {}
    inside, key = False, ""
    for line in text[:LONGEST].splitlines():
        name, colon, value = line.strip().partition(":")
        if line[:1].strip() and not line.startswith("-"):
            inside = line.rstrip() == f"{section}:"
        elif inside and key and name.startswith("- "):
            found[key].append(name[2:].strip())
        elif inside and colon:
            key = name
            found[key] = value.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return found


def conventions_of(text: str, source: str) -> Conventions:
    """Return the conventions that a configuration asks for; those of most where it says nothing.

    Raises:
        CheckpointError: The network strides its 1x1 convolutions, which ours does not, or it is a
            detector.
    """
    if settings(text, "DETECTION").get("ENABLE") in (["true"], ["True"]):
        raise detector_refused(source)
    data, non_local = settings(text, "DATA"), settings(text, "NONLOCAL")
    conventions = PYSLOWFAST
    if non_local.get("INSTANTIATION") == ["softmax"]:
        conventions = replace(conventions, non_local="embedded_gaussian")
    if settings(text, "RESNET").get("STRIDE_1X1") in (["true"], ["True"]):
        raise CheckpointError(
            f"{source} was trained with RESNET.STRIDE_1X1, by which its blocks differ from ours. "
            "Expected a network that strides its 3x3 convolutions."
        )
    mean, std = (_grey_levels(data.get(key, [])) for key in ("MEAN", "STD"))
    if mean and std and len(mean) == len(std) and min(std) > 0:
        conventions = replace(conventions, normalization=Normalization(mean, std))
    if data.get("REVERSE_INPUT_CHANNEL") in (["true"], ["True"]):
        conventions = replace(conventions, reverse_channels=True)
    if settings(text, "MULTIGRID").get("SHORT_CYCLE") in (["true"], ["True"]):
        return replace(conventions, window=None)  # its head then averages over the whole map
    crop = data.get("TRAIN_CROP_SIZE", [])
    if len(crop) == 1 and re.fullmatch(r"\d{2,4}", crop[0]) and int(crop[0]) >= 32:
        conventions = replace(conventions, window=int(crop[0]) // 32)
    return conventions


def detector_refused(source: str) -> CheckpointError:
    """Return why detectors are not read: their weights fit ours and would mean something else.

    Facts: SPATIAL_DILATIONS of the configurations for AVA, and the head that pools regions.
    """
    return CheckpointError(
        f"{source} is a detector of PySlowFast, which dilates its last stage and pools 7 x 7 parts "
        "of a box, as no detector here does. Expected the weights of a detector of OpenMMLab or "
        "Praxiscope; to train one, start from a recogniser's."
    )


def _grey_levels(values: list[str]) -> tuple[float, ...]:
    """Numbers of 0 to 1 as text -> of 0 to 255; nothing if they are no three numbers."""
    if len(values) != 3 or not all(re.fullmatch(r"[0-9.]{1,20}", value) for value in values):
        return ()
    try:
        return tuple(255 * float(value) for value in values)
    except ValueError:
        return ()
