"""Options that several commands have. Imports are light."""

import argparse


def add_cfg_options(parser: argparse.ArgumentParser, text: str = "change the recipe") -> None:
    """Add ``--cfg-options FIELD=VALUE ...``, which may come several times."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help=text,
    )
