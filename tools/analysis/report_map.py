"""Print the frame mAP of action detections, class by class; --help lists the options.

python tools/analysis/report_map.py DETECTIONS --config CONFIG [--plot PLOT]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("report_map"))
