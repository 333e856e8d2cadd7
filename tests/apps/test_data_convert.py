"""``praxiscope data resize``, ``frames`` and ``flow`` over folders and lists."""

from pathlib import Path

import pytest

from praxiscope.cli import main
from praxiscope.data.flow import FlowVideo
from praxiscope.data.frames import open_frames
from praxiscope.data.video import open_video
from praxiscope.progress import CountProgress
from tests.data.make_videos import number_shown, write_video

COUNT = 6
FAST = ("--preset", "ultrafast", "--workers", "1")


def run(*options: str | Path) -> int:
    return main(["data", *map(str, options)])


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def videos(workdir: Path) -> Path:
    """A folder of two classes with a video each, and files that are none."""
    for name in ("wave/a.b.mp4", "clap/c.mkv"):
        path = workdir / "videos" / name
        path.parent.mkdir(parents=True)
        write_video(path, COUNT)
    (workdir / "videos/wave/notes.txt").write_text("not a video")
    (workdir / "videos/.hidden.mp4").write_text("not a video")
    return workdir / "videos"


def test_a_folder_becomes_a_folder_of_smaller_videos(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("resize", "videos", "out", "--size", "40x24", *FAST, "--gop", "2", "--crf", "20")
    assert run(*options, "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"videos/clap/c.mkv -> {Path('out/clap/c.mp4').resolve()}" in said
    assert "2 videos: 2 to write to out, 0 there already." in said and not Path("out").exists()
    assert run(*options) == 0
    assert "2 videos: 2 written to out, 0 there already." in capsys.readouterr().out
    assert files(Path("out")) == ["clap/c.mp4", "wave/a.b.mp4"]
    with open_video("out/wave/a.b.mp4") as copy:
        assert (copy.width, copy.height, copy.num_frames) == (40, 24, COUNT)
        assert copy.layout.index and len(copy.layout.index.keys) == COUNT // 2


def test_a_broken_video_stops_no_others_and_a_second_run_does_what_is_left(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = videos / "clap/broken.avi"
    broken.write_text("no video")
    options = ("resize", "videos", "out", "--short-side", "24", *FAST)
    assert run(*options) == 1
    said = capsys.readouterr().out
    assert "failed: videos/clap/broken.avi cannot be read as a video" in said
    assert "3 videos: 2 written to out, 0 there already, 1 failed." in said
    kept, cut = Path("out/wave/a.b.mp4"), Path("out/clap/c.mp4")
    before, whole = kept.stat().st_mtime_ns, cut.read_bytes()
    cut.write_bytes(whole[:-300])
    write_video(broken, COUNT, codec="mpeg4")
    assert run(*options) == 0
    assert "3 videos: 2 written to out, 1 there already." in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before and cut.read_bytes() == whole
    assert run(*options, "--overwrite") == 0
    assert "3 written to out, 0 there" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns != before


def test_several_processes_write_the_same_bytes_as_one(videos: Path) -> None:
    for number in range(3):
        write_video(videos / f"{number}.mp4", COUNT + number, size=(90, 160))
    for workers in ("1", "2"):
        size = ("--short-side", "64", "--workers", workers)
        assert run("resize", "videos", f"videos{workers}", *size) == 0
        assert run("frames", "videos", f"frames{workers}", *size) == 0
    for kind in ("videos", "frames"):
        one, two = Path(f"{kind}1"), Path(f"{kind}2")
        assert files(one) == files(two) and len(files(one)) >= 5
        assert all((one / n).read_bytes() == (two / n).read_bytes() for n in files(one))


def test_an_interrupted_run_says_how_far_it_came_and_is_gone_on_with(
    videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: CountProgress, count: float) -> None:
        raise KeyboardInterrupt

    options = ("frames", "videos", "out", "--workers", "1")
    with monkeypatch.context() as patch:
        patch.setattr(CountProgress, "advance", interrupt)
        assert run(*options) == 130
    assert (
        "2 videos: 1 written to out, 0 there already, 1 not looked at." in capsys.readouterr().out
    )
    assert not list(Path("out").rglob(".*"))
    assert run(*options) == 0
    assert " there already." in capsys.readouterr().out
    assert len(files(Path("out"))) == 2 * COUNT


def test_frames_and_flow_of_a_list_share_folders(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.txt").write_text("wave/a.b.mp4 0\n\nclap/c.mkv 1\nclap/gone.mp4 1\nclap 1\n")
    listed = ("list.txt", "raw", "--prefix", "videos", "--workers", "1")
    assert run("frames", *listed, "--fps", "25") == 1
    said = capsys.readouterr().out
    assert "failed: videos/clap/gone.mp4 does not exist" in said
    assert "failed: videos/clap is a folder: expected a video file." in said
    assert "4 videos: 2 written to raw, 0 there already, 2 failed." in said
    flow = ("flow", *listed, "--method", "farneback", "--layout", "x")
    assert run(*flow, "--dry-run") == 0
    assert "4 to write" in capsys.readouterr().out
    assert run(*flow) == 1
    assert "4 videos: 2 written to raw, 0 there already, 2 failed." in capsys.readouterr().out
    kinds = {"img": COUNT, "x": COUNT - 1, "y": COUNT - 1}
    assert files(Path("raw/wave/a.b")) == [
        f"{kind}_{n:05d}.jpg" for kind in kinds for n in range(1, kinds[kind] + 1)
    ]
    frames = open_frames(Path("raw/clap/c")).frames_at(range(COUNT))
    assert [number_shown(frame) for frame in frames] == list(range(COUNT))
    video = Path("videos/clap/c.mkv")
    computed = FlowVideo(open_video(video), video, method="farneback").frames_at([2, 3])
    stored = open_frames(Path("raw/clap/c"), flow=True).frames_at([2, 3])
    assert abs(stored.astype(int) - computed).mean() < 2
    assert run(*flow) == 1
    assert "0 written to raw, 2 there already, 2 failed" in capsys.readouterr().out
    assert run(*flow[:-1], "flow_x") == 1
    assert "flow_x_00001.jpg" in {path.name for path in Path("raw/wave/a.b").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("resize videos out", "one of the arguments --short-side --size is required"),
        ("resize videos out --size 340", "'340' is no size: expected one as 340x256"),
        ("frames videos out --fps 1/0", "'1/0' is no frame rate"),
        ("resize videos out --short-side 255", "h264 needs even sides of at least 2"),
        ("resize videos out --size 0x256", "h264 needs even sides of at least 2"),
        ("resize videos out --short-side 256 --crf 52", "--crf must be a whole number"),
        ("resize videos out --short-side 256 --gop 0", "--gop must be a whole number"),
        ("resize videos out --short-side 256 --workers 0", "--workers must be a whole number"),
        ("frames videos out --template img.jpg", "--template 'img.jpg' names no images"),
        ("frames videos out --quality 101", "--quality must be a whole number"),
        ("frames videos out --fps 0", "--fps must be a number from"),
        ("frames videos out --short-side 0", "must be a whole number of at least 1"),
        ("flow videos out --bound 0", "--bound must be a number from"),
        ("frames videos videos/out", "videos/out lies in videos, where the next run"),
        ("frames videos videos", "videos lies in videos"),
        ("flow empty out", "empty stands for no video: expected a video file or a folder"),
        ("resize gone.mp4 out --short-side 32", "gone.mp4 stands for no video"),
        ("resize videos/wave/a.b.mp4 videos/wave --short-side 32", "would be written over"),
        ("frames gone.txt out", "no list of videos gone.txt"),
        ("frames blank.txt out", "blank.txt stands for no video: expected one a line"),
        ("frames up.txt out", "up.txt: ../a.mp4 must be a path below --prefix"),
        ("frames same.txt out", "a.avi and a.mp4 would both go to"),
        ("frames videos file.txt", "file.txt cannot be used as a folder"),
    ],
)
def test_a_wrong_option_is_one_sentence_before_anything_is_written(
    arguments: str, message: str, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    for name, text in (("blank", "\n"), ("up", "../a.mp4"), ("same", "a.mp4\na.avi"), ("file", "")):
        Path(f"{name}.txt").write_text(text)
    before = files(Path())
    try:
        status = run(*arguments.split())
    except SystemExit as stopped:  # argparse
        status = int(str(stopped.code))
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert files(Path()) == before
