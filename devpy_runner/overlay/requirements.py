"""What an installed package requires, as its metadata says it (PEP 508)."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


class Required(NamedTuple):
    """What one requirement is about."""

    name: str
    """Of the distribution, normalized; empty if the text names none."""
    is_conditional: bool
    """Whether it holds for some Pythons, platforms or extras only."""


def read(text: str) -> Required:
    """Read a requirement.

    :param text: a value of `Requires-Dist`
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:  # old tools wrote what packaging refuses and the pip of that time takes: pytz>dev
        name = re.match(r"[A-Za-z0-9._-]*", text)
        return Required(canonicalize_name(name.group()) if name else "", ";" in text)
    return Required(canonicalize_name(requirement.name), requirement.marker is not None)
