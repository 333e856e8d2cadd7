import base64
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest

from praxiscope.apps.charts import confusion, curves_by_quantity, line_chart, nice_ticks
from praxiscope.apps.report import (
    MAX_CLIP_BYTES,
    ClipResult,
    Curve,
    Report,
    choose_clips,
    render_report,
    write_report,
)
from praxiscope.errors import DataError

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=y>&"
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Collects elements and texts, and insists that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def write_clip(path: Path, frames: int = 6) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for value in range(frames):
            image = np.full((48, 64, 3), 40 * value, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path


def report_of(clips: Sequence[ClipResult] = ()) -> Report:
    return Report(
        title="A run",
        headline={"top-1": "0.98", "test videos": "240"},
        curves=[
            Curve("train loss", [1, 2, 3], [2.0, 1.0, 0.5]),
            Curve("train accuracy", [1, 2, 3], [0.2, 0.6, 0.9]),
            Curve("validation accuracy", [2, 3], [0.5, 0.8]),
        ],
        class_names=["left", "right"],
        confusion=np.array([[9, 1], [0, 4]]),
        clips=clips,
        settings={"model": "SlowFast", "seed": "0"},
        notes="What this is.",
    )


def test_the_page_tells_the_run(tmp_path: Path) -> None:
    clip = ClipResult(write_clip(tmp_path / "a.mp4"), "left", {"left": 0.2, "right": 0.8})
    page = Page(render_report(report_of([clip])))
    for told in [
        "A run", "What this is.", "0.98", "240", "Loss", "Accuracy",
        "true class left", "predicted right", "✗ wrong", "80%", "20%", "a.mp4", "SlowFast",
    ]:  # fmt: skip
        assert told in page.text


def test_the_page_asks_for_nothing_outside_itself_and_runs_nothing(tmp_path: Path) -> None:
    clip = ClipResult(write_clip(tmp_path / "a.mp4"), "left", {"left": 1.0, "right": 0.0})
    html = render_report(report_of([clip]))
    page = Page(html)
    assert "http://" not in html and "https://" not in html
    assert not re.search(r"@import|url\(", html)
    assert page.all("script") == []
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "poster", "data", "action"):
            assert (attributes.get(name) or "data:").startswith("data:")
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv"))
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_the_clips_play_back_from_the_page(tmp_path: Path) -> None:
    clips = [
        ClipResult(write_clip(tmp_path / f"{n}.mp4", n), "left", {"left": 1.0}) for n in (3, 5)
    ]
    videos = Page(render_report(report_of(clips))).all("video")
    for video, frames in zip(videos, (3, 5), strict=True):
        assert {"autoplay", "loop", "muted", "playsinline", "controls"} <= set(video)
        kind, data = (video["src"] or "").split(",", 1)
        assert kind == "data:video/mp4;base64"
        with av.open(io.BytesIO(base64.b64decode(data, validate=True))) as container:
            assert len(list(container.decode(video=0))) == frames


def test_every_picture_has_words(tmp_path: Path) -> None:
    clip = ClipResult(write_clip(tmp_path / "a.mp4"), "left", {"left": 0.3, "right": 0.7})
    page = Page(render_report(report_of([clip])))
    (video,) = page.all("video")
    assert video["aria-label"] == "a.mp4: true class left, predicted right, wrong"
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(charts) == 2
    assert "train loss from 2 to 0.5" in (charts[0]["aria-label"] or "")
    assert all(svg.get("aria-hidden") or svg.get("aria-label") for svg in page.all("svg"))
    assert len(page.all("caption")) == 2  # the matrix, the mix-ups
    assert all(header.get("scope") for header in page.all("th"))


def test_names_and_texts_cannot_become_markup(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "<img src=x onerror=y>&.mp4")
    hostile = Report(
        title=HOSTILE,
        headline={HOSTILE: HOSTILE},
        curves=[Curve(HOSTILE, [1, 2], [0.1, 0.2])],
        class_names=[HOSTILE, "b"],
        confusion=np.array([[1, 2], [3, 4]]),
        clips=[ClipResult(video, HOSTILE, {"b": 0.9, HOSTILE: 0.1})],
        settings={HOSTILE: HOSTILE},
        notes=HOSTILE,
    )
    page = Page(render_report(hostile))
    assert page.all("script") == [] and page.all("img") == []
    assert page.text.count("<script>alert('x')</script>") >= 8
    assert "<img src=x onerror=y>&.mp4" in page.text


def test_a_clip_that_is_too_large_or_unplayable_is_left_out_with_the_reason(
    tmp_path: Path,
) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(MAX_CLIP_BYTES + 1000))
    old = tmp_path / "old.avi"
    old.write_bytes(b"RIFF")
    page = Page(
        render_report(report_of([ClipResult(p, "left", {"left": 1.0}) for p in (large, old)]))
    )
    assert page.all("video") == []
    assert "Left out: 201 kB, and a clip may have 200 kB here." in page.text
    assert "Browsers don't play .avi files." in page.text


