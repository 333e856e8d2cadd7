"""docs/en/model_zoo.md is what its script writes, and what it says holds."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from praxiscope.zoo.cards import cards
from tests.parity.test_detection import RECIPES as DETECTION
from tests.parity.test_recognition import NAMES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/en/model_zoo.md"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools/write_model_zoo.py"))


def lines() -> dict[int, str]:
    """Return the table line of every published row."""
    found = re.findall(r"^\| (\d+) \| .*$", PAGE.read_text(), re.MULTILINE)
    assert len(found) == len(set(found))
    return {
        int(number): next(
            line for line in PAGE.read_text().splitlines() if line.startswith(f"| {number} |")
        )
        for number in found
    }


def test_the_page_is_up_to_date(script: dict[str, Any]) -> None:
    assert script["document"]() == PAGE.read_text(encoding="utf-8"), (
        "cards, recipes or parity figures have changed: run python tools/write_model_zoo.py"
    )


def test_the_page_has_every_row_with_its_figures_and_files() -> None:
    page = lines()
    assert list(page) == list(range(1, 63))
    for one in cards():
        line = page[one.row]
        for value in one.accuracies.values():
            assert f"| {value} |" in line
        for url in (one.checkpoint_url, one.log_url, one.json_url):
            assert url is None or f"({url})" in line
        if one.config_path and one.recipe:
            assert f"(../../{one.config_path})" in line
            assert f"| {one.views} |" in line


def test_only_rows_with_figures_of_the_reference_count_as_verified() -> None:
    page = lines()
    for one in cards():
        claims = page[one.row].split("|")[-3].strip()
        assert page[one.row].split("|")[-2].strip().endswith("accuracy")
        if one.recipe and (one.config in NAMES or one.config in DETECTION):
            assert claims == "loads, parity, trains"
        elif one.recipe:
            assert claims == "loads, parity, trains *"
        else:
            assert claims in ("nothing yet", "")
