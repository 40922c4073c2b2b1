"""Installing the dependencies of the editables that the base lacks, for `install_deps = true`."""

from __future__ import annotations

from importlib.metadata import distributions

from packaging.version import InvalidVersion, Version

from devpy_pip_guard.distributions import normalized

from .. import installed
from . import editables, requirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

    from .pip import Pip


def install(site_packages: str, base_site_packages: str, pip: Pip) -> None:
    """Install into the overlay what its editables require and the base does not have.

    The base's packages are pinned: where one of them is too old, pip says so, and no second copy of it is installed.

    :param site_packages: the overlay's, absolute, with the editables already in it
    :param base_site_packages: that of the conda environment, absolute
    :raises InstallError: if a requirement cannot be met
    """
    import tempfile

    required = sorted(set(_requirements(site_packages)))
    if not required:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="devpy-base-", encoding="utf-8") as constraints:
        constraints.writelines(_pins(base_site_packages, site_packages))
        constraints.flush()
        pip.run(["install", "--constraint", constraints.name, *required], "installing dependencies")


def _requirements(site_packages: str) -> Iterator[str]:
    """Yield what the overlay's editables require, except one another: each is installed, whatever its version."""
    names = {normalized(editable.name) for editable in editables.installed(site_packages)}
    for name, distribution in _named_distributions(site_packages):
        if name in names:
            for text in distribution.requires or []:
                required = requirements.read(text).name
                if required and required not in names:
                    yield text


def _pins(base_site_packages: str, site_packages: str) -> Iterator[str]:
    """Yield a constraint for each package of the base, unless the overlay has one of that name."""
    replaced = {name for name, _ in _named_distributions(site_packages)}
    for name, distribution in _named_distributions(base_site_packages):
        version = _version(distribution)
        if name not in replaced and version is not None:
            yield f"{name}=={version}\n"


def _version(distribution: Distribution) -> Version | None:
    """Return a version that pip can compare; conda packages hold others now and then."""
    try:
        return Version(installed.field(distribution, "Version"))
    except InvalidVersion:
        return None


def _named_distributions(site_packages: str) -> Iterator[tuple[str, Distribution]]:
    """Yield what is installed, each with its normalized name."""
    for name, distribution in installed.named(distributions(path=[site_packages])):
        yield normalized(name), distribution
