"""The command line as a person meets it: the published commands, and one sentence for a mistake."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from praxiscope import cli
from praxiscope.cli import main
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.video import open_video
from praxiscope.zoo.cards import cards
from praxiscope.zoo.weights import save_weights
from tests.apps.tools.scripts import run_script
from tests.parity import made_up
from tests.tiny import tiny_recipe

ROOT = Path(__file__).parents[1]
SMALL = [
    *("model.width=16", "schedule.epochs=1", "loader.videos_per_device=4", "loader.workers=1"),
    *("train_transform.size=64", "val_views.size=64", "val_views.short_side=72"),
    *("test_views.clips=1", "test_views.size=64", "test_views.short_side=72"),
]


def start(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell would."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
    environment.pop("PYTEST_CURRENT_TEST", None)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def run(command: list[str], folder: Path) -> str:
    """Run a command that succeeds, and return what it printed."""
    done = start(command, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script(name: str, *options: str) -> list[str]:
    return ["bash", str(ROOT / "tools" / name), *options]


@pytest.fixture(scope="module")
def kinetics(motions: MotionDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder but for a Kinetics-400 of 8 training and 8 test videos, as frame images."""
    folder = tmp_path_factory.mktemp("kinetics")
    root = folder / "data/kinetics400"
    for split in ("train", "test"):
        published = "val" if split == "test" else split
        lines = []
        for line in motions.list_file(split).read_text().splitlines()[:8]:
            name, label = line.split()
            with open_video(motions.videos(split) / name) as video:
                frames = video.frames_at(range(0, video.num_frames, 2))
            images = root / f"rawframes_{published}" / Path(name).with_suffix("")
            images.mkdir(parents=True)
            for number, frame in enumerate(frames, 1):
                cv2.imwrite(str(images / f"img_{number:05d}.jpg"), frame[:, :, ::-1])
            lines.append(f"{Path(name).with_suffix('')} {len(frames)} {label}\n")
        (root / f"kinetics400_{published}_list_rawframes.txt").write_text("".join(lines))
    return folder


def in_a_shell(name: str, *options: str) -> str:
    return run([sys.executable, str(ROOT / "tools" / name), *options], Path.cwd())


def in_this_process(name: str, *options: str) -> str:
    with redirect_stdout(StringIO()) as printed:
        assert run_script(name, *options) == 0
    return printed.getvalue()


@pytest.mark.parametrize(
    ("config", "python"),
    [
        ("configs/recognition/slowonly/slowonly_r50_4x16x1_256e_kinetics400_rgb.py", in_a_shell),
        (
            "configs/recognition/slowfast/slowfast_r50_4x16x1_256e_kinetics400_rgb.py",
            in_this_process,
        ),
    ],
)
def test_the_published_commands_train_and_test(
    kinetics: Path, monkeypatch: pytest.MonkeyPatch, config: str, python: Callable[..., str]
) -> None:
    monkeypatch.chdir(kinetics)
    work_dir = f"work_dirs/{Path(config).stem}"
    options = ["--validate", "--seed", "0", "--deterministic", "--cfg-options", *SMALL]
    python("train.py", config, "--work-dir", work_dir, *options)
    test = [config, f"{work_dir}/epoch_1.pth", "--eval", "top_k_accuracy", "mean_class_accuracy"]
    test += ["--out", "result.json", "--average-clips=prob", "--cfg-options", *SMALL]
    printed = python("test.py", *test)
    scores = np.array(json.loads((kinetics / "result.json").read_text()))
    assert scores.shape == (8, 400)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert "top1_acc" in printed and "mean_class_accuracy" in printed


