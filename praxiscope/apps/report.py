"""One HTML file that tells what a run did: numbers, curves, mix-ups, and test clips that play.

The file asks for nothing outside itself: it opens from disk, without a network, and goes into a
mail as it is. It holds no script, and a content policy in its head forbids any, so that a file or
class name can't become code even if it slipped past the escaping.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from praxiscope.apps.charts import Curve, confusion, curves_by_quantity, line_chart
from praxiscope.errors import DataError
from praxiscope.files import write_atomically

__all__ = ["ClipResult", "Curve", "Report", "choose_clips", "render_report", "write_report"]

MAX_CLIP_BYTES = 200_000  # a page of 24 clips stays below 7 MB in base64
MAX_CLIPS = 24
PLAYABLE = {".mp4": "video/mp4", ".webm": "video/webm"}  # what browsers play


@dataclass(frozen=True)
class ClipResult:
    """A test video and what the network made of it."""

    video: Path
    label: str  # the true class
    scores: Mapping[str, float]  # class -> probability

    @property
    def prediction(self) -> str:
        """The class with the highest score."""
        return max(self.scores, key=lambda name: self.scores[name])

    @property
    def right(self) -> bool:
        """Whether the prediction is the true class."""
        return self.prediction == self.label


@dataclass(frozen=True)
class Report:
    """Everything on the page. Empty parts are left out of it."""

    title: str
    headline: Mapping[str, str]  # what -> its number, the page's largest letters
    curves: Sequence[Curve]
    class_names: Sequence[str]
    confusion: npt.NDArray[np.integer]  # (K true, K predicted) counts
    clips: Sequence[ClipResult]  # at most MAX_CLIPS: see choose_clips
    settings: Mapping[str, str]
    notes: str  # what this is, in two or three sentences
    parts: Mapping[str, str] = field(default_factory=dict)  # title -> more of the page, as HTML


def choose_clips(
    results: Sequence[ClipResult], *, right: int = 12, wrong: int = 12
) -> list[ClipResult]:
    """Return the most confident mistakes, then right ones that go round the classes in turn.

    Right ones of a class come in the order given, so that they are typical and not the best.
    """
    mistakes = [clip for clip in results if not clip.right]
    mistakes.sort(key=lambda clip: -clip.scores[clip.prediction])
    seen: dict[str, int] = {}
    turns: list[tuple[int, ClipResult]] = []
    for clip in results:
        if clip.right:
            turns.append((seen.setdefault(clip.label, 0), clip))
            seen[clip.label] += 1
    turns.sort(key=lambda turn: turn[0])
    return mistakes[:wrong] + [clip for _, clip in turns[:right]]


def write_report(path: str | Path, report: Report) -> None:
    """Write the page to ``path``, complete or not at all.

    Raises:
        DataError: a clip's file cannot be read.
    """
    # A file name that was no UTF-8 shows as its bytes.
    page = render_report(report).encode("utf-8", errors="backslashreplace")
    write_atomically(path, lambda file: _write_bytes(file, page))


def _write_bytes(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def render_report(report: Report) -> str:
    """Return the page as HTML.

    A clip above ``MAX_CLIP_BYTES``, or of a kind that browsers don't play, is shown without its
    picture and with a note that says why.

    Raises:
        DataError: a clip's file cannot be read.
    """
    assert len(report.clips) <= MAX_CLIPS, f"{len(report.clips)} clips: use choose_clips"
    charts = "".join(
        line_chart(quantity, curves)
        for quantity, curves in curves_by_quantity(report.curves).items()
    )
    sections = [
        _section("Learning curves", f'<div class="charts">{charts}</div>' if charts else ""),
        _section(
            "Which classes are mixed up",
            confusion(report.class_names, report.confusion) if report.confusion.size else "",
        ),
        *(_section(escape(title), body) for title, body in report.parts.items()),
        _section("Test clips", _clips(report.clips)),
        _section("Settings", _settings(report.settings)),
    ]
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in report.headline.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; media-src data:; img-src data:\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{escape(report.title)}</h1><p>{escape(report.notes)}</p>"
        f'<dl class="tiles">{tiles}</dl></header>\n'
        f"<main>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>\n" if body else ""


def _settings(settings: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in settings.items()
    )
    return f'<div class="scroll"><table class="settings">{rows}</table></div>' if rows else ""


def _clips(clips: Sequence[ClipResult]) -> str:
    """Return the grid of clips, in the order given."""
    cards = "".join(_card(clip) for clip in clips)
    right = sum(clip.right for clip in clips)
    told = f"{right} correct and {len(clips) - right} wrong, chosen from the whole test."
    return f'<p>{told}</p><ul class="clips">{cards}</ul>' if clips else ""


def _card(clip: ClipResult) -> str:
    """Show one clip: picture, verdict in words and in colour, and the three best classes."""
    # "correct", because a class may well be called "right".
    kind, verdict = ("correct", "✓ correct") if clip.right else ("wrong", "✗ wrong")
    told = f"{clip.video.name}: true class {clip.label}, predicted {clip.prediction}, {kind}"
    best = sorted(clip.scores, key=lambda name: -clip.scores[name])[:3]
    bars = "".join(
        f'<li class="{"true" if name == clip.label else "other"}">'
        f"<span>{escape(name)}</span><b>{100 * clip.scores[name]:.0f}%</b>"
        f'<i style="width:{100 * min(max(clip.scores[name], 0), 1):.1f}%"></i></li>'
        for name in best
    )
    return (
        f'<li class="card {kind}"><figure>{_picture(clip.video, told)}<figcaption>'
        f'<p class="verdict">{verdict}</p>'
        f"<p>true class <b>{escape(clip.label)}</b></p>"
        f"<p>predicted <b>{escape(clip.prediction)}</b></p>"
        f'<ol class="bars">{bars}</ol><p class="file">{escape(clip.video.name)}</p>'
        "</figcaption></figure></li>"
    )


def _picture(video: Path, told: str) -> str:
    """Return the video as part of the page, or a note in its place."""
    if video.suffix.lower() not in PLAYABLE:
        return f'<p class="absent">Browsers don\'t play {escape(video.suffix) or "it"} files.</p>'
    try:
        size = video.stat().st_size  # before reading: it may be an hour long
        if size > MAX_CLIP_BYTES:
            return (
                f'<p class="absent">Left out: {size / 1000:.0f} kB, '
                f"and a clip may have {MAX_CLIP_BYTES // 1000} kB here.</p>"
            )
        data = base64.b64encode(video.read_bytes()).decode("ascii")
    except OSError as error:
        raise DataError(
            f"{video}: the report cannot show this clip: {error.strerror}. "
            "Keep the test videos until the report is written."
        ) from error
    return (
        f'<video autoplay loop muted playsinline controls aria-label="{escape(told)}" '
        f'src="data:{PLAYABLE[video.suffix.lower()]};base64,{data}"></video>'
    )


STYLE = """
:root { color-scheme: light dark; --page: #f6f6f3; --card: #fff; --ink: #1c1d20; --soft: #5d6068;
  --line: #dddcd6; --hit: 31 111 178; --miss: 196 73 24; --right: #0b6b3d; --wrong: #a8320c;
  --series-1: #1f6fb2; --series-2: #c44918; --series-3: #0b7a5a; --series-4: #7a4fb0; }
@media (prefers-color-scheme: dark) { :root { --page: #131417; --card: #1d1f23; --ink: #ecebe6;
  --soft: #a5a8b0; --line: #34373d; --hit: 46 116 182; --miss: 186 78 36; --right: #63cf98;
  --wrong: #ff9a73; --series-1: #6db3ee; --series-2: #f08a5d; --series-3: #5cc9a4;
  --series-4: #b795e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 2.5rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0 0 .6rem; max-width: 68ch; }
header p, section > p, caption { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem;
  margin: 1.4rem 0 0; }
.tiles div { display: flex; flex-direction: column-reverse; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.tiles dd { margin: 0; font-size: 2rem; line-height: 1.15; font-weight: 650;
  overflow-wrap: anywhere; }
.tiles dt { color: var(--soft); font-size: .9rem; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.chart { padding: 1rem; }
.chart > svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.series-1 { --stroke: var(--series-1); } .series-2 { --stroke: var(--series-2); }
.series-3 { --stroke: var(--series-3); } .series-4 { --stroke: var(--series-4); }
svg path { fill: none; stroke: var(--stroke); stroke-width: 2.2; stroke-linejoin: round; }
svg circle { fill: var(--stroke); stroke: var(--card); stroke-width: 1; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0;
  margin: .2rem 0 .5rem; font-size: .9rem; }
.key { width: 26px; height: 8px; margin-right: .35rem; vertical-align: middle; }
details { margin-top: .5rem; font-size: .9rem; color: var(--soft); }
.scroll { overflow: auto; max-height: 45rem; }
.confused { display: flex; flex-wrap: wrap; gap: 1.2rem 3rem; align-items: start; }
.confused > * { max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .6rem; font-size: .9rem; max-width: 68ch; }
th { font-weight: 500; text-align: left; }
.numbers th, .numbers td, .settings th, .settings td, .pairs th, .pairs td {
  padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid var(--line); }
.settings th { color: var(--soft); white-space: nowrap; vertical-align: top; }
.settings td { overflow-wrap: anywhere; }
.confusion td, .confusion th { padding: .3rem .5rem; height: 2.3rem; }
.confusion th[scope=col] { vertical-align: bottom; height: auto; }
.confusion th[scope=col] span { writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 11rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.confusion th[scope=row] { text-align: right; max-width: 16rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.confusion td.right, .confusion td.wrong { min-width: 2.9rem; text-align: center;
  border: 1px solid var(--line); background: rgb(var(--hit) / var(--share)); }
.confusion td.wrong { background: rgb(var(--miss) / var(--share)); }
.confusion td.right { outline: 2px solid rgb(var(--hit)); outline-offset: -2px; }
.confusion td.strong { color: #fff; font-weight: 600; }
.shares th, .shares td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); }
.shares td { text-align: right; background: linear-gradient(90deg,
  rgb(var(--hit) / .45) calc(100% * var(--share)), transparent 0); min-width: 7rem; }
.shares td.marked { outline: 2px solid rgb(var(--hit)); outline-offset: -2px; font-weight: 650; }
.moments { list-style: none; padding: 0; display: grid; gap: 1rem; }
.moments figure { margin: 0; padding: .9rem; }
.moments img { width: 100%; image-rendering: pixelated; }
.moments ol { margin: .5rem 0 0; font-size: .9rem; }
.total { color: var(--soft); text-align: center; }
.clips { list-style: none; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)); }
.clips figure { margin: 0; }
.clips .card { overflow: hidden; border-top: 4px solid var(--right); }
.clips .wrong { border-top: 4px dashed var(--wrong); }
video, .absent { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain;
  background: #000; margin: 0; }
.absent { background: var(--page); color: var(--soft); padding: 1rem; font-size: .9rem; }
.clips figcaption { padding: .6rem .9rem .8rem; font-size: .9rem; }
.clips figcaption p { margin: 0; overflow-wrap: anywhere; }
.verdict { color: var(--right); font-weight: 650; }
.wrong .verdict { color: var(--wrong); }
.bars { list-style: none; padding: 0; margin: .5rem 0; font-size: .85rem; }
.bars li { display: grid; grid-template-columns: 1fr auto; gap: 0 .5rem; margin-bottom: .3rem; }
.bars span { overflow-wrap: anywhere; }
.bars b { font-weight: 500; }
.bars i { grid-column: 1 / -1; height: 5px; border-radius: 3px; min-width: 2px;
  background: var(--soft); }
.bars .true span::after { content: " (true)"; color: var(--soft); }
.bars .true i { background: rgb(var(--hit)); }
.file { color: var(--soft); font-size: .8rem; }
@media print { .card, .tiles div { break-inside: avoid; } }
"""
