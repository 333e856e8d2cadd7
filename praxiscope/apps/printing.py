"""What commands print: lines that can be searched for, and tables of names and figures."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from praxiscope.errors import PraxiscopeError


def print_metrics(console: Console, title: str, metrics: dict[str, float]) -> None:
    """Print metrics as a table below a title, or that there are none."""
    print_line(console, title)
    if metrics:
        print_table(console, ("metric", "value"), metrics.items())
    else:
        print_line(console, "no metrics: they need averaged views (--average-clips prob or score).")


def print_table(
    console: Console, heads: tuple[str, str], rows: Iterable[tuple[str, float]]
) -> None:
    """Print a name and a figure of four digits a row."""
    table = Table(*heads)
    for name, value in rows:
        table.add_row(escape(name), f"{value:.4f}")
    console.print(table)


def print_error(console: Console, error: PraxiscopeError) -> None:
    """Print an error that does not end the command."""
    print_line(console, f"error: {error}")


def print_line(console: Console, line: str) -> None:
    """Print a line as it is: unbroken and uncoloured, so that it can be searched for."""
    # A name of a file need not be UTF-8, but what is printed must be.
    line = line.encode("utf-8", "backslashreplace").decode()
    console.print(line, soft_wrap=True, highlight=False, markup=False)
