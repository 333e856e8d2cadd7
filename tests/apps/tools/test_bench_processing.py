"""The time that loading takes, and where it goes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from praxiscope.apps.tools.bench_processing import Clock, time_loading
from praxiscope.cli import tool_main
from praxiscope.data.lists import Record, VideoList
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.transforms import Plan, Views
from praxiscope.errors import DataError
from praxiscope.types import Frame, Frames, FrameSource, Indices
from tests.apps.tools.recipe_file import write_motion_recipe
from tests.data.fakes import FakeSource, open_fake

OPEN, DECODE, TRANSFORM = 0.04, 0.02, 0.01  # seconds; decode and transform of a frame


class SlowSource(FakeSource):
    def frames_at(
        self, indices: Sequence[int] | Indices, each: Callable[[Frame], Frame] | None = None
    ) -> Frames:
        time.sleep(DECODE * len(indices))
        return super().frames_at(indices, each)


def open_slowly(videos: VideoList, record: Record, threads: int) -> FrameSource:
    time.sleep(OPEN)
    return SlowSource(8)


class SlowViews:
    """Views whose transform takes its time."""

    def __init__(self, views: Views) -> None:
        self.views = views

    def plan(self, height: int, width: int) -> Plan:
        plan = self.views.plan(height, width)

        def each(frame: Frame) -> Frames:
            time.sleep(TRANSFORM)
            return plan.each(frame)

        return Plan(plan.size_px, each)

    def __getattr__(self, name: str) -> object:
        return getattr(self.views, name)


def test_the_time_of_every_step_is_told_apart() -> None:
    views = SlowViews(Views(size=16, short_side=16))
    dataset = RecognitionDataset(
        VideoList(root=Path(), num_classes=2),
        Clip(frames=4, stride=1),
        views,  # type: ignore[arg-type]
        records=[Record(f"{n}.fake", (0,)) for n in range(6)],
        open_source=open_slowly,
    )
    start = time.perf_counter()
    loading = time_loading(dataset, 4, 2)
    taken = time.perf_counter() - start
    assert (loading.num_videos, loading.num_broken) == (2, 0)  # the first batch is not counted
    assert dataset.open_source is open_slowly
    steps = loading.steps
    assert steps["open"] >= OPEN and steps["decode (with seek)"] >= 4 * DECODE
    assert steps["resize, crop, flip"] >= 4 * TRANSFORM
    assert sum(steps.values()) * 2 == pytest.approx(2 / loading.videos_per_second)
    assert sum(steps.values()) * 2 < taken
    assert all(seconds >= 0 for seconds in steps.values())


def test_measuring_changes_no_sample_and_broken_videos_are_not_counted() -> None:
    records = [Record(name, (1,)) for name in ("9.fake", "broken.fake", "12.fake", "9.fake")]
    dataset = RecognitionDataset(
        VideoList(root=Path(), num_classes=2),
        Clip(frames=4, stride=2),
        Views(size=16, short_side=20, crops=3),
        records=records,
        open_source=open_fake,
    )
    plain = dataset[0]
    dataset.open_source = Clock().timed(open_fake)
    timed = dataset[0]
    assert plain.clips.equal(timed.clips)  # type: ignore[union-attr]
    dataset.open_source = open_fake
    loading = time_loading(dataset, 100, 1)
    assert (loading.num_videos, loading.num_broken) == (2, 1)
    assert all(seconds >= 0 for seconds in loading.steps.values())
    dataset.records = (records[1],)
    with pytest.raises(DataError, match="none of its first 1 videos can be used"):
        time_loading(dataset, 100, 1)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_published_command_prints_the_speed(
    split: str, workdir: Path, motions: MotionDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_motion_recipe(workdir / "recipe.py", motions)
    assert tool_main("bench_processing", [str(recipe), "--split", split]) == 0
    said = capsys.readouterr().out
    assert "videos/s in one process" in said and "decode (with seek)" in said
    assert list(workdir.iterdir()) == [recipe]
