import hashlib
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from praxiscope.apps.persons import PersonProvider, find_provider
from praxiscope.apps.persons import faster_rcnn as module
from praxiscope.apps.persons.hog import Hog
from praxiscope.apps.persons.provider import persons_above, without_overlaps
from praxiscope.errors import PraxiscopeError, RecipeError


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvison", "'torchvison' finds persons. Did you mean 'torchvision'?"),
        ("model.pth", "FILE.onnx, or a proposals file (.pkl, .csv, .npz)"),
        ("", "nothing called ''"),
    ],
)
def test_an_unknown_name_is_answered_with_those_there_are(name: str, message: str) -> None:
    with pytest.raises(PraxiscopeError) as raised:
        find_provider(name)
    assert message in str(raised.value)


def test_weights_are_for_torchvision_alone(tmp_path: Path) -> None:
    with pytest.raises(PraxiscopeError, match="are for torchvision's, not for 'hog'"):
        find_provider("hog", weights=tmp_path / "a.pth")


@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan")])
def test_minimal_scores_are_from_0_to_1(score: float) -> None:
    with pytest.raises(RecipeError, match="the minimal score of a person must be a number"):
        find_provider("hog", min_score=score)


def test_without_torchvision_the_people_detector_of_opencv_is_taken_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with caplog.at_level(logging.WARNING):
        provider: PersonProvider = find_provider("auto")
    assert isinstance(provider, Hog)
    (record,) = caplog.records
    assert "OpenCV's HOG people detector, the last resort" in record.getMessage()
    assert "pip install 'praxiscope[persons]'" in record.getMessage()


def test_without_its_weights_torchvision_is_not_taken_and_nothing_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "import_torchvision", lambda: None)
    monkeypatch.setattr(module, "fetch_checkpoint", lambda url: pytest.fail(url))
    with caplog.at_level(logging.WARNING):
        assert isinstance(find_provider(), Hog)
    assert "its weights are not on this machine" in caplog.text


@pytest.mark.parametrize("folder", ["own", "torch/hub/checkpoints"])
def test_cached_weights_are_taken_if_they_are_whole(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    kind = module._Kind("builder", f"https://example.org/net-{digest}.pth", "mark")
    monkeypatch.setattr(module, "_KINDS", (kind,))
    monkeypatch.setattr(module, "import_torchvision", lambda: None)
    loaded = SimpleNamespace(name="loaded")
    monkeypatch.setattr(module, "load_faster_rcnn", lambda *_, **__: loaded)
    file = tmp_path / folder / f"net-{digest}.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weigh")
    assert isinstance(find_provider("auto"), Hog)
    file.write_bytes(b"weights")
    assert module.cached_weights() == file
    assert find_provider("auto") is loaded


def test_the_package_loads_no_detector_until_one_is_asked_for() -> None:
    code = "import praxiscope.apps.persons, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.split(".")[0] for name in found.stdout.split()}
    assert names & {"cv2", "onnxruntime", "scipy", "torchvision", "transformers"} == set()


def test_persons_are_sorted_and_numbers_that_are_none_left_out() -> None:
    boxes = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, np.nan, 1], [0, 0, 1, 1]])
    persons = persons_above(0.5, boxes, [0.5, 0.75, 1, 0.25])
    assert persons.boxes.tolist() == [[0.5, 0, 1, 1], [0, 0, 0.5, 1]]
    assert persons.scores.tolist() == [0.75, 0.5]
    assert len(persons_above(0, [], [])) == 0


def test_the_weaker_of_two_boxes_over_each_other_goes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [5, 0, 15, 10]])
    scores = np.array([0.6, 0.9, 0.3, 0.5])
    assert without_overlaps(boxes.astype(float), scores, 0.5).tolist() == [1, 3, 2]
    assert without_overlaps(boxes[:0].astype(float), scores[:0], 0.5).tolist() == []
