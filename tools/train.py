"""Train a recipe: python tools/train.py CONFIG [options]. --help lists the options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a checkout as it is

from praxiscope.cli import train_main

if __name__ == "__main__":
    sys.exit(train_main())
