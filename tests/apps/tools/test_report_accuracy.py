import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from praxiscope.cli import tool_main
from praxiscope.engine.results import dump_predictions, write_results
from tests.apps.tools.scripts import run_script

RGB = torch.randn(40, 9, generator=torch.Generator().manual_seed(1))
FLOW = torch.randn(40, 9, generator=torch.Generator().manual_seed(2)) * 3
LABELS = torch.arange(40) % 9
NAMES = [f"clips/v{n}.mp4" for n in range(40)]


def lines(scores: torch.Tensor) -> list[str]:
    """What is printed for these scores, by torchmetrics."""
    mean = multiclass_accuracy(scores, LABELS, 9, average="macro")
    top = [multiclass_accuracy(scores, LABELS, 9, top_k=k, average="micro") for k in (1, 5)]
    titles = ("Mean Class Accuracy", "Top 1 Accuracy", "Top 5 Accuracy")
    return [f"{t}: {float(v):.4f}" for t, v in zip(titles, [mean, *top], strict=True)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Both published layouts of two streams, and their list."""
    write_results(tmp_path / "rgb.pkl", RGB)
    write_results(tmp_path / "flow.json", FLOW)
    write_results(tmp_path / "flow.csv", FLOW)
    dump_predictions(tmp_path / "rgb_dump.pkl", RGB, LABELS, NAMES)
    folders = [f"flow_frames/v{n}" for n in range(40)]
    dump_predictions(tmp_path / "flow_dump.pkl", FLOW, LABELS, folders)
    text = [f"{name} {label}\n" for name, label in zip(NAMES, LABELS.tolist(), strict=True)]
    (tmp_path / "list.txt").write_text("".join(text))
    frames = [f"v{n} {n + 9} {label}\n" for n, label in enumerate(LABELS.tolist())]
    (tmp_path / "frames.txt").write_text("".join(frames))
    return tmp_path


def command(folder: Path, text: str) -> list[str]:
    """Put files of the folder where a word of the command names one."""
    return [str(folder / w) if re.search(r"\.(pkl|json|csv|txt)$", w) else w for w in text.split()]


@pytest.mark.parametrize(
    ("text", "fuse"),
    [
        ("--scores rgb.pkl flow.json --datalist list.txt", lambda: RGB + FLOW),
        ("--scores rgb.pkl flow.csv --datalist frames.txt", lambda: RGB + FLOW),
        ("--scores rgb.pkl --datalist list.txt", lambda: RGB),
        (
            "--scores rgb.pkl flow.json rgb.pkl --coefficients 1 0.5 -2 --datalist list.txt",
            lambda: RGB + 0.5 * FLOW - 2 * RGB,
        ),
        (
            "--scores rgb.pkl flow.json --coefficients 1 2 --datalist list.txt --apply-softmax",
            lambda: RGB.softmax(1) + 2 * FLOW.softmax(1),
        ),
        ("--preds rgb_dump.pkl flow_dump.pkl --coefficients 1 1", lambda: RGB + FLOW),
        ("--preds rgb_dump.pkl flow.csv", lambda: RGB + FLOW),
        ("--preds rgb_dump.pkl flow_dump.pkl --datalist list.txt", lambda: RGB + FLOW),
    ],
)
def test_streams_of_both_layouts_are_fused(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    fuse: Callable[[], torch.Tensor],
) -> None:
    assert tool_main("report_accuracy", command(files, text)) == 0
    assert capsys.readouterr().out.splitlines() == lines(fuse())


def test_the_published_command_runs_as_a_script(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "--scores rgb.pkl flow.json --coefficients 1 1 --datalist list.txt --apply-softmax"
    assert run_script("analysis/report_accuracy.py", *command(files, text)) == 0
    assert capsys.readouterr().out.splitlines() == lines(RGB.softmax(1) + FLOW.softmax(1))


def test_fused_scores_can_be_written_and_used_again(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "--scores rgb.pkl flow.json --datalist list.txt --out both.pkl"
    assert tool_main("report_accuracy", command(files, text)) == 0
    assert (
        tool_main("report_accuracy", command(files, "--scores both.pkl --datalist list.txt")) == 0
    )
    assert capsys.readouterr().out.splitlines() == lines(RGB + FLOW) * 2
    both = pickle.loads((files / "both.pkl").read_bytes())
    assert np.stack(both) == pytest.approx((RGB + FLOW).numpy(), abs=1e-6)


def test_several_labels_give_average_precisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]])
    truth = torch.tensor([[1, 0, 1], [0, 1, 1]])
    dump_predictions(tmp_path / "one.pkl", scores, truth, ["a.mp4", "b.mp4"])
    assert (
        tool_main("report_accuracy", ["--preds", str(tmp_path / "one.pkl"), "--multi-label"]) == 0
    )
    # By video: (1 + 2/3) / 2 and (1 + 1) / 2. By class: 1, 1/2, 1.
    expected = ["MMit Average Precision: 0.9167", "Mean Average Precision: 0.8333"]
    assert capsys.readouterr().out.splitlines() == expected
    write_results(tmp_path / "result.pkl", scores)
    (tmp_path / "list.txt").write_text("a.mp4 0 2\nb.mp4 1 2\n")
    text = "--scores result.pkl --datalist list.txt --multi-label"
    assert tool_main("report_accuracy", command(tmp_path, text)) == 0
    assert capsys.readouterr().out.splitlines() == expected


def swapped(items: list[str]) -> list[str]:
    return [items[1], items[0], *items[2:]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--scores rgb.pkl short.pkl --datalist list.txt",
         "rgb.pkl and .*short.pkl cannot be fused: they have scores of 40 and 39 videos"),
        ("--scores rgb.pkl narrow.pkl --datalist list.txt",
         "rgb.pkl and .*narrow.pkl cannot be fused: they have scores of 9 and 8 classes"),
        ("--scores short.pkl --datalist list.txt",
         "short.pkl has scores of 39 videos, but .*list.txt has 40 labels"),
        ("--scores rgb.pkl flow.json --coefficients 1 --datalist list.txt",
         "--coefficients has 1 numbers for 2 score files .*rgb.pkl, .*flow.json"),
        ("--scores rgb.pkl --coefficients nan --datalist list.txt", "expected finite numbers"),
        ("--scores rgb.pkl flow.json --coefficients 0 0 --datalist list.txt", "not all of them 0"),
        ("--scores rgb.pkl nan.json --datalist list.txt", "nan.json: .* 1 of 40 videos hold NaN"),
        ("--scores rgb.pkl flow.json", "rgb.pkl, .*flow.json hold no labels: .*--datalist"),
        ("--preds rgb_dump.pkl swapped.pkl",
         "rgb_dump.pkl and .*swapped.pkl .* the same videos in another order; video 0 is 'v0' in "
         "the first and 'v1'"),
        ("--preds rgb_dump.pkl other.pkl", "different videos; video 0 is 'v0' .* and 'x'"),
        ("--preds rgb_dump.pkl unnamed.pkl",
         "rgb_dump.pkl and .*unnamed.pkl do not belong together: video 0 has label 0 in the first "
         "and 1"),
        ("--preds swapped.pkl --datalist list.txt", "list.txt and .*swapped.pkl .* video 0"),
        ("--scores absent.pkl --datalist list.txt", "absent.pkl does not exist"),
        ("--scores rgb.pkl --datalist absent.txt", "no list of videos .*absent.txt"),
        ("--scores rgb.pkl --datalist high.txt", "has label 9, but there are scores of 9 classes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_one_sentence_that_names_the_files(
    files: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    write_results(files / "short.pkl", RGB[1:])
    write_results(files / "narrow.pkl", RGB[:, 1:])
    broken = RGB.clone()
    broken[3, 2] = float("nan")
    (files / "nan.json").write_text(json.dumps(broken.tolist()))
    labels = LABELS[[1, 0, *range(2, 40)]]
    dump_predictions(files / "swapped.pkl", RGB, labels, swapped(NAMES))
    dump_predictions(files / "other.pkl", RGB, LABELS, ["x.mp4", *NAMES[1:]])
    published = [
        {"pred_score": score, "gt_label": label.reshape(1).clone()}
        for score, label in zip(RGB, labels, strict=True)
    ]
    (files / "unnamed.pkl").write_bytes(pickle.dumps(published))
    (files / "high.txt").write_text("v.mp4 9\n" * 40)
    assert tool_main("report_accuracy", command(files, text)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(words, error), error
