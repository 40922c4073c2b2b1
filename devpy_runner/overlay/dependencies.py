"""Dependencies of the editables that the base lacks, for `install_deps = true`."""

from __future__ import annotations

import re
from importlib.metadata import distributions

from devpy_pip_guard.distributions import normalized

from .. import installed
from . import editables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

    from .pip import Pip

_NAME = re.compile(r"[A-Za-z0-9._-]+")
# A public version with an optional local part, in the form of PEP 440; conda packages hold others now and then.
_VERSION = re.compile(
    r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+([._-][a-z0-9]+)*)?", re.IGNORECASE
)


def install(site_packages: str, base_site_packages: str, pip: Pip) -> None:
    """Install into the overlay what its editables require and the base does not have.

    The base's packages are pinned: where one of them is too old, pip says so, and no second copy of it is installed.

    :param site_packages: the overlay's, absolute, with the editables already in it
    :param base_site_packages: that of the conda environment, absolute
    :raises PipError: if a requirement cannot be met
    """
    import tempfile

    wanted = sorted(set(_requirements(site_packages)))
    if not wanted:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="devpy-base-", encoding="utf-8") as constraints:
        constraints.writelines(_pins(base_site_packages, site_packages))
        constraints.flush()
        pip.run(["install", "--constraint", constraints.name, *wanted], "installing dependencies")


def _requirements(site_packages: str) -> Iterator[str]:
    """Yield what the overlay's editables require, apart from one another: those are there, in whatever version."""
    own = {normalized(editable.name) for editable in editables.installed(site_packages)}
    for name, distribution in _named_distributions(site_packages):
        if name in own:
            for requirement in distribution.requires or []:
                match = _NAME.match(requirement)
                if match and normalized(match.group()) not in own:
                    yield requirement


def _pins(base_site_packages: str, site_packages: str) -> Iterator[str]:
    """Yield a constraint for each package of the base that the overlay does not replace already."""
    replaced = {name for name, _ in _named_distributions(site_packages)}
    for name, distribution in _named_distributions(base_site_packages):
        version = installed.field(distribution, "Version")
        if name not in replaced and _VERSION.fullmatch(version):
            yield f"{name}=={version}\n"


def _named_distributions(site_packages: str) -> Iterator[tuple[str, Distribution]]:
    """Yield what is installed by its normalized name."""
    for name, distribution in installed.named(distributions(path=[site_packages])):
        yield normalized(name), distribution
