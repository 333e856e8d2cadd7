"""``praxiscope data proposals`` with a person provider that is not one."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from praxiscope.apps import data_proposals
from praxiscope.apps.persons import Persons
from praxiscope.apps.persons.provider import persons_above
from praxiscope.cli import main
from praxiscope.data.ava import AvaDataset
from praxiscope.data.ava_files import read_proposals
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.proposal_files import write_proposals
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles, write_ava_dataset
from praxiscope.data.video import Video
from praxiscope.models.box_sampling import iou
from praxiscope.types import Frame

VIDEOS = ActorVideos(seconds=3)
RECIPE = """
from pathlib import Path
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import ActorVideos, AvaDatasetFiles
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Sgd


def recipe() -> DetectionRecipe:
    actors = AvaDatasetFiles(Path(__file__).with_name("data"), ActorVideos(seconds=3))
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=81)),
        clip=Clip(frames=4, stride=2),
        train=actors.list("train"),
        val=actors.list("val"),
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        optim=Sgd(lr=0.1, batch=4),
        schedule=Cosine(epochs=1),
    )
"""


@dataclass
class Seer:
    """Finds persons where it likes; what it likes depends on the picture."""

    name: str = "seer"
    seen: list[tuple[Frame, float]] = field(default_factory=list)
    stop_after: int = 1000

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        if len(self.seen) == self.stop_after:
            raise KeyboardInterrupt
        self.seen.append((frame.copy(), seconds))
        return persons_of(frame)


def persons_of(frame: Frame) -> Persons:
    left = frame[:, :80].mean() / 1000
    top = frame[::2].mean() / 1000
    boxes = [[left, top, left + 0.3, top + 0.5], [0.5, 0.2, 0.9, 0.7]]
    return persons_above(0.0, boxes, [left + 0.6, top])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("proposals")
    write_ava_dataset(root / "data", train_videos=0, val_videos=3, videos=VIDEOS)
    (root / "tiny.py").write_text(RECIPE)
    return root


@pytest.fixture
def dataset(written: Path, workdir: Path) -> AvaList:
    """The list of a copy in the working directory, whose recipe is tiny.py."""
    shutil.copytree(written, workdir, dirs_exist_ok=True)
    return AvaDatasetFiles(workdir / "data", VIDEOS).list("val")


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Seer]]:
    """Run the command on the recipe's list; return the exit status and who looked."""

    def run(*options: str, stop_after: int = 1000, what: str = "tiny.py") -> tuple[int, Seer]:
        seer = Seer(stop_after=stop_after)
        monkeypatch.setattr(data_proposals, "find_provider", lambda *_, **__: seer)
        given = [what] if what else []
        return main(["data", "proposals", *given, "--persons", "seer", *options]), seer

    return run


def test_the_written_file_gives_the_list_what_was_found_in_the_middle_frames_of_its_clips(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset.proposals is not None
    dataset.proposals.unlink()  # it is not needed
    status, seer = see("--out", "new.pkl")
    assert status == 0
    ava = replace(dataset, proposals=Path("new.pkl"), min_score=0)
    unscaled = BoxTransform(short_side=(VIDEOS.height, VIDEOS.height), size=None, flip=0)
    samples = AvaDataset(ava, Clip(frames=4, stride=2), unscaled, training=False)
    assert len(seer.seen) == len(samples) > 6
    for index, (frame, seconds) in enumerate(seer.seen):
        sample, key_frame = samples[index], samples.key_frames[index]
        assert seconds == key_frame.timestamp - VIDEOS.first_timestamp
        np.testing.assert_array_equal(frame, sample.clip[:, 2].permute(1, 2, 0).numpy())
        persons = persons_of(frame)
        np.testing.assert_array_equal(key_frame.proposals, persons.boxes)
        np.testing.assert_array_equal(key_frame.scores, persons.scores)
    assert f"{2 * len(samples)} boxes in {len(samples)} of {len(samples)} key frames" in (
        capsys.readouterr().out
    )


def test_a_search_that_was_interrupted_ends_with_the_same_file(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]]
) -> None:
    status, undisturbed = see("--out", "whole.pkl")
    assert status == 0
    assert see("--out", "new.pkl", stop_after=5)[0] == 130
    assert not Path("new.pkl").exists()
    kept = list(Path("new.pkl.parts").iterdir())
    assert len(kept) == 1
    status, second = see("--out", "new.pkl")
    assert status == 0
    assert len(second.seen) < len(undisturbed.seen)
    assert Path("new.pkl").read_bytes() == Path("whole.pkl").read_bytes()
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # a damaged part is made anew
    status, third = see("--out", "new.pkl", "--overwrite")
    assert (status, len(third.seen) + len(second.seen)) == (0, len(undisturbed.seen))
    status, other = see("--out", "new.pkl", "--overwrite", "--min-person-score", "0.2")
    assert (status, len(other.seen)) == (0, len(undisturbed.seen))  # other options, other parts
    os.utime(dataset.root / "val_00001.mp4", (1, 1))  # as if it were another
    status, again = see("--out", "new.pkl", "--overwrite")
    assert status == 0
    assert 0 < len(again.seen) <= VIDEOS.seconds
    assert Path("new.pkl").read_bytes() == Path("whole.pkl").read_bytes()


