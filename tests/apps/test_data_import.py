"""``praxiscope data import`` as a person meets it, from an export to a step of training."""

from pathlib import Path

import pytest

from praxiscope.cli import main
from praxiscope.data.ava_files import read_excluded, read_sources
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.imports.write import ListFiles
from praxiscope.data.sampling import Clip
from praxiscope.label_map import read_label_map
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Loader, Sgd
from tests.data.imports.exports import (
    FPS,
    LINES,
    cvat,
    cvat_box,
    cvat_tracks,
    write_clip,
    write_exports,
)

CLASSES = {1: "sit", 2: "walk", 3: "wave"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("videos"))


def seen(ava: AvaList) -> list[tuple[float, tuple[float, ...], str, int]]:
    """Return what a list says, as LINES does."""
    assert ava.label_map is not None
    names = read_label_map(ava.label_map)
    return [
        (moment.timestamp, tuple(box), names[label], person)
        for moment in read_key_frames(ava)
        for box, labels, person in zip(
            moment.boxes.tolist(), moment.labels, moment.persons, strict=True
        )
        for label in labels
    ]


def doctor(ava: AvaList) -> list[str]:
    flags = ("root", "annotations", "sources", "excluded", "label_map", "num_classes", "kind")
    return [
        "data",
        "doctor",
        *(w for f in flags for w in (f"--{f.replace('_', '-')}", str(getattr(ava, f)))),
    ]


@pytest.mark.parametrize("kind", ["cvat", "label-studio", "via", "via-2", "csv"])
def test_every_format_becomes_the_same_list_in_which_the_doctor_finds_nothing(
    kind: str, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, options = write_exports(tmp_path)[kind]
    out = tmp_path / "out"
    arguments = ["data", "import", kind.removesuffix("-2"), str(file), *options]
    assert main([*arguments, "--out", str(out), "--videos", str(videos)]) == 0
    ava = ListFiles(out).list(videos, num_classes=4)
    assert read_label_map(out / "label_map.pbtxt") == CLASSES
    found = seen(ava)
    if kind == "label-studio":  # what a person does is of its region: sitting is another one
        found = [(*one[:3], one[3] if one[2] == "walk" else one[3] - 1) for one in found]
    assert found == LINES
    assert {
        name: (one.path, one.fps) for name, one in read_sources(ava.sources or out).items()
    } == {"one": ("one.mp4", FPS)}
    capsys.readouterr()
    assert main(doctor(ava)) == 0
    assert "0 errors, 0 warnings. Ready to train." in capsys.readouterr().out


def test_a_detector_trains_a_step_on_an_imported_list(videos: Path, tmp_path: Path) -> None:
    from praxiscope.engine.training import TrainOptions, run_training

    file, _ = write_exports(tmp_path)["cvat"]
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--videos", str(videos)]
    assert main(["data", "import", "cvat", str(file), *arguments]) == 0
    ava = ListFiles(out).list(videos, num_classes=4)
    recipe = DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=14, width=4, num_classes=4)),
        clip=Clip(frames=2, stride=2),
        train=ava,
        val=ava,
        train_transform=BoxTransform(short_side=(36, 40), size=32),
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        optim=Sgd(lr=0.02, batch=4),
        schedule=Cosine(epochs=1),
        loader=Loader(videos_per_device=4, workers=0),
    )
    trained = run_training(recipe, tmp_path / "run", TrainOptions(validate=False))
    assert trained.latest is not None and trained.latest.is_file()


