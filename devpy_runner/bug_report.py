"""What devpy prints of an unexpected exception, which is a bug of devpy's: the traceback, and where to report it."""

from __future__ import annotations

import platform
import sys
import traceback
from importlib import metadata

from . import __version__
from .messages import tell

_DISTRIBUTION = "devpy-runner"


def tell_of_bug() -> None:
    """Print the traceback of the exception that is being handled, versions, and where to report it."""
    if sys.stderr is None:
        return
    traceback.print_exc()
    versions = ", ".join(f"{name} {installed_version(name)}" for name in ("virtualenv", "pip"))
    tell(
        f"this is a bug in devpy {__version__} (Python {platform.python_version()}, {versions})\n"
        f"  please report it, with all of the above: {_where_to_report()}"
    )


def installed_version(name: str) -> str:
    """Return the version of a distribution that devpy's own Python sees."""
    try:
        return str(metadata.version(name))
    except (metadata.PackageNotFoundError, FileNotFoundError):  # the latter of a distribution whose metadata is gone
        return "(not installed)"


def _where_to_report() -> str:
    """Return the address for reports that devpy's metadata names."""
    try:
        addresses = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:  # run from its sources
        addresses = []
    urls = dict(str(address).split(", ", 1) for address in addresses)
    return urls.get("Issues", "where you have devpy from")
