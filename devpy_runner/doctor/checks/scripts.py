"""Whether the console scripts that devpy finds run on the overlay's Python: on another one, they import other code."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from devpy_pip_guard import distributions

from ...plugin import FAILED, OK, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup

_CONDAS_OWN = ("conda", "mamba")
"""Distributions whose programs devpy leaves to the installation that they manage."""
_STARTS_OF_SHELL_SCRIPT = (b"#!/bin/sh\n'''exec' ", b'#!/bin/sh\n"exec" ')
"""What stands instead of a plain first line if that cannot hold the path of the interpreter."""


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what counts is the file that `devpy NAME` would run."""
    problems = [verdict for metadata in _distributions(setup) for verdict in _of_distribution(metadata, setup)]
    yield from problems
    if not problems:
        yield Verdict("scripts", OK, f"all console scripts run on {setup.python}")


def _of_distribution(metadata: str, setup: WorktreeSetup) -> Iterator[Verdict]:
    path, venv = setup.state.environ.get("PATH", os.defpath), setup.config.venv
    for name in sorted(distributions.console_scripts(metadata)):
        program = shutil.which(name, path=path) or ""
        folder = os.path.dirname(program)
        # What the base has lost, another environment on PATH may have: that is no program of the base.
        is_base = os.path.realpath(folder) == os.path.realpath(os.path.join(setup.record.base, "bin"))
        may_differ = is_base if not _is_overlays(metadata, setup) else folder != os.path.join(venv, "bin")
        python = _interpreter(program) if program and may_differ else ""
        if python:
            text = f"devpy {name} would run {program} on {python}, not on the overlay's Python"
            yield Verdict("scripts", FAILED, text, _mend(metadata, setup))


def _is_overlays(metadata: str, setup: WorktreeSetup) -> bool:
    return os.path.dirname(metadata) == setup.site_packages


def _distributions(setup: WorktreeSetup) -> list[str]:
    """Return the metadata of each distribution that the overlay's Python sees, as `distributions.metadata` does."""
    of_overlay = dict(distributions.metadata(setup.site_packages))
    of_base = dict(distributions.metadata(setup.base_site_packages))
    seen = {**of_base, **of_overlay}
    return [seen[name] for name in sorted(seen) if name not in _CONDAS_OWN]


def _interpreter(program: str) -> str:
    """Return the Python that a script names in its first lines; empty for any other program."""
    with open(program, "rb") as stream:
        start = stream.read(1024)
    if not start.startswith((b"#!", *_STARTS_OF_SHELL_SCRIPT)):
        return ""
    line = start.splitlines()[1 if start.startswith(_STARTS_OF_SHELL_SCRIPT) else 0]
    words = os.fsdecode(line).lstrip("#!").split()
    return next((word.strip("\"'") for word in words if "python" in os.path.basename(word)), "")


def _mend(metadata: str, setup: WorktreeSetup) -> str:
    """Return the command that writes a distribution's scripts anew, by whoever has installed it."""
    name = distributions.spelled_name(metadata)
    if _is_overlays(metadata, setup):
        return "devpy update-editables --reinstall"
    installer = [*distributions.read_lines(os.path.join(metadata, "INSTALLER")), ""][0]
    base = setup.record.base
    if installer == "conda":
        return f"conda install -p {shlex.quote(base)} --force-reinstall {name}"
    python = shlex.quote(os.path.join(base, "bin", "python"))
    return f"{python} -m pip install --force-reinstall --no-deps {name}"
