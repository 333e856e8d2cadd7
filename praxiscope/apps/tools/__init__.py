"""The published analysis scripts: one module each, with its options and what it does."""

import argparse
import importlib
from typing import Protocol, cast

# The command's name is the module's. Each has a docstring whose first line says what it does.
TOOLS: tuple[str, ...] = (
    "get_flops",
    "eval_metric",
    "report_accuracy",
    "report_map",
    "bank_draws",
    "confusion_matrix",
    "analyze_logs",
    "print_config",
    "publish_model",
    "flow_extraction",
    "check_videos",
    "bench_processing",
    "benchmark",
    "clip_feature_extraction",
)


class Tool(Protocol):
    """What a module of this folder defines."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the published flags, and ours."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status."""


def load_tool(name: str) -> Tool:
    """Return the module of the tool ``name``, which is one of :data:`TOOLS`."""
    assert name in TOOLS, name
    return cast(Tool, importlib.import_module(f"praxiscope.apps.tools.{name}"))
