"""Whether plain Python gets the variables that devpy gives it, and what in the caller's shell is in the way."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from devpy_pip_guard import START_VARIABLES
from devpy_virtualenv_plugin.mends import command

from ...plugin import OK, WARNING, Skipped, Verdict, hookimpl
from ...records import start_variables
from .. import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..setup import WorktreeSetup

_SET_BY_SHELL = ("PWD", "OLDPWD", "SHLVL", "_")
_CONDA_BOOKKEEPING = ("CONDA_SHLVL", "CONDA_PREFIX_", "CONDA_STACKED_", "__CONDA_SHLVL_", "CONDA_PROMPT_MODIFIER")
# These name the conda that has activated the base: devpy's caller may have another one, see `start_variables`.
_CONDA_LOCATION = ("CONDA_EXE", "_CONDA_EXE", "CONDA_PYTHON_EXE", "_CONDA_ROOT", "_CE_M", "_CE_CONDA")
_CONDA_PROGRAMS = "condabin"
_MOST_NAMES = 5


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`."""
    python = setup.python
    setup.activate()
    verdicts = [*(list(_start_variables_verdicts(setup)) or _plain_start_verdicts(setup)), *_caller_verdicts(setup)]
    yield from verdicts
    if not verdicts:
        yield Verdict("variables", OK, f"the same for devpy and for plain {python}{_declared(setup)}")


def _start_variables_verdicts(setup: WorktreeSetup) -> Iterator[Verdict]:
    state, _ = start_variables.examine(setup.config, setup.record.base, setup.environ)
    if state != start_variables.CURRENT:
        text = f"{os.path.join(setup.config.venv, START_VARIABLES)}: {_absent_or(state)}"
        yield Verdict("variables", WARNING, text, "any devpy command writes it anew: devpy true")


def _absent_or(state: str) -> str:
    return "missing, so that plain Python gets no variables" if state == start_variables.NONE else state


def _caller_verdicts(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Name the caller's variables that send plain Python, or what is typed without devpy, into another environment.

    The environment that devpy is installed in does not count: it may be active for devpy's sake.
    """
    home = setup.environ.get("PYTHONHOME")
    if home:
        text = f"PYTHONHOME={home} sends plain {setup.python} to that standard library; devpy leaves it out"
        yield Verdict("variables", WARNING, text, "unset PYTHONHOME")
    active = setup.environ.get("VIRTUAL_ENV")
    if active and os.path.realpath(active) not in map(os.path.realpath, (setup.config.venv, sys.prefix)):
        text = f"VIRTUAL_ENV={active}: what is typed without devpy in this shell runs in that environment"
        yield Verdict("variables", WARNING, text, "deactivate")


def _plain_start_verdicts(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Compare the variables of a Python that devpy has started with those of one started without devpy."""
    by_devpy = setup.state.environ
    try:
        plain = interpreter.parse(setup.run_plainly([setup.python, interpreter.PROGRAM, "environ"]))["environ"]
    except Skipped as failed:
        yield Verdict(
            "variables", WARNING, f"plain {setup.python} does not start: {failed.reason}", "put devpy before it"
        )
        return
    names = sorted(name for name in {*by_devpy, *plain} if _matters(name) and _differs(name, by_devpy, plain))
    if names:
        shown = ", ".join(names[:_MOST_NAMES]) + (
            f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
        )
        text = f"plain {setup.python} does not get what devpy gives it in {shown}"
        source = command("source", os.path.join(setup.config.venv, "bin", "activate"))
        yield Verdict("variables", WARNING, text, f"put devpy before what needs them, or: {source}")


def _matters(name: str) -> bool:
    return name not in (*_SET_BY_SHELL, *_CONDA_LOCATION) and not name.startswith(_CONDA_BOOKKEEPING)


def _differs(name: str, by_devpy: Mapping[str, str], plain: Mapping[str, str]) -> bool:
    if name == "PATH":  # after the overlay's programs, the order may differ
        actual, expected = plain.get(name, "").split(os.pathsep), by_devpy.get(name, "").split(os.pathsep)
        missing = [entry for entry in expected if entry not in actual and os.path.basename(entry) != _CONDA_PROGRAMS]
        return actual[0] != expected[0] or bool(missing)
    return by_devpy.get(name) != plain.get(name)


def _declared(setup: WorktreeSetup) -> str:
    names = ", ".join(setup.config.env)
    return f", {names} of [env] among them" if names else ""
