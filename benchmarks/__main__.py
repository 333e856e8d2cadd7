"""``python -m benchmarks TABLE [--json FILE]``: print a table, and write its figures."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.tables import TABLES
from benchmarks.timing import machine


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    console = Console()
    shown = Table("work", "ours", "peer's", "", "ratio", "peer")
    rows = []
    with console.status("measuring"):
        for row in TABLES[args.table]():
            rows.append(row)
            figures = (f"{row.ours:.3f}", f"{row.theirs:.3f}", row.unit, f"{row.ratio:.4g}")
            shown.add_row(row.work, *figures, row.peer)
    console.print(shown)
    if args.json:
        found = [{**asdict(row), "ratio": row.ratio} for row in rows]
        args.json.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1))


if __name__ == "__main__":
    main()