@pytest.fixture
def tiny(motions: MotionDataset, workdir: Path) -> Path:
    """A recipe file, ``tiny.py``, and weights for it, ``weights.pth``, in the working directory."""
    (workdir / "tiny.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from praxiscope.data.synthetic import MotionDataset\n"
        "from tests.tiny import tiny_recipe\n"
        f"def recipe(): return tiny_recipe(MotionDataset(Path({str(motions.root)!r})))\n"
    )
    save_weights(made_up.fill(tiny_recipe(motions).model.build()), workdir / "weights.pth")
    return workdir


def test_two_processes_count_every_video_once(tiny: Path) -> None:
    assert cli.test_main(["tiny.py", "weights.pth", "--out", "one.json", "--dump", "one.pkl"]) == 0
    run(script("dist_test.sh", "tiny.py", "weights.pth", "2", "--out", "two.json"), tiny)
    one, two = (json.loads((tiny / name).read_text()) for name in ("one.json", "two.json"))
    np.testing.assert_allclose(np.array(one), np.array(two), atol=1e-6)
    dumped = pickle.loads((tiny / "one.pkl").read_bytes())
    assert [int(row["gt_label"]) for row in dumped] == list(range(8))


def test_two_processes_train_one_model(tiny: Path) -> None:
    options = [
        "--work-dir",
        "w",
        "--cfg-options",
        "loader.videos_per_device=2",
        "schedule.epochs=1",
    ]
    run(script("dist_train.sh", "tiny.py", "2", *options), tiny)
    state = torch.load(tiny / "w/latest.pth", weights_only=True)
    assert state["global_step"] == 4  # 16 videos, 2 on each of 2 processes
    assert (tiny / "w/best_top1_acc_epoch_1.pth").is_file()


def test_an_error_of_two_processes_is_one_sentence(tiny: Path) -> None:
    done = start(script("dist_train.sh", "tinny.py", "2"), tiny)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no recipe") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["dist_train.sh", "dist_test.sh"])