def test_without_videos_the_export_and_the_options_are_believed(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = write_exports(tmp_path)["cvat"]
    out = tmp_path / "out"
    arguments = ["data", "import", "cvat", str(file), "--out", str(out)]
    assert main(arguments) == 2
    assert "give --videos or --fps" in capsys.readouterr().err
    assert main([*arguments, "--fps", "10"]) == 0
    assert seen(ListFiles(out).list(videos, num_classes=4)) == LINES


def test_lists_that_are_there_are_replaced_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = write_exports(tmp_path)["cvat"]
    out = tmp_path / "out"
    arguments = ["data", "import", "cvat", str(file), "--out", str(out), "--fps", "10"]
    assert main([*arguments, "--dry-run"]) == 0
    assert not out.exists()
    assert main(arguments) == 0
    (out / "annotations.csv").write_text("mine")
    assert main(arguments) == 2
    assert "label_map.pbtxt is there already: give --overwrite" in capsys.readouterr().err
    assert (out / "annotations.csv").read_text() == "mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert (out / "annotations.csv").read_text().startswith("one,0,0.25")


def test_a_video_that_cannot_be_used_is_left_out_and_named(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, _ = write_exports(tmp_path)["cvat"]
    bad, broken = tmp_path / "bad.xml", tmp_path / "videos"
    broken.mkdir()
    (broken / "two.mp4").write_bytes(b"no video")
    (broken / "one.mp4").symlink_to(videos / "one.mp4")
    bad.write_text(cvat(source="two.mp4"))
    lost = tmp_path / "lost.xml"
    lost.write_text(cvat(source="onee.mp4"))
    out = tmp_path / "out"
    files = [str(bad), str(good), str(lost)]
    assert main(["data", "import", "cvat", *files, "--out", str(out), "--videos", str(broken)]) == 1
    shown = capsys.readouterr().out
    assert "left out: " in shown and "two.mp4" in shown
    assert "has no video onee.mp4. Did you mean 'one.mp4'?" in shown
    assert "2 │ videos that could not be used, left out" in shown
    assert seen(ListFiles(out).list(videos, num_classes=4)) == LINES


def test_numbers_of_an_earlier_import_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = write_exports(tmp_path)["cvat"]
    earlier = tmp_path / "earlier.pbtxt"
    earlier.write_text('item { name: "wave" id: 2 }\nitem { name: "walk" id: 5 }\n')
    arguments = ["data", "import", "cvat", str(file), "--fps", "10", "--label-map", str(earlier)]
    assert main([*arguments, "--out", str(tmp_path / "a")]) == 2
    assert "has no class 'sit'" in capsys.readouterr().err
    earlier.write_text(earlier.read_text() + 'item { name: "sit" id: 9 }\n')
    assert main([*arguments, "--out", str(tmp_path / "a")]) == 0
    assert read_label_map(tmp_path / "a/label_map.pbtxt") == {2: "wave", 5: "walk", 9: "sit"}
    assert "num_classes=10" in capsys.readouterr().out


def test_uncertain_moments_and_those_with_somebody_out_of_view_are_excluded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doubt = "".join(cvat_box(f, 0, 4, 4, "") for f in range(8, 12))
    doubt = f'<track id="2" label="Uncertain">{doubt}</track>'
    file = tmp_path / "doubt.xml"
    file.write_text(cvat(cvat_tracks() + doubt))
    arguments = ["data", "import", "cvat", str(file), "--fps", "10", "--out"]
    assert main([*arguments, str(tmp_path / "a")]) == 0
    assert read_excluded(tmp_path / "a/excluded.csv") == {("one", 1.0)}
    assert read_label_map(tmp_path / "a/label_map.pbtxt") == CLASSES
    words = ["--exclude", "uncertain", "outside"]
    assert main([*arguments, str(tmp_path / "b"), *words]) == 0
    assert read_excluded(tmp_path / "b/excluded.csv") == {("one", 1.0), ("one", 2.0)}
    assert "2 │ key frames excluded" in capsys.readouterr().out
    times = [moment[0] for moment in seen(ListFiles(tmp_path / "b").list(tmp_path, 4))]
    assert times == [0, 0, 3, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "0"], "--rate must be a number"),
        (["--labels-from", "actoin"], "Did you mean 'action'? There are label, action."),
        (["--columns", "video=a"], "expected FIELD=HEADER, for a csv"),
        (["--videos", "nowhere"], "There is no folder of videos nowhere"),
        (["--size", "64"], "expected WIDTHxHEIGHT"),
    ],
)
def test_wrong_options_exit_with_2(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = write_exports(tmp_path)["cvat"]
    arguments = ["data", "import", "cvat", str(file), "--out", str(tmp_path / "a"), "--fps", "10"]
    try:
        status = main([*arguments, *options])
    except SystemExit as stopped:  # by the parser itself
        status = int(stopped.code or 0)
    assert status == 2
    assert message in capsys.readouterr().err
