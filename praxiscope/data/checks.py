"""Moved to :mod:`praxiscope.checks`."""

from praxiscope.checks import check_choice, check_range, check_whole

__all__ = ["check_choice", "check_range", "check_whole"]
