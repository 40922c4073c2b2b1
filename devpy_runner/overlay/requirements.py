"""What packages require (PEP 508), and whether it is there."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from devpy_pip_guard.distributions import core_metadata, metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


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


class Unmet(NamedTuple):
    """A requirement that is not met."""

    name: str
    """Of the distribution, normalized."""
    specifier: str
    """Which versions would do, as in `>=2,<3`; empty for any."""
    version: str
    """Which version is installed; empty for none."""


def installed_versions(site_packages: list[str]) -> dict[str, str]:
    """Return the version of each distribution by its normalized name, as an import would find it.

    :param site_packages: the folders that are searched, absolute, the first one first
    """
    versions: dict[str, str] = {}
    for folder in site_packages:
        for name, path in metadata(folder):
            version = core_metadata(path, "Version")
            if version:  # leftovers have none
                versions.setdefault(name, version[0])
    return versions


def required(path: str) -> list[str]:
    """Return what a distribution requires.

    :param path: of its metadata, as `devpy_pip_guard.distributions.metadata` returns it
    """
    return core_metadata(path, "Requires-Dist")


def unmet(text: str, versions: Mapping[str, str], python: str) -> Unmet | None:
    """Return what is not met of a requirement; None if it is met, or does not hold for this Python or without extras.

    What packaging cannot read or compare, and pip of old could, counts as met.

    :param text: the requirement
    :param versions: what `installed_versions` returned
    :param python: the version of the Python that it is for, such as "3.11" or "3.11.7"
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    minor = ".".join(python.split(".")[:2])
    environment = {"python_version": minor, "python_full_version": python, "extra": ""}
    try:
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            return None
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):  # it compares what cannot be compared
        return None
    name = canonicalize_name(requirement.name)
    version = versions.get(name, "")
    if not version:
        return Unmet(name, str(requirement.specifier), "")
    try:
        fits = requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:  # conda packages have others now and then
        fits = True
    return None if fits else Unmet(name, str(requirement.specifier), version)
