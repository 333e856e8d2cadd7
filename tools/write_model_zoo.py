"""Write docs/en/model_zoo.md from the cards, the recipes and the parity figures.

python tools/write_model_zoo.py
"""

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a checkout as it is

import torch

from praxiscope.files import write_atomically
from praxiscope.models.complexity import complexity
from praxiscope.recipe import DetectionRecipe, Recipe, load_recipe
from praxiscope.zoo.cards import Card, cards, view_shape

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/en/model_zoo.md"
FIGURES = ROOT / "tests/parity/data"
FAMILIES = {
    "slowonly": "SlowOnly",
    "slowfast": "SlowFast",
    "acrn": "ACRN",
    "lfb": "Long-term feature banks",
}

CLAIMS = ("loads", "parity", "trains")

INTRODUCTION = """\
# Model zoo

<!-- Written by tools/write_model_zoo.py from the cards, the recipes and the parity figures:
change those, not this page. -->

The {rows} rows of the published SlowOnly, SlowFast and detection documents, in their order.
`praxiscope zoo list`, `show NAME` and `download NAME` have the same facts; `test`, `create_model`
and `predict`, or `detect`, take a recipe's name. {built} rows have a recipe here, and one is a
fusion of two others.

**Accuracies**, GPUs (x videos on each), memory and speed are what the authors of the weights
reported, and the checkpoints are theirs. **Parameters, GMACs and views** are those of the recipe
here: GMACs are 1e9 multiply-adds of convolutions and matrix products for one view in testing; views
are clips x crops x frames x pixels. A detector tests whole frames: its GMACs are those of one key
frame, with frames of 256 x 340 pixels and one person in them, and its views are frames x height x
width. More persons add next to nothing, but to ACRN, which looks at the scene once for each
({acrn:.1f} GMACs a person). A long-term feature bank is read around the key frame, 300 features;
what made it is not counted.

**Verified here** says what the tests hold each row to. They need neither the published files nor
the datasets:

| | |
|---|---|
| loads | every tensor of the reference's network has our name and shape, so its weights fit |
| parity | under the same made-up weights, logits equal the reference's |
| trains | three training steps in double precision follow the reference's to 1e-6 |
| accuracy | **not verified** for any row: it takes the published weights and datasets |

With an asterisk: the recipe's network is that of another recipe, which is verified. The reference's
figures are in `tests/parity/data`, the tests that compare them in `tests/parity`.
"""


@dataclass(frozen=True)
class Verified:
    """What the tests hold a recipe's network to."""

    claims: tuple[str, ...]  # of CLAIMS
    directly: bool  # under the recipe's own name

    def __str__(self) -> str:
        return ", ".join(self.claims) + ("" if self.directly or not self.claims else " *")


def document() -> str:
    """Return the whole page."""
    rows = cards()
    built = sum(one.recipe is not None for one in rows)
    acrn = cost_of_a_person(next(one for one in rows if "acrn" in one.config))
    parts = [INTRODUCTION.format(rows=len(rows), built=built, acrn=acrn)]
    task = ""
    for _, group in groupby(rows, key=lambda one: (_family(one, rows), one.table)):
        same = list(group)
        named = _task(same[0])
        if named != task:
            parts.append(f"## {named}\n")
            task = named
        family, table = _family(same[0], rows), same[0].table.rpartition(" > ")[2]
        parts.append(f"### {family}: {table}\n")
        parts.append(_table(same))
    return "\n".join(parts)


