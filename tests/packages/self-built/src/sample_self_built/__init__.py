"""A sample project of the tests, with the console script of its distribution's name."""

from __future__ import annotations


def origin() -> str:
    return __file__


def main() -> None:
    """Print where this package was imported from."""
    print(origin())
