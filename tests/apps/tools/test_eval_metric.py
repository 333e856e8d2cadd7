import re
from pathlib import Path

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from praxiscope.cli import main, tool_main
from praxiscope.engine.results import dump_predictions, write_results
from praxiscope.metrics.classification import evaluate
from tests.apps.tools.recipe_file import write_recipe
from tests.apps.tools.scripts import run_script

LABELS = torch.arange(12) % 8


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "recipe.py", LABELS.tolist())


def scores_of(count: int = 12, classes: int = 8) -> torch.Tensor:
    return torch.rand(count, classes, generator=torch.Generator().manual_seed(0))


def expected(k: int) -> str:
    value = multiclass_accuracy(scores_of(), LABELS, 8, top_k=k, average="micro")
    return f"top{k}_acc: {float(value):.4f}"


@pytest.mark.parametrize("name", ["result.json", "result.pkl", "result.csv"])
def test_scores_in_list_order_meet_the_labels_of_the_list(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write_results(tmp_path / name, scores_of())
    assert tool_main("eval_metric", [str(recipe), str(tmp_path / name)]) == 0
    assert capsys.readouterr().out.splitlines() == [expected(1), expected(5)]


def test_a_dump_brings_its_own_labels(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").unlink()
    names = [f"v{n}.mp4" for n in range(12)]
    dump_predictions(tmp_path / "dump.pkl", scores_of(), LABELS, names)
    command = ["tool", "eval_metric", str(recipe), str(tmp_path / "dump.pkl")]
    command += ["--eval", "mean_class_accuracy", "top_k_accuracy", "--eval-options", "topk=1,2,3"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mean_class_accuracy: ")
    assert lines[1:] == [expected(1), expected(2), expected(3)]


def test_several_labels_are_asked_for_by_the_metric(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path / "result.pkl", scores_of())
    command = [str(recipe), str(tmp_path / "result.pkl"), "--eval", "mean_average_precision"]
    assert tool_main("eval_metric", command) == 0
    truth = torch.nn.functional.one_hot(LABELS, 8)
    value = evaluate(scores_of(), truth, ["mean_average_precision"])["mean_average_precision"]
    assert capsys.readouterr().out == f"mean_average_precision: {value:.4f}\n"


def test_the_published_command_runs_as_a_script(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path / "result.pkl", scores_of())
    options = ["--eval", "top_k_accuracy", "--cfg-options", "schedule.epochs=1"]
    files = [recipe, tmp_path / "result.pkl"]
    assert run_script("analysis/eval_metric.py", *files, *options) == 0
    assert capsys.readouterr().out.splitlines() == [expected(1), expected(5)]


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        (scores_of(11), [], "scores of 11 videos, but .*list.txt has 12 labels"),
        (scores_of(12, 9), [], "scores of 9 classes, but the recipe has 8"),
        (scores_of(), ["--eval", "top_accuracy"], "no metric 'top_accuracy'"),
        (scores_of(), ["--eval-options", "top=1"], "no option 'top'. Did you mean 'topk'"),
        (scores_of(), ["--eval-options", "topk=0"], "expected numbers, as topk=1,5"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path,
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
    scores: torch.Tensor,
    options: list[str],
    words: str,
) -> None:
    write_results(tmp_path / "result.pkl", scores)
    assert tool_main("eval_metric", [str(recipe), str(tmp_path / "result.pkl"), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(words, error), error
