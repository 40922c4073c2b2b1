"""A sample project of the tests."""

from __future__ import annotations


def origin() -> str:
    return __file__
