import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from praxiscope.cli import main, tool_main
from praxiscope.engine.detections import as_action_boxes, dump_detections, write_detections
from praxiscope.metrics.ava_csv import read_truth
from praxiscope.types import ScoredFrame
from tests.apps.tools.recipe_file import write_detection_recipe, write_recipe
from tests.apps.tools.scripts import run_script

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests/metrics/data/ava"
FIGURES = json.loads((DATA / "figures.json").read_text())
FILES = ["--ground-truth", str(DATA / "gt.csv"), "--label-map", str(DATA / "label_map.pbtxt")]
EXCLUDED = ["--excluded", str(DATA / "excluded.csv")]
FOUND = str(DATA / "detections.csv")


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    return str(write_detection_recipe(tmp_path / "tiny_ava.py", DATA))


def made_up_frames() -> list[ScoredFrame]:
    """Key frames of the ground truth: its boxes, a bit beside, with probabilities of AVA."""
    truth = read_truth(DATA / "gt.csv")
    random = np.random.default_rng(0)
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(truth.frames):
        rows.setdefault(key, []).append(row)
    frames = []
    for key, own in rows.items():
        video, _, second = key.partition(",")
        boxes = truth.boxes[own] + random.normal(0, 0.01, (len(own), 4))
        scores = random.random((len(own), 81)) ** 2
        scores[np.arange(len(own)), truth.classes[own]] += 0.2
        nobody = np.empty((0, 4), np.float32), np.empty((0, 81), np.float32)
        arrays = (boxes.clip(0, 1).astype(np.float32), scores.clip(0, 1).astype(np.float32))
        frames.append(ScoredFrame(video, float(second), *arrays, *nobody))
    return frames


def test_the_table_holds_every_class_and_the_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.csv"
    assert tool_main("report_map", [FOUND, *FILES, *EXCLUDED, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "mAP@0.5IOU: 0.2660 (reference-1.x)"
    with out.open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert next(iter(rows)) == "action66"  # the best one
    assert len(rows) == 18
    assert (rows["action59"]["AP"], rows["action59"]["detections"]) == ("", "0")
    assert (rows["action36"]["AP"], rows["action36"]["boxes"]) == ("", "0")
    for name, value in FIGURES["v1"]["AP"].items():
        if value is not None:
            assert float(rows[name]["AP"]) == pytest.approx(value, abs=1e-6)
            assert f"{value:.4f}" in printed


def test_json_and_a_plot_under_another_protocol(tmp_path: Path) -> None:
    out, plot = tmp_path / "table.json", tmp_path / "bars.png"
    command = ["tool", "report_map", FOUND, *FILES, *EXCLUDED, "--protocol", "reference-0.x"]
    assert main([*command, "--out", str(out), "--plot", str(plot)]) == 0
    table = json.loads(out.read_text())
    assert table["mAP@0.5IOU"] == pytest.approx(FIGURES["v0"]["mAP"], abs=1e-6)
    precisions = {row["name"]: row["AP"] for row in table["classes"]}
    assert precisions == pytest.approx(FIGURES["v0"]["AP"], abs=1e-6)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_the_script_names_the_line_of_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("clip,0902,0.1,0.2,0.3,x,1,0.5\n")
    assert run_script("analysis/report_map.py", wrong, *FILES) == 2
    error = capsys.readouterr().err
    assert "wrong.csv, line 1, column 6 (y2): expected a number" in error
    assert "Traceback" not in error


def test_eval_metric_prints_the_map_of_detections(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["any_config", FOUND, "--eval", "mAP", *FILES, *EXCLUDED]
    assert tool_main("eval_metric", command) == 0
    assert capsys.readouterr().out == "mAP@0.5IOU: 0.2660\n"
    assert tool_main("eval_metric", [*command, "--protocol", "reference-0.x"]) == 0
    assert capsys.readouterr().out == "mAP@0.5IOU: 0.2761\n"


def test_the_recipe_of_the_test_names_the_files(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, line in (
        (["eval_metric", recipe, FOUND, "--eval", "mAP"], "mAP@0.5IOU: 0.2660"),
        (["eval_metric", recipe, FOUND], "mAP@0.5IOU: 0.2660"),
        (["eval_metric", recipe, FOUND, "--protocol", "reference-0.x"], "mAP@0.5IOU: 0.2761"),
        (
            ["eval_metric", recipe, FOUND, "--cfg-options", "protocol=reference-0.x"],
            "mAP@0.5IOU: 0.2761",
        ),
        (["report_map", FOUND, "--config", recipe], "mAP@0.5IOU: 0.2660 (reference-1.x)"),
        (
            ["report_map", FOUND, "--config", recipe, "--cfg-options", "val.excluded=None"],
            "mAP@0.5IOU: 0.2988 (reference-1.x)",
        ),
    ):
        assert tool_main(command[0], command[1:]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == line


def test_options_come_before_the_recipe(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.pbtxt").write_text('item { name: "action66" id: 66 }')
    command = [recipe, FOUND, "--label-map", str(tmp_path / "one.pbtxt")]
    assert tool_main("eval_metric", command) == 0
    assert capsys.readouterr().out != "mAP@0.5IOU: 0.2660\n"
    assert tool_main("report_map", [FOUND, "--config", *command[:1], *command[2:]]) == 0
    assert capsys.readouterr().out.count("action") == 1


def test_a_dump_has_the_map_of_the_csv_file(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = made_up_frames()
    write_detections(tmp_path / "result.csv", as_action_boxes(frames, 0.002))
    dump_detections(tmp_path / "result.pkl", frames)
    printed = set()
    for name in ("result.csv", "result.pkl"):
        found = str(tmp_path / name)
        assert tool_main("eval_metric", [recipe, found]) == 0
        assert tool_main("eval_metric", ["no_recipe", found, *FILES, *EXCLUDED]) == 0
        assert tool_main("report_map", [found, *FILES, *EXCLUDED]) == 0
        printed |= set(re.findall(r"mAP@0.5IOU: (\S+)", capsys.readouterr().out))
    assert len(printed) == 1
    assert 0.02 < float(printed.pop()) < 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["eval_metric", "any_config", FOUND, "--eval", "mAP"], "there is no recipe 'any_config'"),
        (["eval_metric", "any", FOUND, "--eval", "mAP", "top_k_accuracy", *FILES], "no other metr"),
        (["eval_metric", "RECOGNITION", FOUND, "--eval", "mAP"], "recipe of recognition, and mAP"),
        (["report_map", FOUND, *FILES[:2]], "mAP needs --ground-truth, a csv file, and --label-ma"),
        (["report_map", FOUND, "--config", "RECOGNITION"], "is a recipe of recognition"),
        (["report_map", "none.pkl", *FILES], "none.pkl cannot be read: No such file"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recognition = str(write_recipe(tmp_path / "recognition.py", [0, 1]))
    name, *rest = [recognition if x == "RECOGNITION" else x for x in options]
    assert tool_main(name, rest) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
