"""What importlib.metadata finds, apart from leftovers that have lost their metadata: nothing of those is installed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import Distribution


def named(distributions: Iterable[Distribution]) -> Iterator[tuple[str, Distribution]]:
    """Yield each distribution that has a name, after the name as its metadata spells it."""
    for distribution in distributions:
        name = field(distribution, "Name")
        if name:
            yield name, distribution


def field(distribution: Distribution, name: str) -> str:
    """Return a field of the metadata, or nothing if it is not there."""
    try:
        values: list[str] | None = distribution.metadata.get_all(name)
    except FileNotFoundError:  # how Python 3.15 and later tell that there is no file
        return ""
    return values[0] if values else ""
