"""Whose checkouts the editables in the base belong to: worktrees that do not declare these packages run their code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devpy_pip_guard.distributions import normalized
from devpy_pip_guard.errors import DevpyError

from ...overlay.editables import installed
from ...plugin import OK, WARNING, Verdict, hookimpl
from ...programs import run
from ...worktree import find_root, without_locations
from ..mends import mend_of_siblings_editable, removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup


_DETACHED = 1
"""What `git symbolic-ref --quiet` ends with if no branch is checked out."""


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`."""
    base = setup.base
    declared = {
        normalized(editable.name)
        for editable in installed(setup.site_packages)
        if editable.path in setup.config.editables
    }
    editables = sorted(set(installed(setup.base_site_packages)))
    for editable in editables:
        text = f"{editable.name or 'a path'} in {base} is {editable.path}{_owner(editable.path, setup)}"
        if editable.name and normalized(editable.name) in declared:
            yield Verdict("base editables", WARNING, f"{text}: a copy of a declared package", removal(editable, base))
        elif setup.sibling_of(editable.path) is not None:
            mend = mend_of_siblings_editable(editable, setup)
            yield Verdict("base editables", WARNING, f"{text}: a sibling worktree's code", mend)
        else:
            yield Verdict("base editables", OK, f"{text}; all worktrees share it")
    if not editables:
        yield Verdict("base editables", OK, f"none in {base}")


def _owner(path: str, setup: WorktreeSetup) -> str:
    """Return whose checkout a folder belongs to, as in " (branch main of /home/me/project)"."""
    if not os.path.isdir(path):
        return ", which is gone"
    try:
        root = find_root(path, {})
    except DevpyError:
        return ""
    # The caller's git variables would lead to the caller's repository.
    ran = run(["git", "symbolic-ref", "--short", "--quiet", "HEAD"], without_locations(setup.environ), root)
    if ran.code == 0:
        return f" (branch {ran.out.strip()} of {root})"
    return f" (no branch, of {root})" if ran.code == _DETACHED else f" (of {root})"
