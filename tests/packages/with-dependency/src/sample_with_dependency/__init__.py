"""A sample project of the tests, which needs six."""

from __future__ import annotations

import six


def origin() -> str:
    return __file__


def dependency() -> str:
    """Return the file of the dependency that was imported."""
    return str(six.__file__)
