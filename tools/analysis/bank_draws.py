"""Print how much the mAP of a detector with a feature bank depends on the draw.

python tools/analysis/bank_draws.py CONFIG CHECKPOINT [--draws 10] [--seed 0] [--out spread.json]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("bank_draws"))
