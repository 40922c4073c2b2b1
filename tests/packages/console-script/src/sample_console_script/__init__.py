"""A sample project of the tests."""

from __future__ import annotations


def origin() -> str:
    return __file__


def main() -> None:
    """Print where this package was imported from."""
    print(origin())
