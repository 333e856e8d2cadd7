import csv
import json
import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from praxiscope.apps.plots import new_figure
from praxiscope.apps.tools.confusion_matrix import draw
from praxiscope.cli import main, tool_main
from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.results import dump_predictions
from praxiscope.recipe import load_recipe
from praxiscope.zoo.weights import save_weights
from tests.apps.tools.recipe_file import write_motion_recipe, write_recipe
from tests.apps.tools.scripts import run_script

LABELS = [0, 0, 0, 1, 1, 2, 5]
TAKEN_FOR = [0, 1, 1, 1, 0, 2, 7]
NAMES = ["left", "right", "up", "down", "in", "out [x]", "turn $_$", "none"]
COUNTS = np.zeros((8, 8), dtype=int)
for true, other in zip(LABELS, TAKEN_FOR, strict=True):
    COUNTS[true, other] += 1


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    scores = torch.nn.functional.one_hot(torch.tensor(TAKEN_FOR), 8).float()
    names = [f"v{n}.mp4" for n in range(7)]
    dump_predictions(tmp_path / "dump.pkl", scores, torch.tensor(LABELS), names)
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    recipe = write_recipe(tmp_path / "recipe.py", LABELS)
    return [str(recipe), str(tmp_path / "dump.pkl"), "--label-file", str(tmp_path / "names.txt")]


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".json", ".pkl"])
def test_the_counts_are_written_as_a_table(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"table{suffix}"
    assert tool_main("confusion_matrix", [*command, "--out", str(path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"left\W+right\W+2 of 3", printed) and re.search(r"out \[x\]\W+none", printed)
    if suffix == ".csv":
        rows = list(csv.reader(path.read_text().splitlines()))
        assert rows[0] == ["true class", *NAMES]
        assert [row[0] for row in rows[1:]] == NAMES
        assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == COUNTS.tolist()
    elif suffix == ".npz":
        content = np.load(path)
        assert content["classes"].tolist() == NAMES
        assert np.array_equal(content["counts"], COUNTS)
    elif suffix == ".json":
        expected = {"classes": NAMES, "counts": COUNTS.tolist()}
        assert json.loads(path.read_text()) == expected
    else:
        assert np.array_equal(pickle.loads(path.read_bytes()), COUNTS)


@pytest.mark.parametrize(
    ("suffix", "head"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_suffix_says_what_the_plot_is(
    tmp_path: Path, command: list[str], suffix: str, head: bytes
) -> None:
    path = tmp_path / f"plot{suffix}"
    assert tool_main("confusion_matrix", [*command, "--show-path", str(path)]) == 0
    assert path.read_bytes().startswith(head)


def test_chosen_classes_and_a_folder_for_the_plot(tmp_path: Path, command: list[str]) -> None:
    options = ["--target-classes", "1", "0", "--show-dir", str(tmp_path / "plots")]
    options += ["--out", str(tmp_path / "two.npz"), "--include-values", "--cmap", "magma"]
    assert tool_main("confusion_matrix", [*command, *options]) == 0
    content = np.load(tmp_path / "two.npz")
    assert content["counts"].tolist() == [[1, 1], [2, 1]]
    assert content["classes"].tolist() == ["right", "left"]
    assert (tmp_path / "plots/confusion_matrix.png").stat().st_size > 1000


def test_the_published_command_runs_as_a_script(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "plot.png"
    options = ["--show-path", plot, "--include-values"]
    assert run_script("analysis/confusion_matrix.py", *command, *options) == 0
    assert f"plot: {plot}" in capsys.readouterr().out and plot.exists()


def test_a_checkpoint_is_tested_and_gives_what_its_dump_gives(
    tmp_path: Path, motions: MotionDataset
) -> None:
    recipe = write_motion_recipe(tmp_path / "recipe.py", motions)
    torch.manual_seed(0)
    save_weights(load_recipe(recipe).model.build(), tmp_path / "weights.pth")
    files = [str(recipe), str(tmp_path / "weights.pth")]
    assert main(["test", *files, "--dump", str(tmp_path / "dump.pkl")]) == 0
    assert tool_main("confusion_matrix", [*files, "--out", str(tmp_path / "now.json")]) == 0
    files = [str(recipe), str(tmp_path / "dump.pkl")]
    assert tool_main("confusion_matrix", [*files, "--out", str(tmp_path / "dump.json")]) == 0
    now = json.loads((tmp_path / "now.json").read_text())
    assert now == json.loads((tmp_path / "dump.json").read_text())
    assert now["classes"] == motions.label_map.read_text().split()
    assert np.sum(now["counts"]) == len(motions.list_file("test").read_text().splitlines())


@pytest.mark.parametrize("number", [2, 8, 60, 101, 400, 700])
def test_no_two_labels_of_the_plot_lie_on_each_other(number: int) -> None:
    names = [f"taking part in action number {n}" for n in range(number)]
    figure = new_figure(12, 12)
    drawn = draw(figure, np.eye(number, dtype=np.int64), names, values=True, colours="viridis")
    assert drawn == (number <= 101)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    for labels, low, high in (
        (axes.get_xticklabels(), "x0", "x1"),
        (axes.get_yticklabels(), "y0", "y1"),
    ):
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in labels]
        assert len(boxes) >= min(number, 50)
        boxes.sort(key=lambda box: getattr(box, low))
        for one, other in pairwise(boxes):
            assert getattr(one, high) <= getattr(other, low)
        assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)  # within the picture
    assert all(label.get_fontsize() >= 5 for label in axes.get_xticklabels())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cmap", "virids"], "no colour map 'virids'. Did you mean 'viridis'"),
        (["--show-path", "plot.bmp"], "results are written as .png, .pdf, .svg, not '.bmp'"),
        (["--out", "table.txt"], "results are written as .csv"),
        (["--target-classes", "0", "8"], "no class 8 of 0 .. 7"),
        (["--target-classes", "1"], "at least two classes"),
        (["--label-file", "absent.txt"], "no list of classes absent.txt"),
        (["--show"], "no display here"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert tool_main("confusion_matrix", [*command, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
