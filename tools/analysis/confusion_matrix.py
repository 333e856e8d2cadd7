"""Write which classes are taken for which; --help lists the options.

python tools/analysis/confusion_matrix.py CONFIG RESULT_OR_CHECKPOINT [--show-path PLOT]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("confusion_matrix"))
