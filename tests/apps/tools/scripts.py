"""A script of ``tools/``, run in this process: one of its own would load torch for seconds."""

import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"


def run_script(name: str, *arguments: object) -> int | str | None:
    """Do what ``python tools/NAME ARGUMENTS`` does -> its exit status."""
    script = TOOLS / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        patch.setattr(sys, "path", [str(script.parent), *sys.path])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
    return ended.value.code