def _table(rows: Sequence[Card]) -> str:
    """Return the rows as Markdown, without the columns that none of them fills."""
    columns: list[tuple[str, Callable[[Card], str]]] = [
        ("row", lambda one: str(one.row)),
        ("recipe", _recipe),
        ("", lambda one: one.method or ""),
        ("resolution", lambda one: one.resolution or ""),
        ("sampling", lambda one: one.frame_sampling or ""),
        ("GPUs", lambda one: one.gpus or ""),
        ("backbone", lambda one: one.backbone or ""),
        ("pretrained", lambda one: one.pretrain or ""),
        ("top-1", lambda one: _percent(one.top1)),
        ("top-5", lambda one: _percent(one.top5)),
        ("mean class", lambda one: _percent(one.mean_class_accuracy)),
        ("mAP", lambda one: _percent(one.mean_ap)),
        ("videos/s", lambda one: one.videos_per_second or ""),
        ("MiB a GPU", lambda one: _number(one.gpu_mem_mib)),
        ("parameters", lambda one: f"{one.parameters / 1e6:.1f} M" if one.parameters else ""),
        ("GMACs", lambda one: _number(one.gmacs_per_view and round(one.gmacs_per_view, 1))),
        ("views", lambda one: one.views or ""),
        ("files", _files),
        ("verified here", _verified),
        ("not verified", _not_verified),
    ]
    used = [(title, cell) for title, cell in columns if any(cell(one) for one in rows)]
    lines = [[title for title, _ in used], ["---"] * len(used)]
    lines += [[cell(one) for _, cell in used] for one in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cost_of_a_person(one: Card) -> float:
    """Return the GMACs that a second person adds in a row's recipe of detection."""
    recipe = load_recipe(one.config, kind=DetectionRecipe)
    with torch.device("meta"):
        model = recipe.model.build()
    shape = (1, *view_shape(recipe))
    return complexity(model, shape, boxes=2).gmacs - complexity(model, shape).gmacs


@cache
def verified(one: Card) -> Verified:
    """Return what the parity figures of a row's network hold, and so what the tests compare."""
    if one.recipe is None:
        return Verified((), directly=True)
    own = FIGURES / ("detection" if one.mean_ap else "") / f"{one.recipe.stem}.json.gz"
    found = own if own.is_file() else None
    if found is None:
        mine = load_recipe(one.recipe)
        same = (path for path, recipe in _with_figures() if recipe.model == mine.model)
        found = next(same, None)
    figures = json.loads(gzip.decompress(found.read_bytes())) if found else {}
    held = (
        bool(figures.get("state_dict")),
        bool(figures.get("logits")),
        bool({"losses_steps_0_to_3", "losses"} & figures.get("float64", {}).keys()),
    )
    claims = tuple(claim for claim, true in zip(CLAIMS, held, strict=True) if true)
    return Verified(claims, directly=found == own)


@cache
def _with_figures() -> tuple[tuple[Path, Recipe], ...]:
    paths = sorted(FIGURES.glob("*.json.gz"))
    names = [path.name.removesuffix(".json.gz") for path in paths]
    return tuple(zip(paths, [load_recipe(name, kind=Recipe) for name in names], strict=True))


def _task(one: Card) -> str:
    return "Actions of several people in a frame" if one.mean_ap else "Actions in videos"


def _family(one: Card, rows: Sequence[Card]) -> str:
    """Return the heading of the row's folder; one without recipe stands under its neighbour's."""
    path = one.config_path or next(r.config_path for r in rows if r.table == one.table)
    assert path is not None
    return FAMILIES[Path(path).parts[2]]


def _recipe(one: Card) -> str:
    if one.config_path is None:
        return f"{one.published_as} ([command](useful_tools.md#fusing-streams))"
    return f"[{one.config}](../../{one.config_path})"


def _files(one: Card) -> str:
    urls = {"ckpt": one.checkpoint_url, "log": one.log_url, "json": one.json_url}
    return " ".join(f"[{name}]({url})" for name, url in urls.items() if url)


def _verified(one: Card) -> str:
    return str(verified(one)) or ("nothing yet" if one.config_path else "")


def _not_verified(one: Card) -> str:
    open_claims = [claim for claim in CLAIMS if claim not in verified(one).claims]
    return ", ".join([*(open_claims if one.config_path else []), "accuracy"])


def _percent(value: float | None) -> str:
    """Return as many digits as were published: one or two."""
    return "" if value is None else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


if __name__ == "__main__":
    write_atomically(PAGE, lambda file: file.write(document().encode()))
