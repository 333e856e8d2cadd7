"""Plot curves and print times of training logs; --help lists the options.

python tools/analysis/analyze_logs.py plot_curve|cal_train_time LOG ... [--keys KEY ...]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("analyze_logs"))
