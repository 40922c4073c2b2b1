"""A sample project of the tests, of which a part is compiled."""

from __future__ import annotations

from ._answer import answer as answer


def origin() -> str:
    return __file__
