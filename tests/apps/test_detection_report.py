import base64
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from praxiscope.apps.charts import Curve, shares_table
from praxiscope.apps.detection_report import DetectorResult, write_detection_report
from praxiscope.apps.key_frames import key_frame_cards
from praxiscope.data.ava_lists import AvaList, KeyFrame, read_key_frames
from praxiscope.data.synthetic_actors import LABELS
from praxiscope.data.synthetic_ava import ActorVideos, write_ava_dataset
from praxiscope.errors import DataError
from praxiscope.types import ScoredFrame
from tests.apps.test_report import HOSTILE, Page


@pytest.fixture(scope="module")
def ava(tmp_path_factory: pytest.TempPathFactory) -> AvaList:
    videos = ActorVideos(seconds=6, height=32, width=96, actors=2, excluded=0)
    root = tmp_path_factory.mktemp("ava")
    return write_ava_dataset(root, train_videos=1, val_videos=2, videos=videos).list("val")


def as_told(moment: KeyFrame, probability: float) -> ScoredFrame:
    """Return a detector that finds the true boxes, and gives every true label a probability."""
    truth = moment.targets(len(LABELS) + 1)
    return ScoredFrame(
        moment.video, moment.timestamp, moment.boxes, truth * probability, moment.boxes, truth
    )


def test_a_table_of_shares_names_rows_and_columns_and_fills_cells() -> None:
    rows = {"first": [0.25, float("nan")], HOSTILE: [1.0, 0.125]}
    page = Page(shares_table("What it is.", "label", ["a", "b"], rows, [(HOSTILE, "b")]))
    assert page.texts == ["What it is.", "label", "a", "b", "first", "25.0", HOSTILE, "100.0",
                          "12.5"]  # fmt: skip
    cells = page.all("td")
    assert [cell.get("style") for cell in cells] == [
        "--share:0.250",
        None,
        "--share:1.000",
        "--share:0.125",
    ]
    assert [cell.get("class") for cell in cells] == ["share", None, "share", "share marked"]


def test_key_frames_show_true_boxes_and_the_labels_of_detectors(ava: AvaList) -> None:
    moments = read_key_frames(ava)
    sure = [as_told(moment, 0.75) for moment in moments]
    unsure = [as_told(moment, 0.25) for moment in moments]
    wrong = [replace(frame, scores=1 - frame.scores) for frame in sure]
    nowhere = [replace(frame, boxes=frame.boxes[:0], scores=frame.scores[:0]) for frame in sure]
    scored = {"sure": sure, "unsure": unsure, "wrong": wrong, HOSTILE: nowhere}
    html = key_frame_cards(ava, scored, count=2)
    page = Page(html)
    assert HOSTILE in page.texts and len(page.all("script")) == 0
    images = page.all("img")
    assert len(images) == 2
    most = max(len(moment.boxes) for moment in moments)
    first = next(moment for moment in moments if len(moment.boxes) == most)
    assert (
        images[0]["alt"] == f"Key frame of {first.video}, {first.timestamp:g} seconds, with boxes"
    )
    data = base64.b64decode(str(images[0]["src"]).partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (32 * 8, 96 * 8, 3)
    x1, _, x2, y2 = (first.boxes[0] * (768, 256, 768, 256)).round().astype(int)
    assert picture[y2, x1 + 4 : x2 - 4].min() > 200  # the lower edge of the first box
    cells = re.findall(r"<td>(.*?)</td>", html)[:5]
    true = [LABELS[column - 1] for column in first.labels[0]]
    assert cells[0] == ", ".join(true)
    assert cells[1] == ", ".join(f"{label} 75%" for label in true)
    assert cells[2] == "nothing"
    assert cells[3].count("<del>") == len(LABELS) - len(true)
    assert cells[4] == "not proposed"


def test_the_page_has_every_detector_beside_the_prior(ava: AvaList, tmp_path: Path) -> None:
    frames = [as_told(moment, 0.9) for moment in read_key_frames(ava)]
    ap = dict.fromkeys(LABELS, 0.5)
    prior = DetectorResult(name="prior", mean_precision=0.125, per_class=ap, frames=frames)
    curve = Curve("best: train loss", [1, 2], [0.5, 0.25])
    best = DetectorResult(
        name="best",
        mean_precision=0.75,
        per_class={**ap, "left": 1.0, "up": float("nan")},
        frames=frames,
        curves=[curve],
        meant_for="motion",
    )
    groups = {"motion": ("left", "up"), "brief": ("flash",)}
    assert best.by_group(groups) == {"motion": 1.0, "brief": 0.5}
    path = tmp_path / "report.html"
    write_detection_report(
        path, prior, [best], groups=groups, ava=ava, settings={"seed": "0"}, notes="What this is."
    )
    page = Page(path.read_text())
    assert "What this is." in page.texts
    assert {
        "mAP, prior",
        "12.5%",
        "mAP, best",
        "75.0%",
        "all labels (mAP)",
        "left (motion)",
    } <= set(page.texts)
    assert [cell["style"] for cell in page.all("td") if cell.get("class") == "share marked"] == [
        "--share:1.000"
    ]
    assert len(page.all("svg")) >= 1


def test_a_video_that_is_gone_is_an_error_that_names_it(ava: AvaList, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val_0000\d"):
        key_frame_cards(replace(ava, root=tmp_path), {})
