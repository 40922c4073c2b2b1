"""Whether plain Python gets the variables that devpy gives it, and what in the caller's shell is in the way."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from devpy_pip_guard import START_RECORD

from ...plugin import OK, WARNING, Skipped, Verdict, hookimpl
from ...records import start_record
from .. import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..setup import WorktreeSetup

_OF_EACH_START = ("PWD", "OLDPWD", "SHLVL", "_")
_CONDAS_BOOKKEEPING = ("CONDA_SHLVL", "CONDA_PREFIX_", "CONDA_STACKED_", "__CONDA_SHLVL_", "CONDA_PROMPT_MODIFIER")
# Which conda has activated the base: the caller's own, as against the base's in the record; see `start_record`.
_CONDAS_PLACE = ("CONDA_EXE", "_CONDA_EXE", "CONDA_PYTHON_EXE", "_CONDA_ROOT", "_CE_M", "_CE_CONDA")
_CONDAS_PROGRAMS = "condabin"
_MOST_NAMES = 5


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`."""
    python = setup.python
    setup.activate()
    verdicts = [*(list(_of_record(setup)) or _of_plain_start(setup)), *_of_caller(setup)]
    yield from verdicts
    if not verdicts:
        yield Verdict("variables", OK, f"the same for devpy and for plain {python}{_declared(setup)}")


def _of_record(setup: WorktreeSetup) -> Iterator[Verdict]:
    state, _ = start_record.examine(setup.config, setup.record.base, setup.environ)
    if state != start_record.CURRENT:
        text = f"{os.path.join(setup.config.venv, START_RECORD)}: {_absent_or(state)}"
        yield Verdict("variables", WARNING, text, "any devpy command writes it anew: devpy true")


def _absent_or(state: str) -> str:
    return "missing, so that plain Python gets no variables" if state == start_record.NONE else state


def _of_caller(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Say what plain Python, or what is typed without devpy in this shell, would take for its environment.

    The environment that devpy itself is installed in may be active for no other reason than that.
    """
    home = setup.environ.get("PYTHONHOME")
    if home:
        text = f"PYTHONHOME={home} sends plain {setup.python} to that standard library; devpy leaves it out"
        yield Verdict("variables", WARNING, text, "unset PYTHONHOME")
    active = setup.environ.get("VIRTUAL_ENV")
    if active and os.path.realpath(active) not in map(os.path.realpath, (setup.config.venv, sys.prefix)):
        text = f"VIRTUAL_ENV={active}: what is typed without devpy in this shell runs in that environment"
        yield Verdict("variables", WARNING, text, "deactivate")


def _of_plain_start(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Compare what Python gets by devpy with what it gets if it is started without."""
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
        mend = f"put devpy before what needs them, or: source {os.path.join(setup.config.venv, 'bin', 'activate')}"
        yield Verdict("variables", WARNING, text, mend)


def _matters(name: str) -> bool:
    return name not in (*_OF_EACH_START, *_CONDAS_PLACE) and not name.startswith(_CONDAS_BOOKKEEPING)


def _differs(name: str, by_devpy: Mapping[str, str], plain: Mapping[str, str]) -> bool:
    if name == "PATH":  # behind the overlay's programs, the others may stand in another order
        there, wanted = plain.get(name, "").split(os.pathsep), by_devpy.get(name, "").split(os.pathsep)
        missing = [entry for entry in wanted if entry not in there and os.path.basename(entry) != _CONDAS_PROGRAMS]
        return there[0] != wanted[0] or bool(missing)
    return by_devpy.get(name) != plain.get(name)


def _declared(setup: WorktreeSetup) -> str:
    names = ", ".join(setup.config.env)
    return f", {names} of [env] among them" if names else ""
