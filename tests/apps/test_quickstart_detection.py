import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from praxiscope.apps.quickstart_detection import (
    RECIPE,
    DetectionQuickstart,
    DetectionSize,
    quickstart_detection,
)
from praxiscope.apps.quickstart_networks import NETWORKS
from praxiscope.cli import main
from praxiscope.data.ava_files import read_annotations
from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.synthetic_actors import GROUPS, LABELS
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles
from praxiscope.engine.checkpoints import StoppedError
from praxiscope.errors import PraxiscopeError
from praxiscope.label_map import read_label_map
from praxiscope.metrics.ava import evaluate_files
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.zoo.weights import load_checkpoint

TINY = DetectionSize(
    train_videos=3,
    val_videos=3,
    videos=ActorVideos(seconds=4, height=32, width=96, actors=2),
    overrides=(
        "clip.frames=4",
        "train_transform.short_side=(32,32)",
        "test_transform.short_side=(32,32)",
        "loader.videos_per_device=4",
        "loader.workers=0",
        "optim.batch=4",
        "schedule.epochs=1",
        "schedule.warmup_epochs=0",
    ),
)
FOLDERS = ("plain", "context", "temporal_max", "acrn")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectionQuickstart, Path, str]:
    out = tmp_path_factory.mktemp("quickstart") / "new" / "folder"
    said = io.StringIO()
    result = quickstart_detection(out, size=TINY, console=Console(file=said))
    return result, out, said.getvalue()


def test_the_figures_are_those_of_the_detections(
    tiny: tuple[DetectionQuickstart, Path, str],
) -> None:
    result, out, _ = tiny
    figures = json.loads((out / "quickstart_detection.json").read_text())
    assert figures["mean_precision"] == result.mean_precision
    assert list(result.mean_precision) == ["class prior", *(n.name for n in NETWORKS)]
    data = AvaDatasetFiles(out / "data", TINY.videos)
    assert result.test_key_frames == len(read_key_frames(data.list("val")))
    for network, folder in zip(NETWORKS, FOLDERS, strict=True):
        found = evaluate_files(
            out / folder / "detections.csv",
            data.annotations("val"),
            data.label_map,
            data.excluded("val"),
            protocol="activitynet",
        )
        assert result.mean_precision[network.name] == pytest.approx(found["mAP@0.5IOU"])
        for group, labels in GROUPS.items():
            values = [found["AP"][label] for label in labels]
            told = result.by_group[group][network.name]
            assert told == pytest.approx(np.nanmean(values))


