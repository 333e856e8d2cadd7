"""PyTorchVideo's files and hub models: what they call the parts of a network.

Facts: the PyTorchVideo repository's model builders and hub.
"""

from praxiscope.zoo.names import Part


def module_name(part: Part) -> str:
    """Return ``blocks.3.multipathway_blocks.0.res_blocks.#.branch2.norm_b`` and the like."""
    kind = "norm" if part.norm else "conv"
    stage = block = f"blocks.{part.stage}"
    if part.num_pathways == 2:
        block += f".multipathway_blocks.{part.pathway}"
    match part.conv:
        case "classifier":  # with two pathways, block 5 joins them
            return "blocks.6.proj" if part.num_pathways == 2 else "blocks.5.proj"
        case "stem":
            return f"{block}.{kind}"
        case "lateral":
            fusion = f"{stage}.multipathway_fusion"
            return f"{fusion}.norm" if part.norm else f"{fusion}.conv_fast_to_slow"
        case "shortcut":
            return f"{block}.res_blocks.#.branch1_{kind}"
        case "theta" | "phi" | "g" | "out":
            return f"{block}.none.#.{part.conv}.{kind}"  # there are no non-local blocks
        case conv:
            return f"{block}.res_blocks.#.branch2.{kind}_{conv}"
