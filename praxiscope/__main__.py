"""The command line as ``python -m praxiscope``."""

import sys

from praxiscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