def test_the_prior_scores_every_proposal_with_the_shares_of_the_training_labels(
    tiny: tuple[DetectionQuickstart, Path, str], tmp_path: Path
) -> None:
    result, out, _ = tiny
    data = AvaDatasetFiles(out / "data", TINY.videos)
    train, val = (read_key_frames(data.list(split)) for split in ("train", "val"))
    persons = [labels for moment in train for labels in moment.labels]
    rows = [
        (moment.video, f"{moment.timestamp:04g}", *box, label, share)
        for moment in val
        for box in moment.proposals.tolist()
        for label in range(1, len(LABELS) + 1)
        if (share := sum(label in labels for labels in persons) / len(persons))
    ]
    with (tmp_path / "prior.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    files = data.annotations("val"), data.label_map, data.excluded("val")
    found = evaluate_files(tmp_path / "prior.csv", *files, protocol="activitynet")
    assert result.mean_precision["class prior"] == pytest.approx(found["mAP@0.5IOU"], abs=1e-6)


def test_the_networks_differ_in_what_they_are_named_after_and_start_alike(
    tiny: tuple[DetectionQuickstart, Path, str],
) -> None:
    result, _, _ = tiny
    recipes = {
        n.name: load_recipe(RECIPE, (*n.overrides, *TINY.overrides), kind=DetectionRecipe)
        for n in NETWORKS
    }
    plain = recipes["plain"]
    for name, changes in {
        "context": {"context": True},
        "temporal max": {"temporal_pool": "max"},
        "ACRN": {"acrn": True},
    }.items():
        assert recipes[name] == replace(plain, model=replace(plain.model, **changes))
        model = recipes[name].model.build()
        load_checkpoint(model, result.checkpoints[name])
    groups = [n.meant_for for n in NETWORKS]
    assert groups == [None, "scene", "brief", "relation"]


def test_the_recipe_is_of_the_generated_files(
    tiny: tuple[DetectionQuickstart, Path, str],
) -> None:
    _, out, _ = tiny
    recipe = load_recipe(RECIPE, kind=DetectionRecipe)
    assert recipe.model.num_classes == recipe.train.num_classes == len(LABELS) + 1
    assert (recipe.train.first_timestamp, recipe.train.fps) == (4.5, 12)
    data = AvaDatasetFiles(out / "data", TINY.videos)
    assert read_label_map(data.label_map) == dict(enumerate(LABELS, start=1))
    assert {row.video for row in read_annotations(data.annotations("train"))} <= {
        f"train_{index:05d}" for index in range(3)
    }


def test_the_report_is_one_file_with_tables_curves_and_key_frames(
    tiny: tuple[DetectionQuickstart, Path, str],
) -> None:
    result, _, _ = tiny
    page = result.report.read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png;base64,") == 4
    for label in LABELS:
        assert f"{label} (" in page
    for told in ("plain: train loss", "ACRN: train loss", "class prior", "SlowOnly("):
        assert told in page
    assert page.count('class="share marked"') == 3
    for mean in result.mean_precision.values():
        assert f"{100 * mean:.1f}%" in page


def test_the_summary_says_where_things_are_and_what_is_next(
    tiny: tuple[DetectionQuickstart, Path, str],
) -> None:
    result, out, said = tiny
    assert str(result.report) in said
    assert f"--model {RECIPE} --checkpoint {out / 'plain' / 'checkpoint.pth'}" in said
    assert f"plain {result.mean_precision['plain']:.3f}" in said


def test_videos_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    video = tmp_path / "data" / "videos" / "train_00000.mp4"
    video.parent.mkdir(parents=True)
    video.write_text("mine")
    with pytest.raises(PraxiscopeError, match="Choose another folder"):
        quickstart_detection(tmp_path, size=TINY)
    assert video.read_text() == "mine"


def test_a_stopped_run_leaves_no_figures_and_says_how_to_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quickstart_detection.json").write_text("{}")

    def stop(*_: object, **__: object) -> None:
        raise StoppedError("stopped in epoch 1, after batch 1.")

    monkeypatch.setattr("praxiscope.apps.quickstart_networks.in_processes", stop)
    with pytest.raises(StoppedError, match="begins again and keeps the videos"):
        quickstart_detection(tmp_path, size=TINY)
    assert not (tmp_path / "quickstart_detection.json").exists()


def test_the_command_takes_the_task_and_has_a_folder_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[tuple[str, Path]] = []
    for task, function in {
        "recognition": "praxiscope.apps.quickstart.quickstart",
        "detection": "praxiscope.apps.quickstart_detection.quickstart_detection",
    }.items():
        monkeypatch.setattr(function, lambda out, task=task: called.append((task, out)))
    for options in ([], ["--task", "detection"], ["--task", "detection", "--out", "here"]):
        assert main(["quickstart", *options]) == 0
    assert called == [
        ("recognition", Path("quickstart")),
        ("detection", Path("quickstart_detection")),
        ("detection", Path("here")),
    ]


@pytest.mark.slow
def test_each_network_is_best_at_the_labels_it_is_meant_for(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    result = quickstart_detection(tmp_path / "out")
    means = result.mean_precision
    assert means["plain"] >= 3 * means["class prior"]
    for network in NETWORKS[1:]:
        group = result.by_group[network.meant_for]
        assert group[network.name] > group["plain"]
