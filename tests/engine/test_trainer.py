"""Devices, launchers and lists: what cannot work is one sentence, before anything starts."""

import errno
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning
import pytest
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.testing import ScoreOptions, run_test
from praxiscope.engine.trainer import (
    Devices,
    _processes,
    check_list,
    check_seed,
    write_broken,
    writing_logs,
)
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.types import Broken
from tests.tiny import tiny_recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "--gpus must be a whole number of at least 1, not 0"),
        ({"count": -1}, "--gpus must be a whole number of at least 1, not -1"),
        ({"ids": (-1,)}, "--gpu-ids must be a whole number of at least 0"),
        ({"ids": (0, 4096)}, "--gpu-ids .*: this machine has .* GPUs"),
        ({"launcher": "torchrun"}, "--launcher must be one of 'none', 'pytorch', 'slurm'"),
        ({"launcher": "pytorch"}, "LOCAL_WORLD_SIZE is not set: start with tools/dist_train.sh"),
        ({"launcher": "slurm"}, "SLURM_NTASKS_PER_NODE is not set: start with srun"),
    ],
)
def test_devices_that_cannot_be_had_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PraxiscopeError, match=message):
        _processes(Devices(**settings))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(PraxiscopeError, match="--seed must be a whole number from 0 to 4294967295"):
        check_seed(seed)


def test_variables_of_a_cluster_alone_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "2")  # of a batch script that runs one plain process
    assert isinstance(_processes(Devices())[2], LightningEnvironment)


@pytest.mark.parametrize("variable", ["ROLE_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_know_nothing_of_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "2")
    with pytest.raises(PraxiscopeError, match="2 processes were started, .* say --launcher"):
        _processes(Devices())


def test_what_slurm_has_started_is_read_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name, value in (("NTASKS", "4"), ("NTASKS_PER_NODE", "2"), ("NNODES", "2")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    count, nodes, environment = _processes(Devices(launcher="slurm"))
    assert (count, nodes) == (2, 2) and isinstance(environment, SLURMEnvironment)
    monkeypatch.setenv("SLURM_NTASKS", "3")
    with pytest.raises(PraxiscopeError, match="SLURM_NTASKS is not 2 tasks on each of 2 nodes"):
        _processes(Devices(launcher="slurm"))
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2(x1)")
    with pytest.raises(PraxiscopeError, match=r"NTASKS_PER_NODE is '2\(x1\)', not a whole number"):
        _processes(Devices(launcher="slurm"))


def test_a_list_of_another_kind_than_the_model_sees_is_refused(motions: MotionDataset) -> None:
    recipe = tiny_recipe(motions)
    rgb, flow = recipe.model, replace(recipe.model, channels=2)  # type: ignore[call-arg]
    videos = RecognitionData(recipe, seed=0).val_set
    with pytest.raises(DataError, match=r"of kind 'video' and the model sees optical flow"):
        check_list(videos, flow, skip_broken=False)
    videos.videos = replace(videos.videos, kind="flow")
    with pytest.raises(DataError, match=r"of kind 'flow' and the model sees RGB"):
        check_list(videos, rgb, skip_broken=False)


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_every_list_must_have_the_classes_of_the_model(motions: MotionDataset, name: str) -> None:
    recipe = tiny_recipe(motions, test=tiny_recipe(motions).val)
    lists = RecognitionData(recipe, seed=0)
    dataset = {"train": lists.train_set, "val": lists.val_set, "test": lists.test_set}[name]
    with pytest.raises(DataError, match="has 8 classes and the model 10: set the model's and"):
        check_list(dataset, replace(recipe.model, num_classes=10), skip_broken=True)


def fake_trainer(folder: Path, *, finished: bool) -> lightning.Trainer:
    state = SimpleNamespace(finished=finished)
    found = SimpleNamespace(is_global_zero=True, default_root_dir=folder, state=state)
    return cast(lightning.Trainer, found)


def test_a_clean_run_takes_the_list_of_an_earlier_one_away(tmp_path: Path) -> None:
    file = tmp_path / "broken.txt"
    write_broken(fake_trainer(tmp_path, finished=False), {"a.mp4": Broken("a.mp4", 0, "is cut")})
    assert file.read_text() == "a.mp4\tis cut\n"
    write_broken(fake_trainer(tmp_path, finished=False), {})  # it failed: it has seen nothing
    assert file.exists()
    write_broken(fake_trainer(tmp_path, finished=True), {})
    assert not file.exists()
    file.write_text("my glasses")
    write_broken(fake_trainer(tmp_path, finished=True), {})
    assert file.read_text() == "my glasses"


def test_a_test_of_broken_videos_alone_says_so_and_lists_them(
    motions: MotionDataset, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    for line in motions.list_file("test").read_text().splitlines():
        path = videos / line.split()[0]
        path.parent.mkdir(parents=True)
        path.write_text("no video")
    recipe = tiny_recipe(motions)
    recipe = replace(recipe, val=replace(recipe.val, root=videos))
    options = ScoreOptions(skip_broken=True, work_dir=tmp_path)
    with pytest.raises(DataError, match=r"all 8 videos are broken.*broken.txt lists them"):
        run_test(recipe.model.build(), recipe, options)
    assert len((tmp_path / "broken.txt").read_text().splitlines()) == 8


def test_metrics_of_views_that_are_not_averaged_are_refused(motions: MotionDataset) -> None:
    recipe = tiny_recipe(motions)
    options = ScoreOptions(average="none", metrics=("top_k_accuracy",))
    with pytest.raises(PraxiscopeError, match="--eval top_k_accuracy: .* --average-clips prob"):
        run_test(recipe.model.build(), recipe, options)


def test_a_full_disk_is_one_sentence_that_names_the_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def write() -> None:
        raise full

    def run() -> None:  # as TensorBoard does: the thread fails, and the error is raised again
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        write()

    with (
        pytest.raises(PraxiscopeError, match="could not be written to: No space left on device"),
        writing_logs(tmp_path),
    ):
        run()
    assert capsys.readouterr().err == ""


def test_errors_of_other_files_than_logs_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), writing_logs(tmp_path):
        (tmp_path / "elsewhere").read_text()
