"""The published test command of detection, and the tools that read what it wrote."""

import re
from pathlib import Path

import pytest
import torch

from praxiscope.cli import test_main as run_tests
from praxiscope.cli import tool_main
from praxiscope.data.synthetic_ava import ActorVideos, write_ava_dataset
from praxiscope.engine.detections import read_detections
from praxiscope.metrics.ava import evaluate_files
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.zoo.weights import save_weights

RECIPE = """
from pathlib import Path
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Loader, Sgd


def recipe() -> DetectionRecipe:
    actors = AvaDatasetFiles(Path({root!r}), ActorVideos(seconds=4))
    return DetectionRecipe(
        model=ActorDetector(
            network=SlowOnly(depth=14, width=8, num_classes=actors.list("val").num_classes)
        ),
        clip=Clip(frames=4, stride=2),
        train=actors.list("train"),
        val=actors.list("val"),
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        optim=Sgd(lr=0.1, batch=4),
        schedule=Cosine(epochs=1),
        loader=Loader(videos_per_device=2, workers=0),
    )
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("actors")
    write_ava_dataset(root / "data", train_videos=1, val_videos=2, videos=ActorVideos(seconds=4))
    path = root / "tiny_actors.py"
    path.write_text(RECIPE.format(root=str(root / "data")))
    torch.manual_seed(0)
    save_weights(load_recipe(path, kind=DetectionRecipe).model.build(), root / "weights.pth")
    return path


def test_the_map_that_a_test_prints_is_that_of_the_files_it_writes(
    recipe: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(recipe), str(recipe.with_name("weights.pth")), "--eval", "mAP"]
    assert run_tests([*command, "--out", "result.csv", "--dump", "result.pkl"]) == 0
    printed = capsys.readouterr().out
    found = re.search(r"mAP@0\.5IOU\D+(0\.\d{4})", printed)
    assert found, printed
    assert "detections" in printed  # the table of classes
    val = load_recipe(recipe, kind=DetectionRecipe).val
    assert val.label_map and val.excluded
    files = workdir / "result.csv", val.annotations, val.label_map, val.excluded
    assert f"{evaluate_files(*files)['mAP@0.5IOU']:.4f}" == found[1]
    for name in ("result.csv", "result.pkl"):
        assert len(read_detections(name)) > 50
        assert tool_main("eval_metric", [str(recipe), name, "--eval", "mAP"]) == 0
        assert capsys.readouterr().out == f"mAP@0.5IOU: {found[1]}\n"
        assert tool_main("report_map", [name, "--config", str(recipe)]) == 0
        assert f"mAP@0.5IOU: {found[1]} (reference-1.x)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "result.pkl"], "result.pkl: results are written as .csv, not '.pkl'"),
        (["--out", "result.json"], "result.json: results are written as .csv, not '.json'"),
        (["--dump", "result.csv"], "result.csv: results are written as .pkl, not '.csv'"),
        (["--eval", "top_k_accuracy"], "detection has mAP alone, not top_k_accuracy"),
        (["--average-clips", "prob"], "--average-clips is for recognition"),
    ],
)
def test_options_that_a_detection_does_not_have_are_named_before_the_test(
    recipe: Path, workdir: Path, options: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run_tests([str(recipe), str(recipe.with_name("weights.pth")), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(workdir.iterdir())


@pytest.mark.parametrize("read", ["annotations", "proposals"])
def test_results_never_replace_what_the_test_reads(
    recipe: Path, capsys: pytest.CaptureFixture[str], read: str
) -> None:
    file = getattr(load_recipe(recipe, kind=DetectionRecipe).val, read)
    assert file is not None
    before = file.read_bytes()
    option = "--out" if file.suffix == ".csv" else "--dump"
    assert run_tests([str(recipe), str(recipe.with_name("weights.pth")), option, str(file)]) == 2
    assert "it is read by the test; name another place" in capsys.readouterr().err
    assert file.read_bytes() == before
