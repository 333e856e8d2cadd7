"""The published commands of long-term feature banks, in a folder laid out as published."""

import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from praxiscope.banks.bank import Bank
from praxiscope.banks.layout import write_layout
from praxiscope.cli import main, train_main
from praxiscope.cli import test_main as run_tests
from praxiscope.data.ava_lists import read_key_frames
from praxiscope.data.catalog import ava
from praxiscope.engine.detections import read_dump
from praxiscope.recipe import BankRecipe, load_recipe, override_fields
from praxiscope.zoo.checkpoint_file import read_checkpoint_file
from praxiscope.zoo.weights import save_weights

INFER = "slowonly-lfb_ava-pretrained-r50_infer-4x16x1_ava21-rgb.py"
TWIN = "slowonly-lfb-infer_r50_ava21-rgb.py"
NON_LOCAL = (
    "configs/detection/lfb/slowonly-lfb-nl_kinetics400-pretrained-r50_8xb12-4x16x1-20e_ava21-rgb.py"
)
# The same commands on pictures and a network that are small.
SMALL = ["model.network.depth=14", "model.network.width=8", "loader.workers=0"]
SMALL_FRAMES = [*SMALL, "test_transform.short_side=(32,32)"]
SMALL_RUN = [
    *(*SMALL_FRAMES, "train_transform.short_side=(36,40)", "train_transform.size=32"),
    *("start=None", "schedule.epochs=1", "schedule.milestones=(1,)", "schedule.warmup_epochs=0"),
    "loader.videos_per_device=4",
]
VIDEOS = {"train": ("-5KQ66BBWC4", "053oq2xB3oU"), "val": ("1j20qq1JyX4",)}
SECONDS = range(902, 906)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny ``data/ava`` and weights of a detector without a bank."""
    folder = tmp_path_factory.mktemp("published")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        _write_list(folder, split, rng)
    detector = override_fields(load_recipe(INFER, kind=BankRecipe), SMALL).model
    torch.manual_seed(0)
    save_weights(detector.build(), folder / "baseline.pth")
    return folder


def _write_list(folder: Path, split: str, rng: np.random.Generator) -> None:
    files = ava(split)  # type: ignore[arg-type]
    assert files.excluded and files.label_map and files.proposals
    (folder / files.annotations).parent.mkdir(parents=True, exist_ok=True)
    lines, proposals = [], {}
    for video in VIDEOS[split]:
        images = folder / files.root / video
        images.mkdir(parents=True)
        for number in range(1, 8 * 30 + 1):
            picture = rng.integers(0, 255, (32, 40, 3), dtype=np.uint8)
            cv2.imwrite(str(images / f"img_{number:05d}.jpg"), picture)
        for second in SECONDS:
            boxes = np.array([[0.1, 0.2, 0.4, 0.9, 0.99], [0.5, 0.1, 0.9, 0.8, 0.87]])
            proposals[f"{video},{second:04d}"] = boxes
            label = 80 if second % 2 else 12
            lines += [f"{video},{second:04d},0.1,0.2,0.4,0.9,{label},1\n"]
            lines += [f"{video},{second:04d},0.5,0.1,0.9,0.8,12,2\n"]
    (folder / files.annotations).write_text("".join(lines))
    (folder / files.excluded).write_text(f"{VIDEOS[split][0]},{SECONDS[-1]:04d}\n")
    names = {12: "stand", 80: "watch (a person)"}
    items = [f'item {{\n  name: "{name}"\n  id: {number}\n}}\n' for number, name in names.items()]
    (folder / files.label_map).write_text("".join(items))
    (folder / files.proposals).write_bytes(pickle.dumps(proposals))


def figure(printed: str) -> str:
    found = re.search(r"mAP@0\.5IOU\D+(0\.\d{4})", printed)
    assert found, printed
    return found[1]


def test_the_published_commands_make_banks_and_train_and_test_on_them(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.chdir(published)
    infer = [INFER, "baseline.pth", "--eval", "mAP", "--cfg-options", *SMALL_FRAMES]
    assert run_tests(infer) == 0
    printed = capsys.readouterr().out
    assert "data/ava/lfb_half/lfb_train.safetensors: 7 features of 2 videos" in printed
    assert "7 key frames in" in printed
    assert "the network worked for" in printed
    figure(printed)
    assert run_tests([*infer, "dataset_mode=val"]) == 0
    figure(capsys.readouterr().out)
    bank = Bank("data/ava/lfb_half/lfb_val.safetensors")
    assert bank.videos() == VIDEOS["val"]
    assert bank.metadata["recipe"] == INFER.removesuffix(".py")
    seconds = [int(m.timestamp) for m in read_key_frames(ava("val"))]
    assert bank.rows(VIDEOS["val"][0]).seconds.tolist() == seconds  # of two persons one has 0.9

    run = [NON_LOCAL, "--validate", "--seed", "0", "--deterministic", "--cfg-options", *SMALL_RUN]
    assert train_main(run) == 0
    assert "val mAP@0.5IOU" in capsys.readouterr().err
    work_dir = Path("work_dirs") / Path(NON_LOCAL).stem
    trained = read_checkpoint_file(work_dir / "latest.pth")
    assert isinstance(trained["meta"], dict)
    assert trained["meta"]["bank_checkpoint"] == bank.metadata["checkpoint"]
    test = [NON_LOCAL, str(work_dir / "latest.pth"), "--dump", "result.pkl", "--cfg-options"]
    assert run_tests([*test, *SMALL_RUN]) == 0
    first = figure(capsys.readouterr().out)
    dumped = read_dump("result.pkl")
    assert len(dumped) == len(seconds)
    # The same features under another name are used, but not without a word.
    other = Path("other.safetensors")
    made_by = {**bank.metadata, "checkpoint": "0" * 64}
    write_layout(other, bank.videos(), bank.rows, channels=256, dtype="float16", metadata=made_by)
    assert not caplog.text.count("trained with a feature bank of other weights")
    assert run_tests([*test, *SMALL_RUN, f"bank.val={other}"]) == 0
    assert caplog.text.count("trained with a feature bank of other weights") == 1
    assert figure(capsys.readouterr().out) == first
    for again, before in zip(read_dump("result.pkl"), dumped, strict=True):
        np.testing.assert_array_equal(again.scores, before.scores)


def test_the_twin_and_bank_build_fill_the_same_bank(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(published)
    options = ["--cfg-options", *SMALL_FRAMES]
    build = ["bank", "build", INFER, "baseline.pth", "--mode", "val"]
    ours = tmp_path / "a" / "val.safetensors"
    assert main([*build, "--out", str(ours), *options]) == 0
    assert main([*build, "--out", str(ours), *options]) == 0
    assert "it was finished before: nothing was left to do" in capsys.readouterr().out
    assert main([*build, "--out", str(ours), *options, "test_transform.short_side=(40,40)"]) == 2
    error = capsys.readouterr().err
    assert "was made with frames 'frames, 1 late, short side 32', this run has" in error
    twin = [TWIN, "baseline.pth", "--out", str(tmp_path / "x.csv"), *options]
    assert run_tests([*twin, "dataset_mode=val", f"folder={tmp_path}"]) == 0
    assert (tmp_path / "x.csv").read_text().startswith(VIDEOS["val"][0])
    theirs = Bank(tmp_path / "lfb_val.safetensors")
    np.testing.assert_array_equal(theirs.arrays[2], Bank(ours).arrays[2])
    # A recipe that reads banks says where they go, and which detector makes them.
    paths = [f"bank.train={tmp_path / 't'}", f"bank.val={tmp_path / 'v'}"]
    assert main(["bank", "build", NON_LOCAL, "baseline.pth", *options, *paths]) == 0
    assert Bank(tmp_path / "t").videos() == tuple(sorted(VIDEOS["train"]))
    build = ["bank", "build", NON_LOCAL, "baseline.pth", "--mode", "val", *options, *paths]
    assert main([*build, "model.network.num_classes=9"]) == 0  # the classifier is not used
    np.testing.assert_array_equal(Bank(tmp_path / "v").arrays[2], Bank(ours).arrays[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--average-clips", "prob"], "--average-clips has no meaning where a feature bank is"),
        (["--fuse-conv-bn"], "--fuse-conv-bn has no meaning"),
        (["--eval", "top_k_accuracy"], "--eval top_k_accuracy has no meaning"),
        (["--out", "x.json"], "x.json: results are written as .csv"),
        (
            ["--cfg-options", "model.network.num_classes=9"],
            "has 81 outputs, the background among them, and the model 9",
        ),
        (
            ["--cfg-options", "dataset_mode=test"],
            "dataset_mode=test: Input should be 'train' or 'val'",
        ),
    ],
)
def test_options_that_a_bank_does_not_have_are_named_before_it_is_filled(
    published: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(published)
    assert run_tests([TWIN, "baseline.pth", *options]) == 2
    assert message in capsys.readouterr().err


def test_mistakes_of_bank_build_are_one_sentence(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(published)
    plain = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"
    recognition = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
    for command, message in (
        ([plain, "baseline.pth"], "does not say where its bank goes: give --out."),
        ([recognition, "baseline.pth"], "is a recipe of recognition"),
        ([INFER, "nothing.pth"], "there is no checkpoint nothing.pth"),
        ([INFER, "baseline.pth"], "belongs to another model"),
        (
            [INFER, "baseline.pth", "--out", "baseline.pth", "--cfg-options", *SMALL],
            "--out baseline.pth: a bank is a .safetensors file; name one.",
        ),
    ):
        assert main(["bank", "build", *command]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
