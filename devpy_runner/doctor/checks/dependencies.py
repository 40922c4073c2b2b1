"""Whether the requirements of the editables are met: they are installed without their dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpy_pip_guard import distributions
from devpy_virtualenv_plugin.mends import conda_install

from ...base.prefix import python_version
from ...overlay.requirements import Unmet, installed_versions, required, unmet
from ...plugin import FAILED, OK, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what counts is what `pip check` would say, told for each requirement once."""
    requirers = _requirers(setup)
    for requirement, names in requirers.items():
        yield Verdict("dependencies", FAILED, _problem(requirement, names), _mend(list(requirers), setup))
    if not requirers:
        yield Verdict("dependencies", OK, "everything that the editables require is there")


def _requirers(setup: WorktreeSetup) -> dict[Unmet, list[str]]:
    """Return the requirements that are not met, each with the names of the editables that have it."""
    versions = installed_versions([setup.site_packages, setup.base_site_packages])
    python = python_version(setup.record.base) or setup.record.python[len("python") :].rstrip("t")
    requirers: dict[Unmet, list[str]] = {}
    for _, path in sorted(distributions.metadata(setup.site_packages)):
        if not distributions.project_folder(path):
            continue
        for text in required(path):
            requirement = unmet(text, versions, python)
            if requirement is not None:
                requirers.setdefault(requirement, []).append(distributions.spelled_name(path))
    return requirers


def _problem(requirement: Unmet, names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    who = " and ".join(filter(None, [", ".join(unique[:-1]), unique[-1]]))
    verb = "requires" if len(unique) == 1 else "require"
    state = f"{requirement.version} is installed" if requirement.version else "which is not installed"
    return f"{who} {verb} {requirement.name}{requirement.specifier}, {state}"


def _mend(requirements: list[Unmet], setup: WorktreeSetup) -> str:
    """Return the one command that installs everything."""
    specifiers: dict[str, list[str]] = {}
    for requirement in requirements:
        specifiers.setdefault(requirement.name, []).append(requirement.specifier)
    install = conda_install(setup.base, *(name + ",".join(filter(None, each)) for name, each in specifiers.items()))
    if any(requirement.version for requirement in requirements):  # what the base has is never installed again
        return install
    return f"{install}, or install_deps = true in {setup.config.file}: devpy update-editables"
