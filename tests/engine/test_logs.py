import json
import math
from pathlib import Path
from typing import Any

import pytest
from torch.utils.tensorboard import SummaryWriter

from praxiscope.engine.logs import read_log
from praxiscope.errors import DataError, RecipeError

V0 = [
    {"env_info": "sys.platform: linux", "seed": 0},
    {"mode": "train", "epoch": 1, "iter": 20, "lr": 0.1, "loss": 5.0, "top1_acc": 0.1, "time": 3.0},
    {"mode": "train", "epoch": 1, "iter": 40, "lr": 0.1, "loss": 4.0, "top1_acc": 0.2, "time": 1.0},
    {"mode": "train", "epoch": 2, "iter": 20, "lr": 0.1, "loss": 3.0, "top1_acc": 0.3, "time": 2.0},
    {"mode": "train", "epoch": 2, "iter": 40, "lr": 0.1, "loss": 2.0, "top1_acc": 0.4, "time": 1.5},
    {"mode": "val", "epoch": 2, "iter": 9, "lr": 0.1, "top1_acc": 0.25, "top5_acc": 0.5},
]
V1 = [
    {"lr": 0.1, "data_time": 0.2, "loss": 5.0, "time": 3.0, "epoch": 1, "iter": 20, "step": 20},
    {"lr": 0.1, "data_time": 0.2, "loss": 4.0, "time": 1.0, "epoch": 1, "iter": 40, "step": 40},
    {"lr": 0.1, "data_time": 0.2, "loss": 3.0, "time": 2.0, "epoch": 2, "iter": 60, "step": 60},
    {"lr": 0.1, "data_time": 0.2, "loss": float("nan"), "time": 1.5, "epoch": 2, "step": 80},
    {"acc/top1": 0.25, "acc/top5": 0.5, "data_time": 0.1, "time": 9.0, "step": 2},
]


def written(path: Path, entries: list[Any]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_a_log_of_the_first_generation_counts_iterations_over_epochs(tmp_path: Path) -> None:
    log = read_log(written(tmp_path / "20200422_153324.log.json", V0))
    assert log.series("loss") == ([20, 40, 60, 80], [5, 4, 3, 2])
    assert log.series("top1_acc") == log.series("train/top1_acc")
    assert log.series("val/top1_acc") == ([80], [0.25])
    assert log.series("top5_acc") == ([80], [0.5])
    assert log.times(with_first=False) == {1: [1.0], 2: [1.5]}
    assert log.times(with_first=True) == {1: [3.0, 1.0], 2: [2.0, 1.5]}


def test_a_log_of_the_second_generation_has_steps_of_the_run(tmp_path: Path) -> None:
    log = read_log(written(tmp_path / "scalars.json", V1))
    steps, losses = log.series("loss")
    assert steps == [20, 40, 60, 80] and losses[:3] == [5, 4, 3] and math.isnan(losses[3])
    assert log.series("acc/top1") == ([80], [0.25])  # after the iterations that came before
    assert log.times(with_first=False) == {1: [1.0], 2: [1.5]}


def test_the_line_that_a_run_is_writing_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.log.json", V0)
    path.write_text(path.read_text() + '{"mode": "train", "ep')
    assert read_log(path).series("loss") == ([20, 40, 60, 80], [5, 4, 3, 2])


HEAD = "epoch,step,train/loss_epoch,train/loss_step,train/lr,val/top1_acc\n"


def our_log(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return folder


def test_our_work_dirs_join_the_logs_of_a_resumed_run(tmp_path: Path) -> None:
    our_log(
        tmp_path / "logs/20260101_1", "0,9,,3.5,0.1,", "0,9,,,,0.5", "0,9,3.0,,,", "1,19,,9,0.1,"
    )
    our_log(tmp_path / "logs/20260101_2", "1,19,,2.5,0.1,", "1,29,,2,0.1,", "1,29,,,,0.75")
    log = read_log(tmp_path)
    assert log.series("loss") == log.series("train/loss_step") == ([10, 20, 30], [3.5, 2.5, 2])
    assert log.series("loss_epoch") == ([10], [3])
    assert log.series("top1_acc") == log.series("val/top1_acc") == ([10, 30], [0.5, 0.75])
    assert [point.epoch for point in log.points if "lr" in point.values] == [1, 2, 2]
    assert log.times(with_first=True) == {}
    alone = read_log(tmp_path / "logs/20260101_1")
    assert alone.points == read_log(tmp_path / "logs/20260101_1/metrics.csv").points
    assert alone.series("loss") == ([10, 20], [3.5, 9])


def test_the_times_of_our_steps_are_those_of_their_events(tmp_path: Path) -> None:
    rows = [f"{step // 40},{step},,2.0,0.1," for step in range(9, 80, 10)]
    folder = our_log(tmp_path / "logs/20260101_1", *rows)
    moment = 1000.0
    with SummaryWriter(str(folder)) as events:
        for step in range(9, 80, 10):
            moment += 5 if step == 49 else 2  # the second epoch starts late
            events.add_scalar("train/lr", 0.1, step, walltime=moment)
    log = read_log(tmp_path)
    times = log.times(with_first=False)
    assert times.keys() == {1, 2}
    assert times[1] == times[2] == pytest.approx([0.2] * 3)
    assert log.times(with_first=True)[2] == pytest.approx([0.5, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "a.log.json",
            '{"mode": "train", "epoch": 1}\nEpoch [1]\n',
            "a.log.json:2 is no JSON object",
        ),
        ("a.json", "[1]\n", "a.json:1 is no JSON object"),
        ("a.json", '{"step": "x", "loss": 1}\n', "a.json:1: 'step' is no whole number"),
        ("a.json", '{"step": 1' + "0" * 400 + "}\n", "a.json:1: 'step' is no whole number"),
        ("a.json", '{"seed": 1}\n', "holds nothing that was logged"),
        ("a.json", "", "holds nothing that was logged"),
        ("a.log", "Epoch [1]", "is no log by its name"),
        ("a.csv", "a,b\n1,2\n", "no columns 'epoch' and 'step'"),
        ("a.csv", HEAD + "0,1,x,,,\n", "a.csv:2 is damaged"),
        ("a.csv", HEAD + "0,1,1,1,1,1,1\n", "a.csv:2 is damaged"),
        ("a.csv", HEAD + "0,1," + "1" * 200_000 + "\n", "a.csv is damaged: field larger"),
    ],
)
def test_what_is_no_log_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_log(tmp_path / name)


def test_a_number_too_large_for_a_float_is_infinite(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"step": 1, "lr": 1, "loss": 1' + "0" * 400 + "}\n")
    assert read_log(path).series("loss") == ([1], [math.inf])


def test_missing_logs_and_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.json does not exist"):
        read_log(tmp_path / "absent.json")
    with pytest.raises(DataError, match="holds nothing that was logged"):
        read_log(tmp_path)
    log = read_log(written(tmp_path / "a.log.json", V0))
    with pytest.raises(RecipeError, match="no key 'top1_ac'. Did you mean 'top1_acc'"):
        log.series("top1_ac")
    with pytest.raises(RecipeError, match="no key 'val/loss'"):
        log.series("val/loss")
