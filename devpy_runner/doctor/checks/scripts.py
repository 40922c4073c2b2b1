"""Whether the console scripts that devpy finds run on the overlay's Python: on another one, they import other code."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from devpy_pip_guard import distributions
from devpy_pip_guard.files import beginning, shebang
from devpy_virtualenv_plugin.mends import conda_install

from ...plugin import FAILED, OK, Verdict, hookimpl
from ..mends import base_pip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup

_CONDA_DISTRIBUTIONS = ("conda", "mamba")
"""Distributions whose programs run on the Python of the conda install that they manage."""


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what counts is the file that `devpy NAME` would run."""
    problems = [verdict for metadata in _distributions(setup) for verdict in _distribution_verdicts(metadata, setup)]
    yield from problems
    if not problems:
        yield Verdict("scripts", OK, f"all console scripts run on {setup.python}")


def _distribution_verdicts(metadata: str, setup: WorktreeSetup) -> Iterator[Verdict]:
    path, venv = setup.state.environ.get("PATH", os.defpath), setup.config.venv
    for name in sorted(distributions.console_scripts(metadata)):
        program = shutil.which(name, path=path) or ""
        folder = os.path.dirname(program)
        # A script that the base has lost may be found in another environment on PATH: that one is not the base's.
        is_base = os.path.realpath(folder) == os.path.realpath(os.path.join(setup.record.base, "bin"))
        may_differ = is_base if not _is_in_overlay(metadata, setup) else folder != os.path.join(venv, "bin")
        python = _interpreter(program) if program and may_differ else ""
        if python:
            text = f"devpy {name} would run {program} on {python}, not on the overlay's Python"
            yield Verdict("scripts", FAILED, text, _mend(metadata, setup))


def _is_in_overlay(metadata: str, setup: WorktreeSetup) -> bool:
    return os.path.dirname(metadata) == setup.site_packages


def _distributions(setup: WorktreeSetup) -> list[str]:
    """Return the metadata of each distribution that the overlay's Python sees, as `distributions.metadata` does."""
    in_overlay = dict(distributions.metadata(setup.site_packages))
    in_base = dict(distributions.metadata(setup.base_site_packages))
    visible = {**in_base, **in_overlay}
    return [visible[name] for name in sorted(visible) if name not in _CONDA_DISTRIBUTIONS]


def _interpreter(program: str) -> str:
    """Return the Python that a script names in its first lines; empty for any other program."""
    words = shebang(beginning(program))
    return next((word for word in words if "python" in os.path.basename(word)), "")


def _mend(metadata: str, setup: WorktreeSetup) -> str:
    """Return the command that has a distribution's installer write its scripts anew."""
    name = distributions.spelled_name(metadata)
    if _is_in_overlay(metadata, setup):
        return "devpy update-editables --reinstall"
    installer = [*distributions.read_lines(os.path.join(metadata, "INSTALLER")), ""][0]
    base = setup.record.base
    if installer == "conda":
        return conda_install(base, "--force-reinstall", name)
    return base_pip(base, "install", "--force-reinstall", "--no-deps", name)
