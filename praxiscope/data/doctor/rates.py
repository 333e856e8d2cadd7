"""Whether videos on disk are as fast and as long as their list says."""

from collections.abc import Mapping, Sequence
from math import inf

from praxiscope.data.ava_files import Source
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.doctor.findings import Finding, judge
from praxiscope.data.doctor.rows import Floats, Rows
from praxiscope.data.doctor.videos import Look

RATES = (23.976, 24, 25, 29.97, 30, 50, 59.94, 60)  # at which videos usually are
SAME_RATE = 0.02  # share: a second more or less of a clip, the rounding of a header
DRIFT = 0.1  # seconds by which the key frame is another picture


def check_rates(
    ava: AvaList,
    rows: Rows,
    sources: Sequence[Source | None],
    end: Floats,
    looks: Mapping[int, Look],
) -> list[Finding]:
    """Judge the opened videos, by what the list says of each: (V,) sources, (V,) ends."""
    known = [
        (one, source, float(end[video]), float(rows.timestamp[rows.of_video(video)].max()))
        for video, one in looks.items()
        if (source := sources[video]) is not None and one.num_frames is not None
    ]
    files = [(one, source, last) for one, source, _, last in known if one.fps is not None]
    folders = [
        (one, source, until - source.first_timestamp)
        for one, source, until, _ in known
        if one.fps is None and source.first_timestamp < until < inf
    ]
    return [
        *_check_files(files),
        _check_folders(folders),
        _check_cuts([(one, source, until) for one, source, until, _ in known]),
    ]


def _check_files(files: Sequence[tuple[Look, Source, float]]) -> list[Finding]:
    """Judge the frame rates of video files; each with its last key frame's time."""
    wrong, drifting = [], []
    for one, source, last in files:
        assert one.fps is not None
        share = abs(one.fps / source.fps - 1)
        if share > SAME_RATE:
            wrong.append((one, source))
        elif share * (last - source.first_timestamp) > DRIFT:
            drifting.append((one, source))
    rates = {f"{one.fps:g}" for one, _ in wrong}
    advice = "Key frames are at wrong places. "
    if len(rates) == 1:
        advice += f"Set fps={rates.pop()}."
    else:
        advice += "Give each video its fps in sources, or bring all to one."

    def show(found: Sequence[tuple[Look, Source]]) -> str:
        one, source = found[0]
        return f"{one.path}: {one.fps:.6g} frames a second, the list says {source.fps:g}"

    return [
        judge("error", "videos of another frame rate", len(wrong), lambda: show(wrong), advice),
        judge(
            "warning",
            f"videos whose frame rate takes key frames {DRIFT} s and more away",
            len(drifting),
            lambda: show(drifting),
            "Set fps to their exact rate, as 30000/1001 = 29.97003.",
        ),
    ]


def _check_folders(folders: Sequence[tuple[Look, Source, float]]) -> Finding:
    """Judge the numbers of images by the seconds that they should show.

    One video may be shorter than the list's times. If most have just as many images as another
    usual rate gives, it is the rate.
    """
    found: dict[float, list[tuple[Look, Source, float]]] = {}
    for one, source, seconds in folders:
        implied = (one.num_frames or 0) / seconds
        rate = min(RATES, key=lambda rate: abs(rate - implied))
        if abs(implied / source.fps - 1) > SAME_RATE and abs(implied / rate - 1) < SAME_RATE / 2:
            found.setdefault(rate, []).append((one, source, seconds))
    rate, same = max(found.items(), key=lambda item: len(item[1]), default=(0.0, []))
    if 2 * len(same) <= len(folders):
        same = []

    def show() -> str:
        one, source, seconds = same[0]
        return (
            f"{one.path}: {one.num_frames} images for {seconds:g} s, as at {rate:g} a second; the "
            f"list says {source.fps:g}"
        )

    return judge(
        "error",
        "folders with as many images as another frame rate gives",
        len(same),
        show,
        f"Key frames are at wrong places. Set fps={rate:g}, or first_timestamp and last_timestamp "
        "to the seconds that the images show.",
    )


def _check_cuts(videos: Sequence[tuple[Look, Source, float]]) -> Finding:
    """Judge whether videos are the part that the list's times name; each with its end."""
    whole = []
    for one, source, until in videos:
        seconds = (one.num_frames or 0) / (one.fps or source.fps)
        if 0 < source.first_timestamp < until <= seconds < inf:
            whole.append((one, source, until, seconds))

    def show() -> str:
        one, source, until, seconds = whole[0]
        return (
            f"{one.path} lasts {seconds:.0f} s; the list's times are {source.first_timestamp:g} to "
            f"{until:g}"
        )

    return judge(
        "error",
        "videos that seem to be whole, where the list means a part of them",
        len(whole),
        show,
        "Their first frame is taken for first_timestamp. Set it to 0, or cut the videos.",
    )
