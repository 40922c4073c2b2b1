"""The distribution through whose entry point pytest finds devpy's plugin; nothing is installed for it.

A folder in site-packages would turn up in `pip list`, and PYTEST_PLUGINS would reach every environment.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import Distribution
from typing import Any

NAME = "devpy-overlay"


class OverlayDistribution(Distribution):
    """What an overlay offers to pytest."""

    def read_text(self, filename: str) -> str | None:
        """Return the metadata file of this name, None if there is none."""
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {_version()}\n"
        if filename == "entry_points.txt":
            return f"[pytest11]\ndevpy = {__package__}.pytest_plugin\n"
        return None

    def locate_file(self, path: Any) -> Any:
        """Return where a file of the distribution is: beside the guard, as it has none."""
        return os.path.join(os.path.dirname(__file__), path)


def _version() -> str:
    """Return the version of the devpy that made the overlay; 0 if its record does not say."""
    overlay = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))
    try:
        with open(os.path.join(overlay, "devpy.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["version"])
    except (OSError, ValueError, TypeError, KeyError):
        return "0"