def test_broken_videos_are_named_and_left_out_on_request(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]], capsys: pytest.CaptureFixture[str]
) -> None:
    video = dataset.root / "val_00001.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[:1000])
    status, _ = see("--out", "new.npz")
    assert status == 1
    shown = capsys.readouterr().out
    assert re.search(r"broken: val_00001: .*val_00001\.mp4", shown)
    assert "3 videos: 2 looked at, 0 there already, 1 broken." in shown
    assert "give --skip-broken to write it without them" in shown
    assert not Path("new.npz").exists()
    status, seer = see("--out", "new.npz", "--skip-broken")
    assert (status, seer.seen) == (1, [])
    assert {name for name, _ in read_proposals(Path("new.npz"))} == {"val_00000", "val_00002"}
    video.write_bytes(whole)
    status, seer = see("--out", "new.npz", "--overwrite")
    assert status == 0
    assert 0 < len(seer.seen) <= VIDEOS.seconds
    assert {name for name, _ in read_proposals(Path("new.npz"))} == {
        f"val_{number:05d}" for number in range(3)
    }


def test_recalls_are_those_of_the_boxes_that_lists_take(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert see("--out", "new.csv", "--compare", str(dataset.proposals))[0] == 0
    rows = [
        re.findall(r"[\w.]+", line)
        for line in capsys.readouterr().out.splitlines()
        if re.search(r"│ .*%", line)
    ]
    expected = []
    for path in (Path("new.csv"), dataset.proposals):
        for least in (0.9, 0.0):
            met, given = [], []
            for moment in read_key_frames(replace(dataset, proposals=path, min_score=least)):
                proposed = torch.tensor(moment.proposals)
                met += iou(torch.tensor(moment.boxes), proposed).amax(1).tolist()
                given.append(len(proposed))
            shares = [f"{np.mean(np.array(met) >= at):.1%}"[:-1] for at in (0.5, 0.9)]
            assert path is not None
            expected.append([path.name, f"{least:g}", f"{np.mean(given):.1f}", *shares])
    assert rows == expected
    assert float(rows[2][3]) > 80  # the list's own are made from the true boxes


def test_a_folder_of_videos_gets_a_key_frame_a_second(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]], capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Path("shop/cam 1")
    shop.mkdir(parents=True)
    shutil.copy(dataset.root / "val_00000.mp4", shop / "a,b.mp4")
    (shop / "bad.mp4").write_bytes(b"nothing")
    (shop / "a\nb.mp4").write_bytes(b"nothing")
    options = ("--videos", "shop", "--first-timestamp", "900", "--out", "new.csv", "--skip-broken")
    status, seer = see(*options, what="")
    assert status == 1
    shown = capsys.readouterr().out
    assert "broken: cam 1/bad" in shown
    assert r"broken: 'cam 1/a\nb': 'cam 1/a\nb' is no name for a video" in shown
    assert "3 videos: 1 looked at, 0 there already, 2 broken." in shown
    frames = Video(shop / "a,b.mp4").frames_at([0, VIDEOS.fps, 2 * VIDEOS.fps])
    assert [seconds for _, seconds in seer.seen] == [0, 1, 2]
    found = read_proposals(Path("new.csv"))
    for second, frame in enumerate(frames):
        np.testing.assert_array_equal(seer.seen[second][0], frame)
        boxes = found["cam 1/a,b", 900 + second]
        np.testing.assert_array_equal(boxes[:, :4], persons_of(frame).boxes)
    shutil.copy(shop / "bad.mp4", shop / "a,b.mkv")
    assert see(*options, "--overwrite", what="")[0] == 2
    assert "would both be 'cam 1/a,b': rename one" in capsys.readouterr().err


