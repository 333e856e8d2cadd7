"""``praxiscope data doctor``: lists in AVA's format examined, and the findings printed."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields

from rich.console import Console
from rich.table import Table
from rich.text import Text

from praxiscope.checks import check_whole
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.compare import compare
from praxiscope.data.doctor.examine import Examined, examine
from praxiscope.data.doctor.findings import Finding
from praxiscope.engine.results import check_writable
from praxiscope.errors import RecipeError
from praxiscope.files import write_atomically
from praxiscope.progress import progress_bar
from praxiscope.recipe import DetectionRecipe, load_recipe

WOULD_FAIL = 1  # exit status: training would stop, or mAP would be 0
STYLES = {"error": "bold red", "warning": "yellow", "ok": "green"}


def doctor(args: argparse.Namespace) -> int:
    """Examine the lists of a recipe, or one by its files; return the exit status."""
    if args.videos is not None:
        check_whole(args.videos, "--videos")
    lists = _lists(args)
    if args.json is not None:
        check_writable(args.json, (".json",))
    examined = {name: _examine(name, ava, args.videos) for name, ava in lists.items()}
    # Of a part of the lists it cannot be said what belongs to none.
    together = () if args.split else compare(examined)
    console = Console(highlight=False)
    for name, one in examined.items():
        console.print(_table(f"{name}: {_summary(one)}", one.findings))
    if together:
        console.print(_table("together", together))
    found = {name: one.findings for name, one in examined.items()} | {"together": together}
    if args.json is not None:
        text = json.dumps(_as_json(found), indent=1) + "\n"
        write_atomically(args.json, lambda file: file.write(text.encode()))
    errors, warnings = (_count(found, severity) for severity in ("error", "warning"))
    verdict = "Training would stop, or mAP would be 0 or near it." if errors else "Ready to train."
    counts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
    ]
    console.print(f"{', '.join(counts)}. {verdict}")
    return WOULD_FAIL if errors else 0


def _lists(args: argparse.Namespace) -> dict[str, AvaList]:
    """Return what to examine, by name."""
    names = {field.name for field in fields(AvaList)}
    given = {name: value for name, value in vars(args).items() if name in names}
    if args.recipe is None:
        if not {"annotations", "root"} <= given.keys():
            raise RecipeError("give a detection recipe, or at least --annotations and --root.")
        if args.split or args.cfg_options:
            raise RecipeError("--split and --cfg-options are of a recipe, and none is given.")
        return {"list": AvaList(**given)}
    if given:
        flag = "--single-label" if "multi_label" in given else f"--{next(iter(given))}"
        raise RecipeError(
            f"{flag.replace('_', '-')} describes a list by its files; with a recipe use "
            "--cfg-options, as train.fps=25."
        )
    recipe = load_recipe(args.recipe, args.cfg_options, kind=DetectionRecipe)
    lists = {"train": recipe.train, "val": recipe.val, "test": recipe.test or recipe.val}
    if args.split:
        return {args.split: lists[args.split]}
    if lists["test"] == lists["val"]:
        del lists["test"]
    return lists


def _examine(name: str, ava: AvaList, num_videos: int | None) -> Examined:
    with progress_bar(Console(stderr=True)) as bar:
        bar.add_task(f"{name} files", total=None, figures="")  # no one knows how long they take

        def track(videos: Sequence[str]) -> Iterable[str]:
            return bar.track(videos, task_id=bar.add_task(f"{name} videos", figures=""))

        return examine(ava, num_videos=num_videos, track=track)


def _summary(one: Examined) -> str:
    if one.rows is None:
        return str(one.ava.annotations)
    return f"{one.ava.annotations}, {len(one.rows):,} lines, {len(one.rows.videos):,} videos"


def _table(title: str, findings: Sequence[Finding]) -> Table:
    """Return the findings as a table, errors first."""
    table = Table("", "how many", "what", title=Text(title), title_justify="left", show_lines=False)
    table.columns[1].justify = "right"
    for finding in sorted(findings, key=lambda one: list(STYLES).index(one.severity)):
        text = Text(finding.what)
        if finding.count:
            text.append(f"\n  {finding.example}\n  {finding.advice}", style="dim")
        table.add_row(
            Text(finding.severity, style=STYLES[finding.severity]), f"{finding.count:,}", text
        )
    return table


def _count(found: Mapping[str, Sequence[Finding]], severity: str) -> int:
    return sum(one.severity == severity for findings in found.values() for one in findings)


def _as_json(found: Mapping[str, Sequence[Finding]]) -> object:
    return {
        "errors": _count(found, "error"),
        "warnings": _count(found, "warning"),
        "lists": {name: [asdict(one) for one in findings] for name, findings in found.items()},
    }
