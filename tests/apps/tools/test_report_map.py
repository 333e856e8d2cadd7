import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from praxiscope.cli import main, tool_main

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests/metrics/data/ava"
FIGURES = json.loads((DATA / "figures.json").read_text())
FILES = ["--ground-truth", str(DATA / "gt.csv"), "--label-map", str(DATA / "label_map.pbtxt")]
EXCLUDED = ["--excluded", str(DATA / "excluded.csv")]
FOUND = str(DATA / "detections.csv")


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


def test_the_script_names_the_line_of_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("clip,0902,0.1,0.2,0.3,x,1,0.5\n")
    script = ROOT / "tools/analysis/report_map.py"
    done = subprocess.run(
        [sys.executable, script, wrong, *FILES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "wrong.csv, line 1, column 6 (y2): expected a number" in done.stderr
    assert "Traceback" not in done.stderr


def test_eval_metric_prints_the_map_of_detections(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["any_config", FOUND, "--eval", "mAP", *FILES, *EXCLUDED]
    assert tool_main("eval_metric", command) == 0
    assert capsys.readouterr().out == "mAP@0.5IOU: 0.2660\n"
    assert tool_main("eval_metric", [*command, "--protocol", "reference-0.x"]) == 0
    assert capsys.readouterr().out == "mAP@0.5IOU: 0.2761\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eval", "mAP"], "--eval mAP needs --ground-truth"),
        (["--eval", "mAP", "top_k_accuracy", *FILES], "goes with no other metric"),
    ],
)
def test_eval_metric_says_what_map_needs(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_main("eval_metric", ["any_config", FOUND, *options]) == 2
    assert message in capsys.readouterr().err
