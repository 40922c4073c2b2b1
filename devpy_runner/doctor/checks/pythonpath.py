"""Whether PYTHONPATH puts other code ahead of a declared package's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard import is_inside

from ...plugin import FAILED, OK, WARNING, Verdict, hookimpl
from ...worktree import find_other_worktree
from .. import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interpreter import Entry
    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; what counts is the value that a command under devpy gets, whoever has set it."""
    value = setup.state.environ.get("PYTHONPATH", "")
    entries = [entry for entry in setup.state.entries if entry.kind == probe.PYTHONPATH]
    problems = [verdict for entry in entries for verdict in _entry_verdicts(entry, setup)]
    yield from problems
    if not problems:
        yield Verdict(
            "pythonpath",
            OK,
            f"PYTHONPATH={value}: nothing there stands in the way" if value else "PYTHONPATH is not set",
        )


def _entry_verdicts(entry: Entry, setup: WorktreeSetup) -> Iterator[Verdict]:
    modules = [module for package in setup.state.packages for module in package.modules]
    for module in modules:
        if module.actual != module.expected and is_inside(module.actual, entry.paths[0]):
            text = f"PYTHONPATH: {entry.name} shadows {module.name}: {module.actual} instead of {module.expected}"
            yield Verdict("pythonpath", FAILED, text, _mend(setup))
            return
    worktree = _other_worktree(entry, setup)
    if worktree is not None:
        text = f"PYTHONPATH: {entry.name} leads into another worktree, {worktree}, but shadows nothing"
        yield Verdict("pythonpath", WARNING, text, _mend(setup))


def _other_worktree(entry: Entry, setup: WorktreeSetup) -> str | None:
    path = entry.paths[0]
    sibling = setup.sibling_of(path)
    is_own = any(is_inside(path, folder) for folder in (setup.root, *setup.config.editables))
    if sibling is not None or is_own or not os.path.isdir(path):
        return sibling
    return find_other_worktree(path, setup.root, setup.environ)


def _mend(setup: WorktreeSetup) -> str:
    if setup.environ.get("PYTHONPATH") == setup.state.environ.get("PYTHONPATH"):
        return "unset PYTHONPATH"
    return f"see what sets it: [env] in {setup.config.file}, or the base's activation scripts"
