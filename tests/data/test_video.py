import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from praxiscope.data.video import Video, open_video
from praxiscope.data.video_index import FrameIndex, Packet
from praxiscope.errors import VideoError
from praxiscope.types import Frame
from tests.data.make_videos import (
    copy_stream,
    full_decode,
    number_shown,
    numbered_picture,
    pack_b_frames,
    write_video,
)

COUNT = 40
UNEVEN = np.cumsum([1, 1, 2, 5, 9] * (COUNT // 5)).tolist()
OPEN_GROUPS = {"x264-params": "scenecut=0:b-adapt=0:open-gop=1:b-pyramid=normal"}
REFRESH = {"x264-params": "scenecut=0:intra-refresh=1"}
ALT_REF = {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "12"}


def b_frames_in_avi(path: Path) -> Path:
    return write_video(path, COUNT, codec="mpeg4", container="avi")


def divx(path: Path) -> Path:
    return pack_b_frames(b_frames_in_avi(path.with_suffix(".source")), path)


def cut(container: str, start: int, **options: str) -> Callable[[Path], Path]:
    """A maker of a file cut out of a longer one without re-encoding."""

    def write(path: Path) -> Path:
        chosen = options or None
        source = path.with_suffix(".source")
        write_video(source, 70, gop=24, b_frames=3, options=chosen, container=container)
        return copy_stream(source, path, start=start, container=container)

    return write


def made(container: str, codec: str = "libx264", **options: object) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        return write_video(path, COUNT, codec=codec, container=container, **options)  # type: ignore[arg-type]

    return write


KINDS: dict[str, Callable[[Path], Path]] = {
    **{f"h264 in {c}": made(c) for c in ("mp4", "avi", "matroska", "mpegts", "mov", "flv")},
    **{f"mpeg4 in {c}": made(c, "mpeg4") for c in ("mp4", "avi", "matroska", "mpegts")},
    **{f"mpeg4 without B-frames in {c}": made(c, "mpeg4", b_frames=0) for c in ("mp4", "avi")},
    **{f"vp9 in {c}": made(c, "libvpx-vp9", b_frames=0) for c in ("webm", "mp4", "avi")},
    "vp9 with hidden frames": made("webm", "libvpx-vp9", b_frames=0, options=ALT_REF),
    "mjpeg in avi": made("avi", "mjpeg", b_frames=0),
    "h264 without times": made("mpeg"),
    "divx packed in avi": divx,
    "long group": made("mp4", gop=250, b_frames=3),
    "only key frames": made("mp4", gop=1, b_frames=0),
    "many B-frames": made("mp4", gop=30, b_frames=8),
    "open groups in mp4": made("mp4", b_frames=3, options=OPEN_GROUPS),
    "open groups in mpegts": made("mpegts", b_frames=3, options=OPEN_GROUPS),
    "gradual refresh": made("mp4", b_frames=0, options=REFRESH),
    "interlaced": made("matroska", size=(64, 48), options={"x264-params": "interlaced=1"}),
    "variable rate in mp4": made("mp4", times=UNEVEN),
    "variable rate in matroska": made("matroska", times=UNEVEN),
    "odd size in mpeg4": made("avi", "mpeg4", b_frames=0, size=(33, 47)),
    "odd size in vp9": made("webm", "libvpx-vp9", b_frames=0, size=(31, 49)),
    "cut at a key frame": cut("mp4", 24),
    "cut within a group": cut("mp4", 31),
    "cut just before a key frame": cut("mp4", 47),
    "cut in matroska": cut("matroska", 31),
    "cut in mpegts": cut("mpegts", 31),
    "cut open groups": cut("mp4", 31, **OPEN_GROUPS),
    "cut open groups in mpegts": cut("mpegts", 31, **OPEN_GROUPS),
    **{f"turned by {turn}": made("mp4", rotation=turn) for turn in (90, 180, 270)},
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_that_of_a_full_decode(kind: str, threads: int, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path / "video")
    truth = full_decode(path)
    rng = np.random.default_rng(0)
    with open_video(path, threads=threads) as video:
        assert (video.num_frames, video.height, video.width) == truth.shape[:3]
        for index in rng.permutation(len(truth)):
            assert np.array_equal(video.frames_at([index])[0], truth[index]), index
        for _ in range(5):
            indices = rng.integers(len(truth), size=8)
            assert np.array_equal(video.frames_at(indices), truth[indices])
        assert np.array_equal(video.frames_at(range(len(truth))[::-1]), truth[::-1])
        layout = video.layout
    if threads == 1:  # a file whose layout is known is not read through again
        with open_video(path, layout=layout) as video:
            assert np.array_equal(video.frames_at([len(truth) - 1, 0]), truth[[-1, 0]])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith(("cut", "turned"))])
def test_a_frame_shows_its_own_number(kind: str, tmp_path: Path) -> None:
    with open_video(KINDS[kind](tmp_path / "video")) as video:
        shown = [number_shown(frame) for frame in video.frames_at(range(COUNT))]
    assert shown == list(range(COUNT))


def test_a_cut_begins_where_it_was_cut(tmp_path: Path) -> None:
    with open_video(cut("mp4", 31)(tmp_path / "video")) as video:
        assert video.num_frames == 39
        assert [number_shown(frame) for frame in video.frames_at([0, 38, 5])] == [31, 69, 36]


@st.composite
def videos_and_indices(draw: st.DrawFn) -> tuple[str, str, int, int, int, list[int]]:
    codec, containers = draw(
        st.sampled_from(
            [
                ("libx264", ["mp4", "matroska", "mpegts", "avi"]),
                ("mpeg4", ["mp4", "matroska", "mpegts", "avi"]),
                ("libvpx-vp9", ["webm", "mp4"]),
            ]
        )
    )
    count = draw(st.integers(1, 40))
    b_frames = 0 if codec == "libvpx-vp9" else draw(st.integers(0, 4))
    indices = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=12))
    return (
        codec,
        draw(st.sampled_from(containers)),
        count,
        draw(st.integers(1, 50)),
        b_frames,
        indices,
    )


