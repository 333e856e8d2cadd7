"""Whole jobs: quickstart, predict, report."""
