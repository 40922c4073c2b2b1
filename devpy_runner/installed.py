"""Distributions as importlib.metadata finds them, without leftovers: those have no metadata and are not installed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution


def named(distributions: Iterable[Distribution]) -> Iterator[tuple[str, Distribution]]:
    """Yield the name of each distribution that has metadata, as the metadata spells it, and the distribution."""
    for distribution in distributions:
        name = field(distribution, "Name")
        if name:
            yield name, distribution


def field(distribution: Distribution, name: str) -> str:
    """Return a field of a distribution's metadata, or an empty text if it is not there."""
    try:
        values: list[str] | None = distribution.metadata.get_all(name)
    except FileNotFoundError:  # how Python 3.15 and later say that there is no metadata
        return ""
    return values[0] if values else ""