@settings(deadline=None, max_examples=60)
@given(drawn=videos_and_indices(), threads=st.sampled_from([1, 2]))
def test_any_frames_of_any_video_are_those_asked_for(
    drawn: tuple[str, str, int, int, int, list[int]],
    threads: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    codec, container, count, gop, b_frames, indices = drawn
    path = tmp_path_factory.mktemp("drawn") / "video"
    write_video(path, count, codec=codec, container=container, gop=gop, b_frames=b_frames)
    # FFmpeg itself opens no transport stream of so few packets, whatever is in it.
    assume(container != "mpegts" or path.stat().st_size > 11 * 188)
    with open_video(path, threads=threads) as video:
        frames = video.frames_at(indices)
    assert [number_shown(frame) for frame in frames] == indices
    assert np.array_equal(frames, full_decode(path)[indices])


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_video_is_shown_upright_as_opencv_shows_it(turn: int, tmp_path: Path) -> None:
    stored = [np.rot90(numbered_picture(n, 64, 96), -turn // 90) for n in range(5)]
    path = write_video(
        tmp_path / "phone.mp4", size=stored[0].shape[:2], rotation=turn, pictures=stored
    )
    capture = cv2.VideoCapture(str(path))
    theirs = np.stack([cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(5)])
    capture.release()
    with open_video(path) as video:
        ours = video.frames_at(range(5))
        assert (video.height, video.width) == (64, 96)
    assert [number_shown(frame) for frame in ours] == [0, 1, 2, 3, 4]
    assert np.abs(ours.astype(int) - theirs).max() <= 3  # they convert colours more roughly


@pytest.mark.parametrize(
    ("container", "fps", "times", "expected"),
    [
        ("mp4", 25, None, 25),
        ("matroska", Fraction(30000, 1001), None, 30000 / 1001),
        ("avi", 25, None, 25),
        ("mpegts", 25, None, 25),
        ("mp4", 25, UNEVEN, 25 * (COUNT - 1) / (UNEVEN[-1] - UNEVEN[0])),
        ("matroska", 25, UNEVEN, 25 * (COUNT - 1) / (UNEVEN[-1] - UNEVEN[0])),
    ],
)
def test_fps_is_the_average_rate(
    container: str,
    fps: int | Fraction,
    times: Sequence[int] | None,
    expected: float,
    tmp_path: Path,
) -> None:
    path = write_video(tmp_path / "video", COUNT, container=container, fps=fps, times=times)
    with open_video(path) as video:
        assert video.fps == pytest.approx(expected, rel=0.02 if times else 1e-6)


def test_a_repeated_frame_is_decoded_once_and_given_to_each_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", 30)
    seen: list[int] = []

    def corner(frame: Frame) -> Frame:
        seen.append(number_shown(frame))
        return frame[:4, :6]

    with open_video(path) as video:
        corners = video.frames_at([20, 3, 20, 3, 3], each=corner)
        whole = video.frames_at([20, 3, 20, 3, 3])
    assert sorted(seen) == [3, 20]
    assert np.array_equal(corners, whole[:, :4, :6])


def test_no_frames_are_an_empty_array_of_the_right_shape(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "video.mp4", 3)) as video:
        assert video.frames_at([]).shape == (0, 32, 48, 3)
        assert video.frames_at([], each=lambda frame: frame[:8, :8]).shape == (0, 8, 8, 3)


def test_a_clip_never_exists_at_full_size(tmp_path: Path) -> None:
    size = (192, 256)
    path = write_video(tmp_path / "video.mp4", 30, size=size)
    with open_video(path) as video:
        video.frames_at([0], each=lambda frame: frame[:8, :8].copy())
        tracemalloc.start()
        video.frames_at(range(30), each=lambda frame: frame[:8, :8].copy())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3 * size[0] * size[1] * 3


def packets_decoded(path: Path, indices: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> int:
    """Count the packets that the decoder gets while ``indices`` are read."""
    decode, counts = Video._decode, [0]

    def counting(self: Video, packets: Iterable[av.Packet]) -> Iterator[tuple[av.VideoFrame, bool]]:
        def counted() -> Iterator[av.Packet]:
            for packet in packets:
                counts[0] += 1
                yield packet

        return decode(self, counted())

    with open_video(path) as video, monkeypatch.context() as patch:
        patch.setattr(Video, "_decode", counting)
        video.frames_at(indices)
    return counts[0]


def test_a_known_layout_saves_the_reading_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "video.mp4", COUNT)
    with open_video(path) as video:
        layout, size = video.layout, (video.num_frames, video.height, video.width, video.fps)
    monkeypatch.setattr(Video, "_packets", lambda _: pytest.fail("the file is read"))
    with open_video(path, layout=layout) as video:
        assert (video.num_frames, video.height, video.width, video.fps) == size


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_decoding_begins_at_the_key_frame_before_and_ends_at_the_last_wanted(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "video", 96, container=container, gop=12, b_frames=2)
    assert packets_decoded(path, [60], monkeypatch) == 1
    assert packets_decoded(path, [65], monkeypatch) <= 8
    assert packets_decoded(path, [1, 65], monkeypatch) <= 12


def test_frames_nobody_refers_to_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", 48, gop=48, b_frames=3)
    with open_video(path) as video:
        assert isinstance(video, Video)
        index = video.layout.index
        assert index is not None
        last = int(index.times[47])
        given = [f for f, _ in video._decode(video._packets_for(index, 0, {last}))]
    assert len(given) == 24  # of every 4 frames, two: a P-frame and the B-frame others refer to


@pytest.mark.parametrize("index", [-1, 30, 1000])
def test_an_index_outside_names_the_range(index: int, tmp_path: Path) -> None:
    says = pytest.raises(IndexError, match=rf"video.mp4 has frames 0 to 29, but not {index}")
    with open_video(write_video(tmp_path / "video.mp4", 30)) as video, says:
        video.frames_at([0, index])


def test_a_fraction_is_no_index(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "video.mp4", 30)) as video, pytest.raises(TypeError):
        video.frames_at([1.5])  # type: ignore[list-item]


def test_numpy_and_python_integers_are_the_same_index(tmp_path: Path) -> None:
    with open_video(str(write_video(tmp_path / "video.mp4", 30))) as video:
        assert np.array_equal(video.frames_at(np.array([7, 2])), video.frames_at([7, 2]))


def test_an_error_in_each_leaves_the_video_usable(tmp_path: Path) -> None:
    def fail(frame: Frame) -> Frame:
        raise RuntimeError("mine")

    with open_video(write_video(tmp_path / "video.mp4", 30)) as video:
        with pytest.raises(RuntimeError, match="mine"):
            video.frames_at([5, 20], each=fail)
        assert number_shown(video.frames_at([9])[0]) == 9


def test_a_leading_picture_belongs_to_the_key_frame_before() -> None:
    def packet(time: int, is_key: bool = False) -> Packet:
        return Packet(time, None, is_key, is_hidden=False, num_bytes=1)

    # decoded 0 3 1 2 | 6 4 5 | 7, where 6 is a key frame that 4 and 5 are shown before
    packets = [packet(0, True), *map(packet, (3, 1, 2)), packet(6, True), *map(packet, (4, 5, 7))]
    index = FrameIndex.of(packets)
    assert index is not None
    assert index.by_key_frame(range(8)) == {0: {0, 1, 2, 3, 4, 5}, 4: {6, 7}}


@pytest.mark.parametrize(
    ("times", "keys"),
    [
        ([0, 2, 2, 3], [0]),  # two packets of one time
        ([0, None, 2, 3], [0]),  # one without time
        ([0, 1, 2, 3], [1]),  # begins between key frames
        ([2, 0, 1, 3], [0]),  # shown before the first key frame
        ([4, 5, 0, 1], [0, 2]),  # time jumps back
        ([], []),
    ],
)
def test_packets_that_do_not_tell_the_order_give_no_index(
    times: list[int | None], keys: list[int]
) -> None:
    packets = [Packet(time, None, n in keys, False, 1) for n, time in enumerate(times)]
    assert FrameIndex.of(packets) is None


def test_the_size_may_not_change_within_a_video(tmp_path: Path) -> None:
    parts = [write_video(tmp_path / f"{h}.ts", 12, size=(h, 48)) for h in (32, 64)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path) as video:
        assert number_shown(video.frames_at([3])[0]) == 3
        with pytest.raises(
            VideoError, match=r"joined.ts: frame 15 is 48x64, but the first is 48x32"
        ):
            video.frames_at([15])


def test_closing_twice_is_harmless_and_the_name_remains(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", 3)
    video = open_video(path)
    video.close()
    video.close()
    assert video.path == path
    with pytest.raises(AssertionError, match="is closed"):
        video.frames_at([0])


def test_pyav_stays_as_quiet_as_it_was(tmp_path: Path) -> None:
    before = av.logging.get_level()
    open_video(write_video(tmp_path / "video.mp4", 3)).close()
    assert av.logging.get_level() == before
