"""Whether the requirements of the editables are met: they are installed without their dependencies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devpy_pip_guard.distributions import normalized
from devpy_virtualenv_plugin.mends import conda_install

from ...overlay.pip import command
from ...plugin import FAILED, OK, Skipped, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup

# What pip prints of each, in every version since 9.
_MISSING = re.compile(r"\S+ \S+ requires (?P<name>[^,\s]+), which is not installed\.")
_UNFIT = re.compile(r"\S+ \S+ has requirement (?P<name>[\w.-]+)(\[.*?\])?(?P<version>[^;]*?)(;.*)?, but you have .*")


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; the base's own pip tells, see `pip check`."""
    names = {normalized(package.name) for package in setup.state.packages}
    ran = setup.run(command(setup.python, "check", writes_bytecode=False))
    if "No module named pip" in ran.err:
        raise Skipped("the base has no pip")
    if ran.code not in (0, 1):
        raise Skipped(f"pip check: {ran.failure}")
    unmet = [line for line in ran.out.splitlines() if normalized(line.partition(" ")[0]) in names]
    for line in unmet:
        yield Verdict("dependencies", FAILED, line.rstrip("."), _mend(line, setup))
    if not unmet:
        yield Verdict("dependencies", OK, "everything that the editables require is there")


def _mend(line: str, setup: WorktreeSetup) -> str:
    missing, unfit = _MISSING.fullmatch(line), _UNFIT.fullmatch(line)
    if missing:
        install = conda_install(setup.base, missing["name"])
        return f"{install}, or install_deps = true in {setup.config.file}: devpy update-editables"
    if unfit:
        return conda_install(setup.base, unfit["name"] + unfit["version"].replace(" ", ""))
    return "see what pip says: devpy python -m pip check"
