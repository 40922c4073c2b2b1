"""The distribution through whose entry point pytest finds devpy's plugin; nothing is installed for it.

A folder in site-packages would turn up in `pip list`, and PYTEST_PLUGINS would reach every environment.
"""

from __future__ import annotations

import os
from importlib.metadata import Distribution
from typing import Any, Dict

from . import OVERLAY, SITE_PACKAGES, record

NAME = "devpy-overlay"


class Metadata(Dict[str, str]):
    """What `PackageMetadata` asks for, without the email parser: to import that takes longer than all of the plugin."""

    def __getitem__(self, key: str) -> Any:
        """Return the value of a header, in whichever case it is spelled; None if there is none."""
        return self.get(key.title())

    def get_all(self, name: str, failobj: Any = None) -> Any:
        """Return all values of a header."""
        return [self[name]] if name.title() in self else failobj

    @property
    def json(self) -> dict[str, Any]:
        """The headers as PEP 566 spells them in JSON."""
        return {key.lower().replace("-", "_"): value for key, value in self.items()}


class OverlayDistribution(Distribution):
    """What an overlay offers to pytest."""

    @property
    def metadata(self) -> Any:
        """Its name and version."""
        return Metadata({"Metadata-Version": "2.1", "Name": NAME, "Version": _version()})

    def read_text(self, filename: str) -> str | None:
        """Return the metadata file of this name, None if there is none."""
        if filename == "entry_points.txt":
            return f"[pytest11]\ndevpy = {__package__}.pytest_plugin:EntryPoint\n"
        return None

    def locate_file(self, path: Any) -> Any:
        """Return where a file of the distribution is: beside the guard, as it has none."""
        return os.path.join(SITE_PACKAGES, path)


def _version() -> str:
    """Return the version of the devpy that made the overlay; 0 if its record does not say."""
    return str(record.load(OVERLAY).get("version", "0"))
