"""Write features of videos; --help lists the options.

python tools/misc/clip_feature_extraction.py CONFIG CHECKPOINT [PREFIX] [--video-list LIST]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("clip_feature_extraction"))
