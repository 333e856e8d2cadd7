"""``praxiscope zoo convert``: a checkpoint of any layout into another."""

from pathlib import Path

from rich.console import Console

from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.zoo.convert import Target, convert


def convert_command(names: list[str], to: Target | None, report_file: Path | None) -> int:
    """Convert IN into OUT and print what became of the weights, in short; all of it on request."""
    if len(names) != 2:
        raise PraxiscopeError(
            "'praxiscope zoo convert' takes two files: one to read, one to write "
            "(.safetensors, .pth or .pyth)."
        )
    report = convert(names[0], names[1], to)
    if report_file:
        write_atomically(report_file, lambda file: file.write(f"{report.full()}\n".encode()))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(str(report))
    console.print(f"written to {names[1]}")
    return 0
