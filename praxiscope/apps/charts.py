"""Pictures of a run as plain SVG and HTML text: learning curves and a confusion matrix.

Colours come from the CSS variables of the page (``--series-1``, ``--ink``, ...), so that the same
text is legible on a light and on a dark page.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 560, 260  # units of the view box; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 34
DASHES = ("", "7 4", "2 3", "9 3 2 3")  # a second mark beside colour, for those who see none
MAX_MATRIX = 30  # more classes than this don't fit a page as a table


@dataclass(frozen=True)
class Curve:
    """A number that changes over training.

    Curves whose names end in the same word ("train loss", "validation loss") share one chart.
    """

    name: str
    epochs: Sequence[float]
    values: Sequence[float]

    @property
    def quantity(self) -> str:
        """What the vertical axis shows: the last word of the name."""
        return self.name.split()[-1] if self.name.split() else ""


def curves_by_quantity(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Return the charts to draw, in order of first appearance."""
    charts: dict[str, list[Curve]] = {}
    for curve in curves:
        charts.setdefault(curve.quantity, []).append(curve)
    return charts


def line_chart(quantity: str, curves: Sequence[Curve]) -> str:
    """Return a figure: the SVG chart, its legend, and the same numbers as a table to unfold.

    Values that are not finite break a line. The axis starts at 0, or below where values do.
    """
    points = [
        (float(x), float(y))
        for curve in curves
        for x, y in zip(curve.epochs, curve.values, strict=True)
        if math.isfinite(y)
    ]
    xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] or [0.0]
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs), whole=True), nice_ticks(min(0.0, *ys), max(ys))
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )

    parts = []
    for tick in y_ticks:
        y = at(x_low, tick)[1]
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    parts.extend(
        f'<text x="{at(tick, 0)[0]:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
        f"{tick:g}</text>"
        for tick in x_ticks
        if x_low <= tick <= x_high
    )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end" class="axis">epoch</text>'
    )
    for number, curve in enumerate(curves):
        parts.append(_line(number, curve, at))
    name = escape(quantity)
    summary = escape("; ".join(_summary(curve) for curve in curves))
    return (
        f'<figure class="card chart"><figcaption><h3>{name.capitalize()}</h3>'
        f"{_legend(curves)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name} by epoch: {summary}">'
        f"{''.join(parts)}</svg>{_numbers(curves)}</figure>"
    )


def _line(number: int, curve: Curve, at: Callable[[float, float], tuple[float, float]]) -> str:
    """Draw one curve, with a dot for each value that names it on hover."""
    dots, path, pen_down = [], [], False
    radius = 3 if len(curve.values) <= 40 else 1.2
    for x, y in zip(curve.epochs, curve.values, strict=True):
        if not math.isfinite(y):
            pen_down = False
            continue
        px, py = at(float(x), float(y))
        path.append(f"{'L' if pen_down else 'M'}{px:.1f} {py:.1f}")
        pen_down = True
        dots.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}">'
            f"<title>{escape(curve.name)}, epoch {x:g}: {y:.4g}</title></circle>"
        )
    dash = DASHES[number % len(DASHES)]
    return (
        f'<g class="series-{number % 4 + 1}"><path d="{" ".join(path)}" '
        f'stroke-dasharray="{dash or "none"}"/>{"".join(dots)}</g>'
    )


