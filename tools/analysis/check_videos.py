"""Find the broken videos of a list; --help lists the options.

python tools/analysis/check_videos.py CONFIG [--split train] [--output-file invalid-video.txt]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("check_videos"))
