"""Persons and actions drawn on frames."""

import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.apps.actors import Actor, Moment
from praxiscope.apps.render import lay_out
from praxiscope.apps.render_actions import (
    PALETTE,
    Style,
    actors_at,
    annotate_actions,
    draw_actions,
    place,
    track_colour,
)
from praxiscope.apps.streams import TimedFrame, open_stream
from praxiscope.errors import PraxiscopeError
from tests.apps.videos import write_video

NAMES = ("sit", "stand", "carry/hold (an object)")
ACTIONS = np.array([0.9, 0.2, 0.6], np.float32)
GREY = np.full((240, 426, 3), 128, np.uint8)


def actor(track: int, x: float, *probabilities: float) -> Actor:
    box = np.array([x, 0.4, x + 0.2, 0.9], np.float32)
    return Actor(box, 1.0, track, np.array(probabilities or (0.9, 0.2, 0.6), np.float32), NAMES)


def stills(count: int, fps: float = 10) -> Iterator[TimedFrame]:
    for number in range(count):
        yield TimedFrame(number, number / fps, GREY.copy)


def drawn(moments: list[Moment], count: int = 30) -> list[np.ndarray]:
    return [image for _, image in draw_actions(stills(count), iter(moments), Style())]


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=2)


def test_boxes_move_in_a_straight_line_from_key_frame_to_key_frame() -> None:
    before = Moment(1.0, 30, (actor(1, 0.1), actor(2, 0.5)))
    after = Moment(2.0, 60, (actor(1, 0.3), actor(3, 0.7)))
    for seconds, tracks, x in ((1.0, [1, 2], 0.1), (1.25, [1, 2], 0.15), (1.75, [1, 3], 0.25)):
        shown = actors_at(seconds, before, after)
        assert [one.track for _, one in shown] == tracks
        assert shown[0][1].box[0] == pytest.approx(x)
    assert [one.track for _, one in actors_at(2.3, after, None)] == [1, 3]
    assert actors_at(2.8, after, None) == []
    assert actors_at(0.2, None, before) == [] and actors_at(0, None, None) == []
    far = Moment(9.0, 270, (actor(1, 0.3),))
    assert actors_at(5.0, before, far) == []  # nobody knows where the person was


def test_nobody_leaves_the_picture_as_it_is() -> None:
    for image in drawn([Moment(0, 0, ()), Moment(1, 10, ())]):
        np.testing.assert_array_equal(image, GREY)


def test_a_person_has_a_box_in_the_colour_of_the_track_and_the_best_actions() -> None:
    images = drawn([Moment(0, 0, (actor(2, 0.5),)), Moment(1, 10, (actor(2, 0.5),))], 11)
    for image in images:
        assert (image == PALETTE[1]).all(axis=2).sum() > 300
        rows = np.flatnonzero(changed(image)[:, 250])
        assert rows.min() < 0.4 * 240 - 20  # the panel above the box
    unsure = actor(2, 0.5, 0.1, 0.1, 0.1)
    (image,) = drawn([Moment(0, 0, (unsure,))], 1)
    assert np.flatnonzero(changed(image).any(axis=1)).min() > 0.4 * 240 - 5  # the box alone


def test_colours_differ_among_seven_tracks_and_come_again() -> None:
    assert len({track_colour(track) for track in range(1, 8)}) == 7
    assert track_colour(8) == track_colour(1)


@given(
    corners=st.lists(
        st.tuples(*[st.floats(0, 1)] * 4).map(lambda c: (*map(min, c[:2], c[2:]), *c[2:])),
        min_size=1,
        max_size=6,
    ),
    size=st.sampled_from([(240, 426), (1080, 1920), (64, 64)]),
)
@settings(deadline=None, max_examples=60)
def test_panels_stay_within_the_frame(
    corners: list[tuple[float, float, float, float]], size: tuple[int, int]
) -> None:
    height, width = size
    panel = lay_out([("carry/hold (an object)", 0.9), ("sit", 0.5)], height, width)
    taken: list[tuple[int, int, int, int]] = []
    for x1, y1, x2, y2 in corners:
        box = round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)
        left, top = place(panel, box, taken, height, width)
        assert 0 <= left <= width - panel.width and 0 <= top <= height - panel.height
        taken.append((left, top, left + panel.width, top + panel.height))


def test_panels_of_neighbours_do_not_cover_each_other() -> None:
    panel = lay_out([("sit", 0.9), ("stand", 0.5)], 160, 240)
    taken: list[tuple[int, int, int, int]] = []
    for x in (40, 80, 120, 160):
        left, top = place(panel, (x, 100, x + 60, 220), taken, 240, 426)
        here = (left, top, left + panel.width, top + panel.height)
        for other in taken:
            assert (
                here[0] >= other[2]
                or other[0] >= here[2]
                or (here[1] >= other[3] or other[1] >= here[3])
            )
        taken.append(here)


def test_the_written_video_has_the_frames_size_and_times_of_its_source(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 700, 740, 780]
    source = write_video(tmp_path / "in.mp4", frames=8, times=times)
    stream = open_stream(source)
    moments = iter([Moment(0, 0, (actor(1, 0.2),)), Moment(0.5, 5, (actor(1, 0.3),))])
    assert annotate_actions(tmp_path / "o.mp4", stream.frames(), moments, fps=stream.fps) == 8
    with av.open(str(tmp_path / "o.mp4")) as copy:
        video = copy.streams.video[0]
        assert (video.height, video.width, video.codec_context.name) == (72, 96, "h264")
        shown = [frame.pts * frame.time_base for frame in copy.decode(video)]
    assert shown == [Fraction(time, 1000) for time in times]


def test_an_odd_size_is_made_even_and_other_files_than_mp4_refused(tmp_path: Path) -> None:
    odd = [TimedFrame(n, n / 10, lambda: np.zeros((61, 83, 3), np.uint8)) for n in range(3)]
    annotate_actions(tmp_path / "o.mp4", odd, iter([]), fps=10)
    with av.open(str(tmp_path / "o.mp4")) as copy:
        assert (copy.streams.video[0].height, copy.streams.video[0].width) == (62, 84)
    with pytest.raises(PraxiscopeError, match=r"o.avi: annotated videos are written as .mp4"):
        annotate_actions(tmp_path / "o.avi", odd, iter([]), fps=10)
    with pytest.raises(PraxiscopeError, match="no picture before the stop"):
        annotate_actions(tmp_path / "p.mp4", [], iter([]), fps=10)
    assert not (tmp_path / "p.mp4").exists()


def test_moments_are_read_one_ahead_of_the_frames() -> None:
    read: list[float] = []

    def moments() -> Iterator[Moment]:
        for second in range(4):
            read.append(second)
            yield Moment(second, 10 * second, (actor(1, 0.1 * second),))

    ahead = [read[-1] for _ in draw_actions(stills(40), moments(), Style())]
    assert ahead[:30] == [1] * 10 + [2] * 10 + [3] * 10
    assert all(later >= sooner for sooner, later in pairwise(ahead))


def test_a_crowd_is_drawn_in_a_moment() -> None:
    rng = np.random.default_rng(0)
    crowd = [
        Actor(np.array([x, y, x + 0.1, y + 0.2], np.float32), 1.0, n, ACTIONS, NAMES)
        for n, (x, y) in enumerate(rng.uniform(0, 0.8, (200, 2)), 1)
    ]
    started = time.process_time()
    (image,) = drawn([Moment(0.0, 0, tuple(crowd))], count=1)
    assert time.process_time() - started < 5  # 17 where panels are compared one by one
    assert changed(image).mean() > 0.5
