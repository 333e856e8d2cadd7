"""Make a checkpoint ready to be published; --help lists the options.

python tools/misc/publish_model.py IN OUT
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a checkout as it is

from praxiscope.cli import tool_main

if __name__ == "__main__":
    sys.exit(tool_main("publish_model"))
