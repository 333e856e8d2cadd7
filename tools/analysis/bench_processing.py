"""Time the loading of videos; --help lists the options.

python tools/analysis/bench_processing.py CONFIG
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("bench_processing"))
