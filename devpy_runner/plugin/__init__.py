"""What a plugin of devpy imports. Everything else in devpy is private and may change with any release.

`hooks` describes the hooks, with an example each; CONTRIBUTING.md has a plugin from its first file to its output.
"""

from __future__ import annotations

from devpy_pip_guard.errors import DevpyError

from ..base.lookup import Base
from ..programs import Ran
from .hooks import hookimpl
from .setup import Setup
from .verdicts import FAILED, OK, SKIPPED, STATES, WARNING, Skipped, Verdict

API_VERSION = 1
"""Goes up when something here is removed or changes its meaning, and not when something is added."""

__all__ = [
    "API_VERSION",
    "FAILED",
    "OK",
    "SKIPPED",
    "STATES",
    "WARNING",
    "Base",
    "DevpyError",
    "Ran",
    "Setup",
    "Skipped",
    "Verdict",
    "hookimpl",
]