def test_a_dry_run_looks_at_nothing_and_writes_nothing(
    dataset: AvaList, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset.root / "val_00002.mp4").unlink()
    before = sorted(workdir.rglob("*"))
    command = ["data", "proposals", "tiny.py", "--persons", "torchvision", "--out", "new.pkl"]
    assert main([*command, "--dry-run"]) == 1
    shown = capsys.readouterr().out
    assert f"val_00000: {VIDEOS.seconds} key frames of" in shown
    assert "broken: val_00002: there is no" in shown
    assert "0 videos there already, 1 broken." in shown
    assert [path for path in sorted(workdir.rglob("*")) if "__pycache__" not in str(path)] == before


def test_cuts_of_one_video_are_found_by_the_name_of_the_whole(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]]
) -> None:
    for number, span in enumerate(("000012_000015", "000014_000017")):
        shutil.copy(dataset.root / f"val_0000{number}.mp4", dataset.root / f"film_{span}.mp4")
    lines = "film_000012_000015,0013,.1,.1,.5,.5,1,0\nfilm_000014_000017,0015.5,.1,.1,.5,.5,1,0\n"
    Path("cuts.csv").write_text(lines)
    changes = ["val.annotations=cuts.csv", "val.trimmed=True", "val.excluded=None"]
    status, seer = see("--cfg-options", *changes, "--out", "new.pkl")
    assert status == 0
    assert [seconds for _, seconds in seer.seen] == [1, 1.5]
    assert read_proposals(Path("new.pkl")).keys() == {("film", 13), ("film", 15.5)}
    ava = replace(dataset, annotations=Path("cuts.csv"), trimmed=True, excluded=None)
    for moment, (frame, _) in zip(
        read_key_frames(replace(ava, proposals=Path("new.pkl"), min_score=0)),
        seer.seen,
        strict=True,
    ):
        np.testing.assert_array_equal(moment.proposals, persons_of(frame).boxes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "new.json"], "expected a file name that ends in .pkl, .npz, .csv"),
        (["--out", "data/val.csv", "--overwrite"], "is read by this command: name another file"),
        (["--out", "data/val_proposals.pkl"], "is there already: give --overwrite"),
        (["--out", "new.pkl", "--fps", "25"], "change them with --cfg-options, as val.fps=25"),
        (["--out", "new.pkl", "--videos", "data"], "goes with a list that has annotations"),
        (["--out", "new.pkl", "--min-person-score", "2"], "--min-person-score"),
        (["--out", "new.pkl", "--split", "train"], "train.csv gives no key frames"),
        (["--out", "new.pkl", "--compare", "no.pkl"], "There is no proposals file no.pkl"),
    ],
)
def test_wrong_options_are_named_before_anything_is_done(
    dataset: AvaList, see: Callable[..., tuple[int, Seer]], options: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    status, seer = see(*options)
    assert (status, seer.seen) == (2, [])
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("new.pkl.parts").exists()


def test_a_provider_that_there_is_not_leaves_nothing_behind(
    dataset: AvaList, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "proposals", "tiny.py", "--persons", "hug", "--out", "new.pkl"]) == 2
    assert "Did you mean 'hog'?" in capsys.readouterr().err
    assert not Path("new.pkl.parts").exists()


@pytest.mark.parametrize("suffix", [".pkl", ".npz", ".csv"])
def test_every_format_gives_back_the_same_numbers(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    moments = [("a", 902.0), ("b,c/d", 4.5), ("e", 1234.56789), ("f", 0.0)]
    given = {moment: rng.random((3, 5), np.float32) for moment in moments}
    path = tmp_path / f"proposals{suffix}"
    write_proposals(path, given | {("empty", 1.0): np.empty((0, 5), np.float32)})
    read = read_proposals(path)
    assert read.keys() == given.keys()
    for moment, boxes in given.items():
        np.testing.assert_array_equal(read[moment], boxes)


def test_persons_of_a_proposals_file_are_those_of_each_video(
    dataset: AvaList, workdir: Path
) -> None:
    persons = ["--persons", str(dataset.proposals), "--min-person-score", "0.5"]
    assert main(["data", "proposals", "tiny.py", *persons, "--out", "new.npz"]) == 0
    ours, theirs = (
        read_key_frames(replace(dataset, proposals=path, min_score=0.9))
        for path in (Path("new.npz"), dataset.proposals)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.boxes.shape == other.boxes.shape
        assert one.proposals is not None
        assert other.proposals is not None
        assert sorted(one.proposals.tolist()) == sorted(other.proposals.tolist())