@pytest.mark.parametrize("options", [(), ("tiny.py", "weights.pth", "two")])
def test_a_script_without_a_number_of_devices_says_how_it_is_used(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    done = start(script(name, *options), tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ") and done.stderr.count("\n") == 1


def test_training_resumes_with_the_published_flags_and_tests_at_the_end(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["tiny.py", "--work-dir", "w", "--seed", "1"]
    assert cli.train_main([*common, "--resume", "auto", "--cfg-options", "schedule.epochs=1"]) == 0
    assert "w/latest.pth does not exist: a new run begins" in capsys.readouterr().out
    resume = ["--resume-from", "w/epoch_1.pth", "--test-last", "--test-best"]
    assert cli.train_main([*common, *resume]) == 0
    printed = capsys.readouterr().out
    assert "test of the last checkpoint" in printed and "test of the best checkpoint" in printed
    assert (tiny / "w/epoch_2.pth").is_file()


@pytest.mark.parametrize("suffix", ["json", "pkl", "csv"])
def test_results_have_the_published_layouts(tiny: Path, suffix: str) -> None:
    options = ["--average-clips", "score", "--fuse-conv-bn", "--eval", "top_k_accuracy"]
    assert main(["test", "tiny.py", "weights.pth", "--out", f"r.{suffix}", *options]) == 0
    path = tiny / f"r.{suffix}"
    read: dict[str, Callable[[], object]] = {
        "json": lambda: json.loads(path.read_text()),
        "pkl": lambda: pickle.loads(path.read_bytes()),
        "csv": lambda: np.loadtxt(path, delimiter=","),
    }
    assert np.array(read[suffix]()).shape == (8, 8)


def test_predict_prints_classes_and_writes_scores_and_a_copy(
    tiny: Path, motions: MotionDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    video = motions.videos("test") / "left/left_00000.mp4"
    assert (
        main(predict_with(str(video), "--out", "p.json", "--render", "copy.mp4", "--device", "cpu"))
        == 0
    )
    (found,) = json.loads((tiny / "p.json").read_text())["predictions"]
    assert list(found["scores"]) == motions.label_map.read_text().split()
    assert found["top5"][0]["class"] in capsys.readouterr().out
    with open_video(video) as source, open_video("copy.mp4") as copy:
        assert copy.num_frames == source.num_frames


def test_a_copy_that_cannot_be_written_leaves_the_scores(
    tiny: Path, motions: MotionDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "copies").write_text("a file where a folder should be")
    options = ("--out", "p.json", "--render", "copies")
    assert main(predict_with(str(motions.videos("test")), *options)) == 2
    assert len(json.loads((tiny / "p.json").read_text())["predictions"]) == 8
    assert "8 of 8 videos could not be used, or not copied" in capsys.readouterr().err


def test_predict_takes_folders_and_patterns_and_goes_on_after_a_broken_video(
    tiny: Path, motions: MotionDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "broken.mp4").write_text("no video")
    os.mkfifo(tiny / "pipe.mp4")  # nobody writes into it
    folder, pattern = str(motions.videos("test")), f"{motions.videos('train')}/*/*_00000.mp4"
    assert (
        main(
            predict_with(
                folder, "broken.mp4", "pipe.mp4", pattern, "--out", "p.json", "--render", "copies"
            )
        )
        == 2
    )
    predictions = json.loads((tiny / "p.json").read_text())["predictions"]
    assert len(predictions) == 16
    assert len(list((tiny / "copies").glob("*.mp4"))) == 16
    printed = capsys.readouterr()
    assert "error: broken.mp4" in printed.err and "2 of 18 videos" in printed.err


def test_the_zoo_lists_and_shows_published_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "list", "slowfast_r50*"]) == 0
    listed = capsys.readouterr().out
    assert "slowfast_r50_8x8x1_256e_kinetics400_rgb" in listed and "76.94" in listed
    assert main(["zoo", "slowfast_r50*"]) == 0
    assert capsys.readouterr().out == listed
    assert main(["zoo", "show", "slowonly_r50_4x16x1_256e_kinetics400_rgb"]) == 0
    shown = capsys.readouterr().out
    for part in ("top1: 73.02", "parameters: 32454096", "gmacs_per_view: 27.2596", "10x3x4x256"):
        assert part in shown
    assert "slowonly_r50_4x16x1_256e_kinetics400_rgb_20200704-a69556c6.pth" in shown
    assert "another checkpoint: slowonly_r50_256p_4x16x1_256e_kinetics400_rgb_20200820" in shown
    assert main(["zoo"]) == 0
    listed = capsys.readouterr().out
    assert all(one.name in listed for one in cards())


def train_with(*options: str) -> list[str]:
    return ["train", "tiny.py", *options]


def change(*fields: str) -> list[str]:
    return train_with("--cfg-options", *fields)


def evaluate_with(*options: str) -> list[str]:
    return ["test", "tiny.py", "weights.pth", *options]


def predict_with(*options: str) -> list[str]:
    return ["predict", *options, "--model", "tiny.py", "--checkpoint", "weights.pth"]


MISTAKES = {
    "a misspelt recipe": (
        ["train", "slowonly_r50_4x16x1_256e_kinetics400_rg"],
        "Did you mean 'slowonly_r50_4x16x1_256e_kinetics400_rgb'",
    ),
    "a recipe that ends the program": (["train", "exits.py"], "exits.py cannot be run: SystemExit"),
    "a misspelt field": (
        change("optim.lrr=1"),
        "Recipe.optim has no field 'lrr'. Did you mean 'lr'?",
    ),
    "a model without channels": (change("model.width=0"), "SlowOnly.width must be a whole number"),
    "a dropout of more than all": (change("model.dropout=2"), "from 0 to 1, not 2.0"),
    "a missing list": (
        ["train", "slowonly_r50_video_4x16x1_256e_kinetics400_rgb"],
        "data/kinetics400/kinetics400_train_list_videos.txt",
    ),
    "an empty list": (change("train.annotations=empty.txt"), "empty.txt is empty"),
    "a label outside the classes": (
        change("train.annotations=outside.txt"),
        "outside.txt:2: label 8 is outside 0 .. 7",
    ),
    "a list with more classes than the model": (
        change("model.num_classes=4"),
        "has 8 classes and the model 4",
    ),
    "a missing video": (change("train.annotations=missing.txt"), "1 of 1 videos do not exist"),
    "a seed below 0": (train_with("--seed", "-1"), "--seed must be a whole number from 0"),
    "a seed of 65 bits": (train_with("--seed", str(2**64)), "--seed must be a whole number"),
    "less than one device": (train_with("--gpus", "0"), "--gpus must be a whole number"),
    "a GPU that is not there": (train_with("--gpu-ids", "4096"), "--gpu-ids 4096: this machine"),
    "a launcher that launched nothing": (train_with("--launcher", "pytorch"), "is not set: start"),
    "a missing checkpoint": (["test", "tiny.py", "nowhere.pth"], "no checkpoint nowhere.pth"),
    "no checkpoint": (["test", "tiny.py", "empty.txt"], "empty.txt"),
    "a checkpoint of another model": (
        evaluate_with("--cfg-options", "model.depth=101"),
        "weights.pth",
    ),
    "a result of no known kind": (evaluate_with("--out", "r.xml"), ".json"),
    "a dump of every view": (
        evaluate_with("--average-clips", "none", "--dump", "d.pkl"),
        "--dump d.pkl holds one score vector for each video",
    ),
    "metrics of every view": (
        evaluate_with("--average-clips", "none", "--eval", "top_k_accuracy"),
        "metrics need one score vector for each video",
    ),
    "a metric of lists with several labels": (
        evaluate_with("--eval", "mean_average_precision", "--out", "r.json"),
        "mean_average_precision is no metric for videos with one label",
    ),
    "an unknown metric": (
        evaluate_with("--eval", "top_k_acuracy"),
        "Did you mean 'top_k_accuracy'",
    ),
    "no video": (predict_with("nowhere.mp4"), "nowhere.mp4 stands for no video"),
    "a device that is not there": (predict_with("broken.mp4", "--device", "foo"), "'foo'"),
    "a device that holds nothing": (predict_with("broken.mp4", "--device", "meta"), "'meta'"),
    "a copy onto the video itself": (
        predict_with("broken.mp4", "--render", "broken.mp4"),
        "would replace broken.mp4 itself",
    ),
    "a copy of another format": (predict_with("broken.mp4", "--render", "x.avi"), ".mp4"),
    "a best epoch without validation": (
        train_with("--test-best", "--no-validate"),
        "--test-best needs --validate",
    ),
    "a work dir that is a file": (
        train_with("--work-dir", "empty.txt"),
        "empty.txt cannot be used as a folder to write to: File exists",
    ),
    "a recipe's list that is a folder": (change("train.annotations=."), "."),
    "an unknown model": (["zoo", "show", "slowfst_r50"], "slowfst_r50"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    (tiny / "empty.txt").write_text("")
    (tiny / "exits.py").write_text("raise SystemExit(3)")
    (tiny / "outside.txt").write_text("a.mp4 1\nb.mp4 8\n")
    (tiny / "missing.txt").write_text("a.mp4 1\n")
    (tiny / "broken.mp4").write_text("no video")
    before = {path.name for path in tiny.iterdir()}
    command, message = MISTAKES[mistake]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error
    assert {path.name for path in tiny.iterdir()} == before


def test_a_pickle_that_would_execute_something_does_not(tiny: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return os.rename, ("weights.pth", "stolen.pth")

    content = {"state_dict": torch.load("weights.pth", weights_only=True), "evil": Evil()}
    torch.save(content, "evil.pth")
    assert main(["test", "tiny.py", "evil.pth"]) in (0, 2)
    assert Path("weights.pth").exists() and not Path("stolen.pth").exists()
