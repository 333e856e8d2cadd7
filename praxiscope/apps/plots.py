"""Plots of the analysis tools: drawn without a display into a file, or in a window if asked to."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically

if TYPE_CHECKING:  # matplotlib is loaded where something is drawn
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
_WITHOUT_WINDOW = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def check_plot(path: Path) -> None:
    """Raise :class:`PraxiscopeError` unless a plot can be written to ``path``."""
    check_writable(path, SUFFIXES)


def new_figure(
    width: float, height: float, *, window: bool = False, backend: str | None = None
) -> "Figure":
    """Return an empty figure of a size in inches; one for :func:`show` with ``window``.

    ``backend`` says who makes the window, by matplotlib's names; None finds one.

    Raises:
        PraxiscopeError: There is no such backend, or no display for a window.
    """
    from matplotlib.figure import Figure

    if not window:
        return Figure(figsize=(width, height), dpi=150)
    from matplotlib import pyplot

    try:
        if backend is not None:
            pyplot.switch_backend(backend)
        found = pyplot.get_backend().lower()
    except (ImportError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise PraxiscopeError(f"--backend {backend} cannot be used: {reason}.") from error
    if found in _WITHOUT_WINDOW:
        raise PraxiscopeError(
            "there is no display here to show a plot on: write it to a file (.png, .pdf, .svg)."
        )
    return pyplot.figure(figsize=(width, height))


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the suffix says, whole or not at all."""

    def write(file: BinaryIO) -> None:
        figure.savefig(file, format=path.suffix.removeprefix("."))

    write_atomically(path, write)


def show() -> None:
    """Show the windows of all figures until they are closed."""
    from matplotlib import pyplot

    pyplot.show()
