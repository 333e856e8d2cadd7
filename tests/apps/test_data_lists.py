"""From official files to lists, and from these to a step of a published recipe."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from praxiscope import cli
from praxiscope.apps import data_lists
from praxiscope.cli import main
from praxiscope.data import catalog
from praxiscope.data.lists import VideoList, check_files, class_names, read_list
from praxiscope.data.official.datasets import DATASETS
from tests.data.official import files

MP4 = "doing_thing_000/-a_00000001_000001_000011.mp4"
MKV = "doing thing 001/-a_00000002_000002_000012.mkv"
ELEMENTS = [f"{files.EVENT}_A_0035_0036", f"{files.EVENT}_A_0040_0042"]


class Case(NamedTuple):
    """A dataset: its files, its list to train on, what that says, and a recipe that reads it."""

    name: str
    write: Callable[[Path], None]
    listed: Callable[[], VideoList]
    records: list[tuple[str, int, int | None]]  # path, label, images
    classes: tuple[int, tuple[str, ...]]  # a label and the names from there on
    recipe: str
    changes: tuple[str, ...] = ()


KINETICS = (0, ("Zorbing (sport)", "doing thing 000", "doing thing 001"))
CASES = [
    Case(
        "kinetics400",
        lambda root: files.kinetics(root, 400),
        lambda: catalog.kinetics400("train", "video"),
        [(MKV, 2, None), (MP4, 1, None)],
        KINETICS,
        "slowonly_r50_video_4x16x1_256e_kinetics400_rgb",
    ),
    Case(
        "kinetics600",
        lambda root: files.kinetics(root, 600),
        lambda: catalog.kinetics600("train"),
        [(MKV, 2, None), (MP4, 1, None)],
        KINETICS,
        "slowonly_r50_video_8x8x1_256e_kinetics600_rgb",
    ),
    Case(
        "kinetics700",
        lambda root: files.kinetics(root, 700),
        lambda: catalog.kinetics700("train"),
        [(MKV, 2, None), (MP4, 1, None)],
        KINETICS,
        "slowonly_r50_video_8x8x1_256e_kinetics700_rgb",
    ),
    Case(
        "gym99",
        files.gym99,
        lambda: catalog.gym99("train", "flow"),
        [(ELEMENTS[0], 93, 3), (ELEMENTS[1], 7, 3)],
        (97, ("(VT) element 97", "(VT) element 98")),
        "slowonly_k400_pretrained_r50_4x16x1_120e_gym99_flow",
        ("start=None",),
    ),
    Case(
        "jester",
        lambda root: files.twentybn(root, "jester-v1", 27),
        lambda: catalog.jester("train"),
        [("34870", 1, 4), ("1", 26, 4)],
        (25, ("Class, really 1", "Class,  0")),
        "slowonly_imagenet_pretrained_r50_8x8x1_64e_jester_rgb",
        ("start=None",),
    ),
    Case(
        "sthv1",
        lambda root: files.twentybn(root, "something-something-v1", 174),
        lambda: catalog.something_v1("train"),
        [("34870", 1, 4), ("1", 26, 4)],
        (172, ("Class, really 1", "Class,  0")),
        "slowonly_imagenet_pretrained_r50_8x4x1_64e_sthv1_rgb",
        ("start=None",),
    ),
    Case(
        "hmdb51",
        files.hmdb51,
        lambda: catalog.hmdb51("train"),
        [("class_03/class_3_0#a (b)", 3, 4)],
        (49, ("class_49", "class_50")),
        "slowonly_imagenet_pretrained_r50_8x4x1_64e_hmdb51_rgb",
        ("start=None",),
    ),
    Case(
        "ucf101",
        files.ucf101,
        lambda: replace(catalog.ucf101("train").alternative or catalog.ucf101("train")),
        [(f"Class003/v_Class003_g01_c0{n}.avi", 1, None) for n in (0, 1)],
        (0, ("Class005", "Class003", "Class004", "Class001")),
        "slowonly_k400_pretrained_r50_8x4x1_40e_ucf101_rgb",
        ("start=None",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_official_files_become_lists_that_a_published_recipe_trains_on(
    case: Case, workdir: Path
) -> None:
    root = case.listed().root.parent
    case.write(root)
    assert main(["data", "lists", case.name]) == 0
    videos = case.listed()
    records = read_list(videos)
    check_files(videos, records)
    assert [(r.path, *r.labels, r.num_frames) for r in records] == case.records
    first, names = case.classes
    named = class_names(replace(videos, label_map=root / "label_map.txt"))
    assert named is not None and named[first : first + len(names)] == names
    tiny = ["model.depth=14", "model.width=8", "train_transform.size=32", "loader.workers=0"]
    tiny += ["schedule.epochs=1", *case.changes]
    options = ["--no-validate", "--work-dir", "run", "--cfg-options", *tiny]
    assert main(["train", case.recipe, *options]) == 0
    assert (workdir / "run/latest.pth").is_file()


def test_what_is_not_on_disk_or_broken_is_left_out_counted_and_named(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workdir / "data/gym"
    files.gym99(root)
    (root / "rawframes" / ELEMENTS[1] / "img_00002.jpg").unlink()
    assert main(["data", "lists", "gym99"]) == 1  # as something that is there cannot be used
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["│", "gym99_train_list_rawframes.txt", "│", "1", "│", "1", "│", "1"] in [
        line[:8] for line in printed
    ]
    lists = root / "annotations"
    assert (lists / "gym99_train_list_rawframes.txt").read_text() == f"{ELEMENTS[0]} 3 93\n"
    name = "gym99_train_list_rawframes.txt"
    assert (root / "missing_train.txt").read_text().splitlines() == [
        f"{name}\t{files.EVENT}_A_0050_0051\tno such folder; finegym_annotation_info_v1.0.json has "
        "no such element",
        f"{name}\t{ELEMENTS[1]}\timg_00002.jpg is missing, of 3 images",
    ]
    assert (root / "missing_val.txt").read_text() == ""


def test_the_three_splits_of_hmdb51_are_those_of_the_official_files(workdir: Path) -> None:
    root = workdir / "data/hmdb51"
    files.hmdb51(root)
    assert main(["data", "lists", "hmdb51"]) == 0
    texts = {path.name: path.read_text() for path in root.glob("hmdb51_*.txt")}
    # video n of a class is one to train on in split s where (n + s) % 3 is 1, to test where it is 2
    first, second = "class_03/class_3_0#a (b) 4 3\n", "class_03/class_3_1#a (b) 4 3\n"
    assert {name: text for name, text in texts.items() if "rawframes" in name} == {
        "hmdb51_train_split_1_rawframes.txt": first,
        "hmdb51_val_split_1_rawframes.txt": second,
        "hmdb51_val_split_2_rawframes.txt": first,
        "hmdb51_train_split_3_rawframes.txt": second,
    }
    first, second = "class_01/class_1_0#a (b).avi 1\n", "class_01/class_1_1#a (b).mp4 1\n"
    assert {name: text for name, text in texts.items() if "videos" in name} == {
        "hmdb51_train_split_1_videos.txt": first,
        "hmdb51_val_split_1_videos.txt": second,
        "hmdb51_val_split_2_videos.txt": first,
        "hmdb51_train_split_3_videos.txt": second,
    }


def test_kinetics_has_lists_of_images_flow_and_copies_of_other_sizes(workdir: Path) -> None:
    root = workdir / "k400"
    files.kinetics(root, 400)
    name = "doing_thing_000/-a_00000001_000001_000011"
    files.images(root / "rawframes_train", name, templates=files.RGB_AND_FLOW)
    files.images(root / "rawframes_train_256p", name)
    files.videos(root / "videos_val_320p", f"{Path(name).name}.webm")  # all in one folder
    assert main(["data", "lists", "kinetics400", "--root", "k400"]) == 0
    assert (root / "kinetics400_train_list_rawframes.txt").read_text() == f"{name} 4 1\n"
    assert (root / "kinetics_flow_train_list.txt").read_text() == f"{name} 3 1\n"
    assert (root / "kinetics400_train_list_rawframes_256p.txt").read_text() == f"{name} 4 1\n"
    flat = (root / "kinetics400_val_list_videos_320p.txt").read_text()
    assert flat == "-a_00000001_000001_000011.webm 1\n"
    assert not (root / "kinetics_flow_train_list_256p.txt").exists()  # no flow is there


def test_a_list_of_which_all_is_broken_is_not_left_out_in_silence(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workdir / "k"
    files.kinetics(root, 600)
    name = "doing_thing_000/-a_00000001_000001_000011"
    files.images(root / "rawframes_train", name, templates=files.RGB_AND_FLOW[:2])
    assert main(["data", "lists", "kinetics600", "--root", "k"]) == 2
    assert f"kinetics_flow_train_list.txt as flow: first {name} (no y_00001.jpg)" in (
        capsys.readouterr().err
    )
    assert main(["data", "lists", "kinetics600", "--root", "k", "--format", "rawframes"]) == 0
    assert (root / "kinetics600_train_list_rawframes.txt").read_text() == f"{name} 4 1\n"


def test_a_dry_run_writes_nothing(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.ucf101(workdir / "data/ucf101")
    before = sorted(workdir.rglob("*"))
    assert main(["data", "lists", "ucf101", "--dry-run"]) == 0
    assert sorted(workdir.rglob("*")) == before
    assert "Would write, beside them" in capsys.readouterr().out


def test_another_list_that_is_there_is_replaced_only_if_that_is_asked_for(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workdir / "data/ucf101"
    files.ucf101(root)
    own = root / "ucf101_train_split_2_videos.txt"
    own.write_text("mine\n")
    assert main(["data", "lists", "ucf101"]) == 2
    error = capsys.readouterr().err
    assert f"{own.relative_to(workdir)} would be replaced" in error and error.count("\n") == 1
    assert own.read_text() == "mine\n" and not (root / "label_map.txt").exists()
    assert main(["data", "lists", "ucf101", "--overwrite"]) == 0
    assert own.read_text().startswith("Class003/v_Class003_g02_c00.avi 1\n")
    stamps = {path: path.stat().st_mtime_ns for path in root.glob("ucf101_*.txt")}
    assert main(["data", "lists", "ucf101"]) == 0  # the same: kept as it is
    assert {path: path.stat().st_mtime_ns for path in root.glob("ucf101_*.txt")} == stamps


def test_several_processes_count_as_one_does(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_lists, "CHUNK", 1)
    files.gym99(workdir)
    assert main(["data", "lists", "gym99", "--root", ".", "--num-processes", "2"]) == 0
    text = (workdir / "annotations/gym99_train_list_rawframes.txt").read_text()
    assert text == f"{ELEMENTS[0]} 3 93\n{ELEMENTS[1]} 3 7\n"


COMMANDS = [
    (path.parent.name, line.partition("#")[0].split())
    for path in sorted((Path(__file__).parents[2] / "tools/data").glob("*/README.md"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if line.startswith("praxiscope ")
]


@pytest.mark.parametrize(
    ("name", "command"), COMMANDS, ids=[" ".join(words[:4]) for _, words in COMMANDS]
)
def test_the_commands_in_the_steps_of_every_dataset_exist(
    name: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[argparse.Namespace] = []
    monkeypatch.setattr(cli, "_run", lambda _, args: parsed.append(args) or 0)
    assert main(command[1:]) == 0 and len(parsed) == 1
    if command[2] == "lists":
        folder = DATASETS[parsed[0].name].root.name
        assert parsed[0].root == Path("data") / folder and folder.startswith(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kinetics40"], "no dataset 'kinetics40'. Did you mean 'kinetics400'?"),
        (["hmdb51", "--format", "flow"], "--format: hmdb51 has lists of videos and rawframes only"),
        (["hmdb51", "--num-processes", "0"], "--num-processes must be a whole number"),
        (["hmdb51"], "data/hmdb51 has none of the folders of videos or images"),
        (["gym99", "--split", "val"], "There is no data/gym/rawframes: prepare it"),
        (["ucf101", "--root", "u"], "There is no file of classes u/annotations/classInd.txt (or "),
        (
            ["kinetics400", "--root", "k", "--split", "val", "--format", "rawframes", "videos"],
            "--format rawframes: k has no folder of these.",
        ),
        (["jester", "--root", "j"], "j/rawframes has none of the 3 videos of jester_train_list_"),
        (
            ["kinetics400", "--root", "k", "--format", "flow"],
            "has none of the 400 videos of kinetics_flow",
        ),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(
    arguments: list[str], message: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.put(workdir / "u/videos/x")
    files.twentybn(workdir / "j", "jester-v1", 27)
    for path in list((workdir / "j/rawframes").iterdir()):
        path.rename(workdir / path.name)
    files.kinetics(workdir / "k", 400)
    files.images(workdir / "k/rawframes_train", "doing_thing_000/-a_00000001_000001_000011")
    assert main(["data", "lists", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(workdir.rglob("*list*.txt"))
