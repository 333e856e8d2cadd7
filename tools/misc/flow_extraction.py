"""Write the optical flow of videos; --help lists the options.

python tools/misc/flow_extraction.py --input VIDEOS --dest FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("flow_extraction"))
