"""Whether the conda environment is there, and has what an overlay needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpy_virtualenv_plugin.base_python import UPGRADE, untested

from ...base import condarc
from ...base.facts import lacks_pip
from ...plugin import FAILED, OK, WARNING, Verdict, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; whether it is there, and can carry an overlay, is told by whoever finds it."""
    for ignored in condarc.ignored(setup.environ):
        yield Verdict("base", WARNING, f"{ignored.problem}; conda ignores this file, too", ignored.mend)
    python, pip = setup.ask_base()
    problem = untested(python)
    if problem:
        yield Verdict("base", WARNING, problem, UPGRADE)
    if not pip:
        error = lacks_pip(python.prefix)
        yield Verdict("base", FAILED, error.problem, error.mend)
    elif not problem:
        yield Verdict("base", OK, f"{python.prefix}: Python {python.version}, pip {pip}")
