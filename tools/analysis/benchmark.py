"""Time a network on the test views; --help lists the options.

python tools/analysis/benchmark.py CONFIG [CHECKPOINT] [--fuse-conv-bn]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("benchmark"))