def test_a_clip_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    clip = ClipResult(tmp_path / "gone.mp4", "left", {"left": 1.0})
    with pytest.raises(DataError, match=r"gone\.mp4.*Keep the test videos"):
        write_report(tmp_path / "report.html", report_of([clip]))
    assert list(tmp_path.iterdir()) == []


def test_the_written_file_is_the_page_in_utf8(tmp_path: Path) -> None:
    report = replace(report_of(), title="动作 é \udcff")  # a file name that was no UTF-8
    write_report(tmp_path / "report.html", report)
    text = (tmp_path / "report.html").read_bytes().decode("utf-8")
    assert "<title>动作 é \\udcff</title>" in text
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_empty_parts_are_left_out() -> None:
    empty = replace(
        report_of(), curves=[], class_names=[], confusion=np.zeros((0, 0), np.int64), settings={}
    )
    page = Page(render_report(empty))
    assert page.all("h2") == [] and page.all("svg") == []


def test_the_chosen_clips_are_the_worst_mistakes_and_right_ones_of_every_class() -> None:
    def clip(name: str, label: str, a: float) -> ClipResult:
        return ClipResult(Path(name), label, {"a": a, "b": 1 - a})

    results = [
        clip("a1", "a", 0.6), clip("a2", "a", 0.9), clip("a3", "a", 0.7), clip("b1", "b", 0.1),
        clip("b2", "b", 0.8), clip("a4", "a", 0.05), clip("b3", "b", 0.6),
    ]  # fmt: skip
    chosen = [c.video.name for c in choose_clips(results, right=3, wrong=2)]
    assert chosen == ["a4", "b2", "a1", "b1", "a2"]


def test_curves_of_one_quantity_share_a_chart() -> None:
    charts = curves_by_quantity(report_of().curves)
    assert {name: len(curves) for name, curves in charts.items()} == {"loss": 1, "accuracy": 2}


def test_a_chart_draws_every_value_inside_its_axes() -> None:
    html = line_chart("loss", [Curve("train loss", [1, 2, 3, 4], [2.0, float("nan"), 0.7, 1.3])])
    page = Page(html)
    dots = [(float(c["cx"] or 0), float(c["cy"] or 0)) for c in page.all("circle")]
    assert [x for x, _ in dots] == sorted(x for x, _ in dots) and len(dots) == 3
    grid = [float(line["y1"] or 0) for line in page.all("line")]  # from 0 upwards
    assert dots[0][1] == pytest.approx(grid[-1]) and all(
        min(grid) <= y <= max(grid) for _, y in dots
    )
    path = next(p["d"] or "" for p in page.all("path") if (p["d"] or "").count(".") > 1)
    assert path.count("M") == 2  # the line breaks at the value that is no number
    assert "nan" in page.text  # and the table still tells it


@pytest.mark.parametrize("values", [[], [0.5], [0.0, 0.0], [float("nan")], [-3.0, -1.0]])
def test_a_chart_of_little_is_still_a_chart(values: list[float]) -> None:
    epochs = list(range(1, len(values) + 1))
    page = Page(line_chart("loss", [Curve("train loss", epochs, values)]))
    assert len(page.all("circle")) == sum(np.isfinite(values))
    assert "nan" not in " ".join(str(c.get("cy")) for c in page.all("circle"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 2.1, [0, 0.5, 1.0, 1.5, 2.0, 2.5]),
        (0.0, 0.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.3, 0.1, [-0.3, -0.2, -0.1, 0, 0.1]),
    ],
)
def test_ticks_are_round_and_cover_the_values(
    low: float, high: float, expected: list[float]
) -> None:
    assert nice_ticks(low, high) == pytest.approx(expected)


def test_epoch_ticks_are_whole() -> None:
    assert nice_ticks(1, 4, whole=True) == [1, 2, 3, 4]
    assert all(tick == int(tick) for tick in nice_ticks(1, 256, whole=True))


def test_the_matrix_shows_shares_of_the_true_class_and_counts_on_hover() -> None:
    page = Page(confusion(["left", "right"], np.array([[9, 1], [0, 4]])))
    cells = [cell for cell in page.all("td") if "title" in cell]
    assert [cell["title"] for cell in cells] == [
        "left taken for left: 9 of 10",
        "left taken for right: 1 of 10",
        "right taken for left: 0 of 4",
        "right taken for right: 4 of 4",
    ]
    assert "left 90 10 10 right · 100 4" in page.text
    assert "left right 1 of 10" in page.text


def test_a_class_without_videos_has_an_empty_row() -> None:
    page = Page(confusion(["a", "b"], np.array([[0, 0], [0, 4]])))
    assert "a · · 0 b · 100 4" in page.text
    assert "No video was taken for another class." in page.text


def test_many_classes_show_only_their_most_frequent_mix_ups() -> None:
    counts = np.diag(np.full(400, 10))
    counts[3, 7], counts[8, 2] = 5, 6
    page = Page(confusion([f"class{n}" for n in range(400)], counts))
    assert "class8 class2 6 of 16 class3 class7 5 of 15" in page.text
    assert len(page.all("tr")) == 3