def _legend(curves: Sequence[Curve]) -> str:
    """List name, stroke and last value of each curve."""
    items = []
    for number, curve in enumerate(curves):
        dash = DASHES[number % len(DASHES)] or "none"
        last = f"{curve.values[-1]:.3g}" if len(curve.values) else "no values"
        items.append(
            f'<li><svg class="key series-{number % 4 + 1}" viewBox="0 0 26 8" aria-hidden="true">'
            f'<path d="M0 4H26" stroke-dasharray="{dash}"/></svg>'
            f"{escape(curve.name)} <b>{last}</b></li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _numbers(curves: Sequence[Curve]) -> str:
    """Return the values of all curves as a table, one row an epoch."""
    columns = [dict(zip(curve.epochs, curve.values, strict=True)) for curve in curves]
    head = "".join(f'<th scope="col">{escape(curve.name)}</th>' for curve in curves)
    rows = []
    for epoch in sorted({epoch for column in columns for epoch in column}):
        cells = "".join(
            f"<td>{column[epoch]:.4f}</td>" if epoch in column else "<td></td>"
            for column in columns
        )
        rows.append(f'<tr><th scope="row">{epoch:g}</th>{cells}</tr>')
    return (
        '<details><summary>The numbers</summary><div class="scroll"><table class="numbers">'
        f'<tr><th scope="col">epoch</th>{head}</tr>{"".join(rows)}</table></div></details>'
    )


def _summary(curve: Curve) -> str:
    """Put one curve in words, for those who listen to the page."""
    if not len(curve.values):
        return f"{curve.name} has no values"
    return f"{curve.name} from {curve.values[0]:.3g} to {curve.values[-1]:.3g}"


def nice_ticks(low: float, high: float, *, whole: bool = False, about: int = 5) -> list[float]:
    """Return evenly spaced round numbers (1, 2, 2.5 or 5 times a power of ten) around low..high."""
    span = high - low if high > low else 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power * about >= span * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil((low + span) / step - 1e-9), first + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def shares_table(
    caption: str,
    head: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[float]],
    marked: Collection[tuple[str, str]] = (),
) -> str:
    """Return a table of numbers between 0 and 1 whose cells are filled as far as they say.

    Args:
        head: What the names of the rows are.
        rows: One number a column; NaN is an empty cell.
        marked: Row and column of cells with a frame around them.
    """
    lines = []
    for name, values in rows.items():
        cells = "".join(
            f'<td class="share{" marked" if (name, column) in marked else ""}" '
            f'style="--share:{value:.3f}">{100 * value:.1f}</td>'
            if math.isfinite(value)
            else "<td></td>"
            for column, value in zip(columns, values, strict=True)
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    titles = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    return (
        f'<div class="scroll"><table class="shares"><caption>{escape(caption)}</caption>'
        f'<tr><th scope="col">{escape(head)}</th>{titles}</tr>{"".join(lines)}</table></div>'
    )


def confusion(class_names: Sequence[str], counts: npt.NDArray[np.integer]) -> str:
    """Return the counts (K true, K predicted) as a table of row shares, and the worst mix-ups.

    A cell shows per cent of its true class and, on hover, names and counts. With more than
    ``MAX_MATRIX`` classes the mix-ups stand alone.
    """
    assert counts.shape == (len(class_names), len(class_names)), counts.shape
    matrix = _matrix(class_names, counts) if len(class_names) <= MAX_MATRIX else ""
    return f'<div class="confused">{matrix}{_worst_pairs(class_names, counts)}</div>'


def _matrix(class_names: Sequence[str], counts: npt.NDArray[np.integer]) -> str:
    """Return the table of the shares of each true class."""
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in class_names)
    rows = []
    for true, (name, row) in enumerate(zip(class_names, counts, strict=True)):
        total = int(row.sum())
        cells = []
        for predicted, count in enumerate(row):
            share = count / total if total else 0.0
            title = escape(f"{name} taken for {class_names[predicted]}: {count} of {total}")
            kind = "right" if predicted == true else "wrong"
            strong = " strong" if share > 0.85 else ""  # below, ink reads better than white
            cells.append(
                f'<td class="{kind}{strong}" style="--share:{share:.3f}" title="{title}">'
                f"{f'{100 * share:.0f}' if count else '·'}</td>"
            )
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}'
            f'<td class="total">{total}</td></tr>'
        )
    return (
        '<div class="scroll"><table class="confusion"><caption>Rows are the true class, columns '
        "the predicted one; numbers are per cent of the row. Hover a cell for the count.</caption>"
        f'<tr><td></td>{head}<th scope="col"><span>videos</span></th></tr>{"".join(rows)}'
        "</table></div>"
    )


def _worst_pairs(class_names: Sequence[str], counts: npt.NDArray[np.integer]) -> str:
    """Return the table of the ten mistakes that happen most often."""
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:10]
    rows = "".join(
        f'<tr><th scope="row">{escape(class_names[true])}</th>'
        f"<td>{escape(class_names[predicted])}</td>"
        f"<td>{mistakes[true, predicted]} of {counts[true].sum()}</td></tr>"
        for true, predicted in zip(*np.unravel_index(order, mistakes.shape), strict=True)
        if mistakes[true, predicted]
    )
    if not rows:
        return "<p>No video was taken for another class.</p>"
    return (
        '<div class="scroll"><table class="pairs"><caption>The most frequent mix-ups</caption>'
        '<tr><th scope="col">true class</th><th scope="col">taken for</th>'
        f'<th scope="col">videos</th></tr>{rows}</table></div>'
    )
