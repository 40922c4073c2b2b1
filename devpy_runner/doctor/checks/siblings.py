"""Whether anything leads the overlay's interpreter into another worktree of the same repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...overlay.editables import installed
from ...plugin import FAILED, OK, WARNING, Verdict, hookimpl
from ...worktree import is_inside
from .. import probe
from ..mends import removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interpreter import Entry
    from ..setup import WorktreeSetup


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; PYTHONPATH has a check of its own."""
    verdicts = [*_of_declared(setup), *_of_entries(setup)]
    yield from verdicts
    if not verdicts:
        count = len(setup.siblings)
        text = f"nothing leads into {'the other worktree' if count == 1 else f'any of the {count} other worktrees'}"
        yield Verdict("siblings", OK, text if count else "there are no other worktrees")


def _of_declared(setup: WorktreeSetup) -> Iterator[Verdict]:
    """Name the packages that are declared to be another worktree's, as a stack's may be."""
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


def _of_entries(setup: WorktreeSetup) -> Iterator[Verdict]:
    for entry in setup.state.entries:
        if entry.kind == probe.PYTHONPATH:
            continue
        for sibling in sorted({setup.sibling_of(path) or "" for path in _undeclared(entry, setup)} - {""}):
            what = f"{entry.name} on sys.path" if entry.paths[0] == entry.name else f"the finder {entry.name}"
            text = f"{what}, from {entry.source}, leads into the worktree {sibling}"
            yield Verdict("siblings", FAILED, text, _mend(entry, setup))


def _undeclared(entry: Entry, setup: WorktreeSetup) -> list[str]:
    """Return where an entry leads to; overlay and base may lie in a worktree without holding any of its code."""
    known = [*setup.config.editables, *map(os.path.realpath, (setup.config.venv, setup.record.base))]
    return [path for path in entry.paths if not any(is_inside(path, folder) for folder in known)]


def _mend(entry: Entry, setup: WorktreeSetup) -> str:
    if is_inside(entry.pth, setup.config.venv):
        return "devpy update-editables"
    there = [editable for editable in installed(setup.base_site_packages) if setup.sibling_of(editable.path)]
    if there:
        return removal(there[0], setup.base)
    if entry.pth:
        return f"take it out of {entry.pth}"
    return "devpy clean, then: devpy update-editables"
