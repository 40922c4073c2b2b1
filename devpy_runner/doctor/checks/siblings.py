"""Whether anything leads into another worktree of the same repository, or leads all worktrees into one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard import is_inside

from ...overlay.editables import installed
from ...plugin import FAILED, OK, WARNING, Verdict, hookimpl
from .. import probe
from ..mends import mend_of_siblings_editable
from ..shared_files import shared_file_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interpreter import Entry
    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; `pythonpath` checks what PYTHONPATH leads to."""
    verdicts = [*_declared_verdicts(setup), *_entry_verdicts(setup)]
    yield from verdicts
    shared = list(shared_file_verdicts(setup))
    yield from shared
    if not verdicts and not shared:
        count = len(setup.siblings)
        text = f"nothing leads into {'the other worktree' if count == 1 else f'any of the {count} other worktrees'}"
        yield Verdict("siblings", OK, text if count else "there are no other worktrees")


def _declared_verdicts(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Name the declared packages whose folder lies in another worktree, as those of a stack may."""
    for path in setup.config.editables:
        sibling = setup.sibling_of(path)
        if sibling is None:
            continue
        if setup.config.is_stack:
            text = f"the stack declares {path}, but you are in {setup.root}: that worktree's code runs, not yours"
            mend = f"write a stack config beside this worktree, or run devpy in {sibling}"
            yield Verdict("siblings", FAILED, text, mend)
        else:
            mend = f"declare this worktree's own in {setup.config.file}, or run devpy in {sibling}"
            yield Verdict("siblings", WARNING, f"{path} is declared, but is the code of the worktree {sibling}", mend)


def _entry_verdicts(setup: WorktreeSetup) -> Iterator[Verdict]:
    for entry in setup.state.entries:
        if entry.kind == probe.PYTHONPATH:
            continue
        for sibling in sorted({setup.sibling_of(path) or "" for path in _undeclared(entry, setup)} - {""}):
            what = f"{entry.name} on sys.path" if entry.paths[0] == entry.name else f"the finder {entry.name}"
            text = f"{what}, from {entry.source}, leads into the worktree {sibling}"
            yield Verdict("siblings", FAILED, text, _mend(entry, setup))


def _undeclared(entry: Entry, setup: WorktreeSetup) -> list[str]:
    """Return where an entry leads to, apart from declared packages, overlay and base: these may lie in any worktree."""
    expected = [*setup.config.editables, *map(os.path.realpath, (setup.config.venv, setup.record.base))]
    return [path for path in entry.paths if not any(is_inside(path, folder) for folder in expected)]


def _mend(entry: Entry, setup: WorktreeSetup) -> str:
    if is_inside(entry.pth, setup.config.venv):
        return "devpy update-editables"
    leading = [path for path in entry.paths if setup.sibling_of(path) is not None]
    for editable in installed(setup.base_site_packages):
        if any(is_inside(path, editable.path) for path in leading):
            return mend_of_siblings_editable(editable, setup)
    if entry.pth:
        return f"take it out of {entry.pth}"
    return "devpy clean, then: devpy update-editables"
